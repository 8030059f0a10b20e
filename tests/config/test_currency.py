"""What every currency has, whatever its family."""

from config.currency import CurrencySettings
from config.schema import BitcoinCoinSettings, EvmCoinSettings

from .conftest import Loader


def test_every_chain_is_a_currency_and_its_identity_holds_what_all_have(settings_of: Loader) -> None:
    for coin in settings_of().coins.values():
        assert isinstance(coin, CurrencySettings)
        assert set(CurrencySettings.IDENTITY) <= coin.identity().keys()


def test_what_every_currency_has_comes_first_and_is_the_same_in_every_family() -> None:
    shared = list(CurrencySettings.model_fields)
    for model in (BitcoinCoinSettings, EvmCoinSettings):
        assert list(model.model_fields)[: len(shared)] == shared
