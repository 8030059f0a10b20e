"""Numbered ``.sql`` files brought into a database in order: forward only, checksummed, backed up first."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

from ledger.connection import make_private
from ledger.errors import MigrationError

FOLDER = Path(__file__).parent / "migrations"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

_TABLE = """CREATE TABLE IF NOT EXISTS schema_migration (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, name, text and the SHA-256 of the text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """All migrations of a folder in order. Raises MigrationError for a gap or a stray name."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 0001_what_it_does.sql")
        found.append(Migration(int(match.group(1)), path.name, path.read_text(encoding="utf-8")))
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"the migrations in {folder.name}/ are not numbered 1, 2, 3 …")
    return tuple(found)


def migrate(db: sqlite3.Connection, path: Path, now_s: int, migrations: tuple[Migration, ...]) -> int:
    """Bring the database to the newest schema; answers how many migrations ran.

    An existing database is copied first, by ``VACUUM INTO``, to ``{name}.before-{version}.bak`` beside
    it. Raises MigrationError when the database knows migrations this program does not, or one whose text
    was changed after it ran; nothing is changed then.
    """
    held = _held(db)
    _refuse_drift(held, migrations)
    todo = [m for m in migrations if m.version > len(held)]
    if not todo:
        return 0
    if held:
        _back_up(db, path, todo[0].version)
    for migration in todo:
        _run(db, migration, now_s)
    return len(todo)


def schema_text(db: sqlite3.Connection) -> str:
    """The whole schema of a database as SQL, in the order it was made."""
    rows = db.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    )
    return "".join(f"{sql};\n\n" for (sql,) in rows)


def _held(db: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """(version, name, checksum) of what ran, in order."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "schema_migration" in tables:
        return db.execute("SELECT version, name, checksum FROM schema_migration ORDER BY version").fetchall()
    if tables:
        raise MigrationError(
            f"this database is not ours: it has a table {min(tables)} and no schema_migration"
        )
    return []


def _refuse_drift(held: list[tuple[int, str, str]], migrations: tuple[Migration, ...]) -> None:
    for position, (version, name, checksum) in enumerate(held):
        if position >= len(migrations):
            raise MigrationError(
                f"the database has migration {name}, which this program does not know: it is older"
            )
        known = migrations[position]
        if (version, checksum) != (known.version, known.checksum):
            raise MigrationError(f"migration {known.name} is not the text that was run on this database")


def _back_up(db: sqlite3.Connection, path: Path, version: int) -> None:
    target = path.with_name(f"{path.name}.before-{version:04d}.bak")
    if target.exists():
        raise MigrationError(f"{target.name} exists already: move it away, the backup of today goes there")
    make_private(target)
    db.execute("VACUUM INTO ?", (str(target),))


def _run(db: sqlite3.Connection, migration: Migration, now_s: int) -> None:
    """One migration and its row, in one SQL transaction."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(_TABLE)
        for statement in _statements(migration.sql):
            db.execute(statement)
        db.execute(
            "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
            (migration.version, migration.name, migration.checksum, now_s),
        )
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise MigrationError(f"migration {migration.name} failed: {error}") from error


def _statements(sql: str) -> list[str]:
    """The single statements of a text; ``executescript`` would commit between them."""
    statements, current = [], ""
    for line in sql.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current.strip())
            current = ""
    if current.strip() and not all(ln.startswith("--") or not ln for ln in current.split("\n")):
        raise MigrationError("a migration ends in the middle of a statement")
    return statements


def main() -> None:
    """Print the whole schema as the migrations make it."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db, Path(":memory:"), 0, load())
    sys.stdout.write(schema_text(db))


if __name__ == "__main__":
    main()
