"""`run.py backup`: a copy of the database beside the running server, audited before it has its name."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.terminal import PROBLEM, USAGE, ConfigOption, Desk, JsonOption, fail, progress


def backup(
    context: typer.Context,
    output: Annotated[Path, typer.Argument(help="The file to make; it must not be there.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the database, also while the server runs, and audit the copy. One file, for its owner alone."""
    if output.exists():
        raise fail(f"{output} exists already: a backup writes over nothing", USAGE)
    if not output.parent.is_dir():
        raise fail(f"there is no folder {output.parent}", USAGE)
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    with progress(as_json) as tell:
        done = desk.back_up(settings, target=output, on_step=tell)
    if as_json:
        typer.echo(json.dumps({"is_well": not done.findings} | dataclasses.asdict(done), indent=2))
    else:
        for found in done.findings:
            typer.echo(f"{found.kind}: {found.row}: {found.detail}")
        typer.echo(
            f"{done.path}: {done.size_bytes:,} bytes, up to journal entry {done.last_entry} {done.hash}"
        )
        typer.echo(f"copy: {len(done.findings)} findings" if done.findings else "copy: all is well")
    if done.findings:
        raise typer.Exit(PROBLEM)
