"""Put tokens and the chains they live on together: what a token takes over, and what has to agree."""

from collections.abc import Iterable, Mapping
from typing import Any

from config.coin import CoinBase, EvmCoinSettings
from config.currency import CurrencySettings
from config.draft import Draft, nearest
from config.token import TokenSettings
from config.walk import TOKENS

__all__ = ["adopt_network", "check_with_parent", "inherited", "parent_name", "with_tokens"]

_INHERITED = ("chain_id", "confirmations", "final_depth", "max_reorg", "finality")
_AGREED = ("network", "chain_id", "max_reorg", "finality")


def adopt_network(draft: Draft, currency: str, overrides: Mapping[str, str]) -> None:
    """Put a token that names no network on its parent's, if the token's file has data for it.

    `overrides` are the networks that the environment chose, by currency.
    """
    coins = draft.tree["coins"]
    token = coins[currency]
    parent = token.get("parent")
    chain = coins.get(parent) if isinstance(parent, str) else None
    tables = token.get("networks")
    if chain is None or "network" in token or currency in overrides or not isinstance(tables, dict):
        return
    network = overrides.get(parent) or chain.get("network", "mainnet")
    if isinstance(network, str) and network in tables:
        token["network"] = network


def parent_name(draft: Draft, currency: str, models: Mapping[str, type[CurrencySettings]]) -> str | None:
    """Give the chain a token lives on; None and a problem when it cannot live there."""
    path = ("coins", currency, "parent")
    parent = draft.tree["coins"][currency]["parent"]
    chains = [name for name, model in models.items() if issubclass(model, EvmCoinSettings)]
    if isinstance(parent, str) and parent in chains:
        return parent
    hint = None
    if not isinstance(parent, str) or parent not in models:
        reason = "there is no such currency"
        hint = nearest(parent, chains) if isinstance(parent, str) else None
    elif issubclass(models[parent], TokenSettings):
        reason = f"{parent} is a token itself"
    else:
        reason = f"{parent} has no tokens: its family is not {', '.join(TOKENS)}"
    draft.add(draft.origin(path), ".".join(path), reason, hint)
    return None


def inherited(values: Mapping[str, Any], chain: EvmCoinSettings) -> dict[str, Any]:
    """Give a token's settings with those of its chain where its file says nothing."""
    return {key: getattr(chain, key) for key in _INHERITED} | dict(values)


def check_with_parent(draft: Draft, token: TokenSettings, chain: EvmCoinSettings) -> None:
    """Note what does not agree between an enabled token and its chain; a disabled one may wait."""
    if not token.enabled:
        return
    path = ("coins", token.currency)

    def add(key: str, reason: str) -> None:
        draft.add(draft.origin((*path, key)), ".".join((*path, key)), reason)

    if not chain.enabled:
        add("enabled", f"its parent {chain.currency} is disabled: enable that, or disable the token")
    if token.network != chain.network:
        table = f"the token needs a [networks.{chain.network}] table with its contract there"
        add("network", f"is {token.network}, its parent {chain.currency} is on {chain.network}: {table}")
        return
    for key in _AGREED:
        if getattr(token, key) != getattr(chain, key):
            add(key, f"must be that of its parent {chain.currency} ({getattr(chain, key)})")


def with_tokens(
    draft: Draft, chains: Mapping[str, CoinBase | None], tokens: Iterable[TokenSettings]
) -> dict[str, CoinBase | None]:
    """Give the chains with their enabled tokens; two tokens with one contract are a problem."""
    found = dict(chains)
    for name, chain in chains.items():
        if not isinstance(chain, EvmCoinSettings):
            continue
        own = sorted(
            (token for token in tokens if token.enabled and token.parent == name),
            key=lambda token: token.currency,
        )
        first: dict[str, str] = {}
        for token in own:
            taken = first.setdefault(token.contract, token.currency)
            if taken != token.currency:
                path = ("coins", token.currency, "contract")
                draft.add(draft.origin(path), ".".join(path), f"is the contract of {taken} already")
        found[name] = chain.model_copy(update={"tokens": tuple(own)})
    return found
