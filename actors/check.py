"""What can be checked of the enabled currencies before the cashier runs. Opens no books and needs no seed."""

from __future__ import annotations

from collections.abc import Sequence

from actors.errors import ColdAddressError
from coins import registry
from coins.errors import CoinError
from config.schema import CoinSettings, CurrencySettings, EvmCoinSettings, NodeSettings, Settings


def cold_addresses(settings: Settings) -> dict[str, dict[str, str]]:
    """By chain and currency, where money above `hot_ceiling` goes, as the currency's family writes it.

    Raises ColdAddressError with a line for each that is no address of its network, or a token's contract.
    """
    found: dict[str, dict[str, str]] = {}
    problems: list[str] = []
    for name, chain in settings.enabled_coins.items():
        found[name] = {}
        tokens = chain.tokens if isinstance(chain, EvmCoinSettings) else ()
        contracts = {token.contract_script for token in tokens}
        wanted: Sequence[CurrencySettings] = (chain, *tokens)
        for currency in wanted:
            if currency.cold_address is None:
                continue
            try:
                payee = registry.parse_address(chain, currency.cold_address)
            except CoinError as error:
                problems.append(f"coins.{currency.currency}.cold_address: {error}")
                continue
            if payee.script in contracts:
                problems.append(f"coins.{currency.currency}.cold_address: is the contract of a token")
            found[name][currency.currency] = payee.address
    if problems:
        raise ColdAddressError("\n".join(problems))
    return found


async def check_nodes(settings: Settings) -> list[dict[str, str | None]]:
    """One row per node of an enabled currency: ``result`` is ``ok`` or what is wrong.

    Where clients pay to a cold wallet, ``first_deposit_address`` is to be compared with what it shows.
    """
    rows = []
    for currency, coin in settings.enabled_coins.items():
        for node in (coin.node, coin.witness):
            if node is None:
                continue
            row = {"currency": currency, "network": coin.network, "node": node.url}
            rows.append(row | {"first_deposit_address": None} | await _check(coin, node))
    return rows


async def _check(coin: CoinSettings, node: NodeSettings) -> dict[str, str | None]:
    """What a currency's key and one of its nodes answer."""
    found: dict[str, str | None] = {"result": "ok"}
    try:
        if coin.is_watch_only:
            found["first_deposit_address"] = registry.first_cold_address(coin)
        reader = registry.open_reader(coin.model_copy(update={"node": node}))
        try:
            await reader.identify()
            await reader.head()
        finally:
            await reader.close()
    except CoinError as error:
        found["result"] = str(error)
    return found
