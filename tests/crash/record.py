"""What earlier runs found: a cell is played again only when it failed, or when its code has changed."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Iterable
from pathlib import Path

from tests.crash.points import EVM, Point
from tests.crash.scenes import SCENES
from tests.crash.table import Verdict
from tests.source import REPOSITORY, ROOMS

KINDS = frozenset({".py", ".sql", ".toml"})


class Record:
    """A file with one JSON object a line, appended to; the last one of a cell counts."""

    def __init__(self, path: Path) -> None:
        """Reads what is there. Raises ValueError for a line that is none of ours."""
        self._path = path
        self._rows: dict[tuple[str, str, str], tuple[str, Verdict]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            row = json.loads(line)
            point = Point(row["scene"], row["point"])
            verdict = Verdict(point, row["wrong"], row["took_s"])
            self._rows[row["currency"], point.scene, point.name] = row["code"], verdict

    def well(self, currency: str, points: Iterable[Point]) -> list[Verdict]:
        """The verdicts on those of the points that went well with the code of today."""
        found = []
        for point in points:
            code, verdict = self._rows.get((currency, point.scene, point.name), ("", None))
            if verdict is not None and not verdict.wrong and code == code_of(currency, point.scene):
                found.append(Verdict(point, "", verdict.took_s))
        return found

    def add(self, currency: str, verdict: Verdict) -> None:
        """Append one verdict."""
        row = {
            "at": int(time.time()),
            "currency": currency,
            "scene": verdict.point.scene,
            "point": verdict.point.name,
            "wrong": verdict.wrong,
            "took_s": round(verdict.took_s, 1),
            "code": code_of(currency, verdict.point.scene),
        }
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def code_of(currency: str, scene: str) -> str:
    """A digest of what a cell exercises: the rooms without the other family, and the scene itself."""
    digest = hashlib.sha256(_rooms("bitcoin" if currency in EVM else "evm").encode())
    for part in SCENES[scene].__mro__[:-1]:
        digest.update(inspect.getsource(part).encode())
    return digest.hexdigest()[:16]


def _rooms(other_family: str) -> str:
    """A digest of the code and settings in the rooms, without one family."""
    digest = hashlib.sha256()
    apart = REPOSITORY / "coins" / other_family
    files = (path for room in ROOMS for path in (REPOSITORY / room).rglob("*") if path.suffix in KINDS)
    for path in sorted((*files, REPOSITORY / "run.py")):
        if apart not in path.parents:
            digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
