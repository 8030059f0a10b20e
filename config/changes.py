"""What a new configuration changes about the currencies of a running server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.schema import Settings

__all__ = ["CoinChanges", "diff"]


@dataclass(frozen=True, slots=True)
class CoinChanges:
    """Currencies by what has to happen to them; each name stands in at most one of the first five."""

    added: tuple[str, ...]
    """Enabled now, not before: start."""
    removed: tuple[str, ...]
    """Enabled before, not now: stop."""
    drained: tuple[str, ...]
    """Draining now, not before; other settings may have changed too."""
    changed: tuple[str, ...]
    """Enabled in both, some setting differs: start anew with the new settings."""
    identity_changed: tuple[str, ...]
    """What a currency *is* differs: refuse the new settings of these and keep the old."""
    restart_needed: tuple[str, ...]
    """Sections of the main file that differ; they take effect at the next start only."""

    def __bool__(self) -> bool:
        """Whether anything differs at all."""
        return any(getattr(self, name) for name in self.__slots__)


def diff(old: Settings, new: Settings) -> CoinChanges:
    """Compare two configurations; names are sorted."""
    groups: dict[str, list[str]] = {name: [] for name in CoinChanges.__slots__}
    for name in sorted(old.coins.keys() | new.coins.keys()):
        group = _group(old, new, name)
        if group:
            groups[group].append(name)
    groups["restart_needed"] = [
        section
        for section in type(new).model_fields
        if section != "coins" and getattr(old, section) != getattr(new, section)
    ]
    return CoinChanges(**{name: tuple(names) for name, names in groups.items()})


def _group(old: Settings, new: Settings, name: str) -> str | None:
    """Say which group a currency belongs to, None when nothing about it matters."""
    before, after = old.coins.get(name), new.coins.get(name)
    was_on = before is not None and before.enabled
    is_on = after is not None and after.enabled
    if before is not None and after is not None and is_on and before.identity() != after.identity():
        return "identity_changed" if was_on else "added"
    if was_on != is_on:
        return "added" if is_on else "removed"
    if not is_on or before is None or after is None or before == after:
        return None
    return "drained" if after.draining and not before.draining else "changed"
