"""Debian packages without root: the machine's own mirror, another suite, unpacked into a folder of ours.

Nothing of the system is read but its list of package sources and its archive keyring, and nothing of it
is changed: apt is given its own sources, lists and cache. No mirror is named here; the one this machine
already uses serves, with only the suite exchanged.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.nodes.errors import FetchError

DEBIAN_SUITES = frozenset(
    {"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}
)
ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Mirror:
    """One Debian archive this machine already uses.

    `uri` is the archive's root; `signed_by` is the keyring its source line names, empty when it names none.
    """

    uri: str
    signed_by: str = ""


def find_mirror(apt_folder: Path = Path("/etc/apt")) -> Mirror:
    """Return the machine's own mirror of the Debian archive.

    Reads `sources.list`, `sources.list.d/*.list` (one line per source) and `sources.list.d/*.sources`
    (deb822 paragraphs, see sources.list(5)); security and third-party archives are passed over.

    Raises:
        FetchError: none of the sources is a Debian archive.
    """
    for path in [apt_folder / "sources.list", *sorted((apt_folder / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        if path.suffix == ".list":
            mirror = _from_one_line(text)
        elif path.suffix == ".sources":
            mirror = _from_deb822(text)
        else:
            continue
        if mirror is not None:
            return mirror
    raise FetchError(
        f"no Debian archive in {apt_folder}/sources.list or sources.list.d: "
        "install the nodes yourself and name them with BITCOIND, LITECOIND and ANVIL"
    )


def _is_archive(types: Iterable[str], suites: Iterable[str], components: Iterable[str]) -> bool:
    """Say whether a source is the Debian archive itself (its suites are codenames, it has `main`)."""
    names = {re.sub(r"-(updates|backports|proposed-updates)$", "", suite) for suite in suites}
    return "deb" in types and "main" in components and bool(names & DEBIAN_SUITES)


def _from_one_line(text: str) -> Mirror | None:
    """Read the classic form: `deb [options] uri suite component…`."""
    for line in text.splitlines():
        match = re.match(r"\s*(deb)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match is None:
            continue
        kind, options, uri, suite, components = match.groups()
        if _is_archive([kind], [suite], components.split()):
            signed = re.search(r"signed-by=(\S+)", options or "")
            return Mirror(uri, signed.group(1) if signed else "")
    return None


def _from_deb822(text: str) -> Mirror | None:
    """Read deb822 paragraphs: `Field: value`, comments with `#`, continued lines begin with a blank."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        if not fields.get("uris"):
            continue
        if _is_archive(
            fields.get("types", "").split(),
            fields.get("suites", "").split(),
            fields.get("components", "").split(),
        ):
            signed = fields.get("signed-by", "")
            return Mirror(fields["uris"].split()[0], "" if "BEGIN PGP" in signed else signed)
    return None


def fetch_packages(mirror: Mirror, suites: tuple[str, ...], packages: tuple[str, ...], root: Path) -> None:
    """Download `packages` from `suites` of `mirror` and unpack them below `root` (made anew).

    Raises:
        FetchError: a tool is missing, the archive does not answer, or a package is not there.
    """
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise FetchError(f"{tool} is missing: the nodes are fetched as Debian packages")
    work = root.with_name(root.name + ".apt")
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    keyring = mirror.signed_by or (str(ARCHIVE_KEYRING) if ARCHIVE_KEYRING.exists() else "")
    option = f"[signed-by={keyring}] " if keyring else ""
    (work / "sources.list").write_text(
        "".join(f"deb {option}{mirror.uri} {suite} main\n" for suite in suites), "utf-8"
    )
    apt = ["apt-get", "-q", *_options(work)]
    hint = "is this machine online? try: apt-get update"
    _run([*apt, "update"], work, f"the package lists of {' and '.join(suites)} did not come; {hint}")
    _run(
        [*apt, "download", *packages],
        work / "debs",
        f"a package of {' and '.join(suites)} did not come; {hint}",
    )
    root.mkdir(parents=True)
    for deb in sorted((work / "debs").glob("*.deb")):
        _run(["dpkg", "-x", str(deb), str(root)], work, f"{deb.name} could not be unpacked")
    shutil.rmtree(work)


def _options(work: Path) -> list[str]:
    """Return the options that keep apt inside `work` and away from the system's own state."""
    settings = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Dir::State::status": "/dev/null",
        "APT::Sandbox::User": "root",  # as root, apt would drop to a user who cannot write here
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "APT::Update::Error-Mode": "any",  # a half-fetched list must fail here, not at the download
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _run(command: list[str], folder: Path, failure: str) -> None:
    """Run one command in `folder`; its last error line explains a failure.

    Raises:
        FetchError: it ended with another code than 0, or took longer than APT_TIMEOUT_S.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=APT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{failure} (no end after {APT_TIMEOUT_S} s)") from error
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reasons = (
            [line for line in lines if line.startswith("E:")] or lines[-1:] or [f"code {done.returncode}"]
        )
        raise FetchError(f"{failure} ({reasons[0]})")
