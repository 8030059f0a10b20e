"""What a new configuration changes about the currencies of a running server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.walk import settings_of

if TYPE_CHECKING:
    from config.schema import Settings

__all__ = ["CoinChanges", "diff", "take_over"]


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
    """What a currency or token *is* differs: refuse the new settings of these and keep the old."""
    restart_needed: tuple[str, ...]
    """Sections of the main file that differ; they take effect at the next start only."""

    def __bool__(self) -> bool:
        """Whether anything differs at all."""
        return any(getattr(self, name) for name in self.__slots__)


def diff(old: Settings, new: Settings) -> CoinChanges:
    """Compare two configurations; names are sorted.

    A token has no place of its own here: its chain counts as changed. Only a token whose identity changed is
    named itself, under `identity_changed`; its chain then keeps all its old settings (`take_over`).
    """
    groups: dict[str, list[str]] = {name: [] for name in CoinChanges.__slots__}
    tokens = _changed_tokens(old, new)
    kept = _chains_of(old, new, tokens)
    for name in sorted(old.coins.keys() | new.coins.keys()):
        group = _group(old, new, name)
        if group and (name not in kept or group == "identity_changed"):
            groups[group].append(name)
    groups["identity_changed"] = sorted([*groups["identity_changed"], *tokens])
    groups["restart_needed"] = [
        section for section in settings_of(type(new)) if getattr(old, section) != getattr(new, section)
    ]
    return CoinChanges(**{name: tuple(names) for name, names in groups.items()})


def take_over(old: Settings, new: Settings) -> Settings:
    """Give what is in force after a reload: the new chains and tokens, all other sections as they were.

    A chain whose identity changed, its own or that of one of its tokens, stays with its tokens what it was.
    """
    changed = diff(old, new).identity_changed
    kept = _chains_of(old, new, changed) | {name for name in changed if name in old.coins}
    coins = {name: coin for name, coin in new.coins.items() if name not in kept}
    coins |= {name: coin for name, coin in old.coins.items() if name in kept}
    tokens = {name: token for name, token in new.tokens.items() if token.parent not in kept}
    tokens |= {name: token for name, token in old.tokens.items() if token.parent in kept}
    return old.model_copy(update={"coins": coins, "tokens": tokens})


def _changed_tokens(old: Settings, new: Settings) -> tuple[str, ...]:
    """Tokens that are enabled in both and are not the same any more."""
    before = old.currencies
    return tuple(
        name
        for name, after in new.currencies.items()
        if name in new.tokens and name in before and after.identity() != before[name].identity()
    )


def _chains_of(old: Settings, new: Settings, names: Iterable[str]) -> set[str]:
    """The chains that these tokens live on, before and after."""
    return {
        settings.tokens[name].parent for settings in (old, new) for name in names if name in settings.tokens
    }


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
