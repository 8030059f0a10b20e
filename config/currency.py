"""What every currency has, a chain's own coin and a token alike: name, depths, limits.

Amounts come as decimal strings of whole units and are kept in base units.
"""

import hashlib
import json
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from config.fields import Section, WholeUnits, Written, as_tuple, parse_amount, problem

__all__ = ["Amount", "CurrencySettings", "Depth", "OpenClosed", "Tier"]

Amount = Annotated[int, Field(ge=0), WholeUnits()]
"""Base units, exact. Written in the file as a decimal string of whole units."""

AmountOrNone = Annotated[int | None, WholeUnits()]
"""As Amount, where there may be no such limit."""

OpenClosed = Literal["open", "closed"]
Explorer = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[^\s\"'<>{}\\]*\{txid\}[^\s\"'<>{}\\]*$",
    ),
]
Depth = Annotated[int, Field(ge=1, le=100_000)]


class Tier(Section):
    """One step of `tiers`: what is worth more waits longer."""

    above: Amount
    """The tier holds for more than this, summed per client and block."""
    confirmations: Depth
    """Blocks, the one with the payment included, after which such a deposit is credited."""

    @field_validator("above", mode="before")
    @classmethod
    def _above(cls, value: object) -> object:
        """Parse what the currency wrapped with its decimals; a number of base units is no setting."""
        return parse_amount(value.value, value.decimals) if isinstance(value, Written) else value


class CurrencySettings(Section):
    """What every currency has, a token too."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("currency", "network", "decimals")
    """Fields that may never change after the first start."""

    currency: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,11}(-[A-Z0-9]{2,12})?$")]
    """What is credited, like BTC or USDT-ETH; comes from the name of the file."""
    name: Annotated[str, Field(min_length=1, max_length=64)]
    """Name for people."""
    unsupported: str = ""
    """Why this currency cannot be enabled yet; empty for a supported one."""
    enabled: bool = False
    """Whether the currency is watched and offered."""
    network: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")] = "mainnet"
    """The network of the chain: mainnet, or one of the file's [networks] tables."""
    decimals: Annotated[int, Field(ge=0, le=30)]
    """Digits after the point; the base unit is 10^-decimals."""
    confirmations: Depth
    """Blocks, the one with the payment included, after which a deposit is credited."""
    tiers: Annotated[tuple[Tier, ...], Field(max_length=16)] = ()
    """Confirmations by amount, like `[{ above = "0.5", confirmations = 6 }]`, both strictly rising."""
    withdrawable_depth: Depth | None = None
    """Blocks after which a credit may be withdrawn; without it as soon as it is credited."""
    final_depth: Depth
    """Blocks after which a deposit is final and may be spent."""
    max_reorg: Depth
    """Deepest reorganisation that is followed, below final_depth; a deeper one halts the currency."""
    explorer_tx: Explorer | None = None
    """Page about a chain tx, like `https://explorer.example/tx/{txid}`; a token has its chain's."""
    draining: bool = False
    """No new addresses and no new withdrawals; what is open is brought to its end."""
    deposits: OpenClosed = "open"
    """Whether new deposit addresses are given."""
    withdrawals: OpenClosed = "open"
    """Whether withdrawals are taken."""
    minimum_deposit: Amount = Field(default="0", validate_default=True)
    """Smaller payments are parked for an operator, not credited."""
    minimum_withdrawal: Amount
    """Smallest withdrawal."""
    maximum_withdrawal: Amount
    """Largest single withdrawal."""
    withdrawal_fee: Amount = Field(default="0", validate_default=True)
    """What the client pays for a withdrawal, on top of the amount."""
    approval_above: Amount = Field(default="0", validate_default=True)
    """Larger withdrawals wait for an operator; "0" holds every one of them."""
    second_approval_above: AmountOrNone = None
    """Larger withdrawals need two different operators; without it one is enough for any of them."""
    destination_cooling_s: Annotated[int, Field(ge=0, le=2_592_000)] = 0
    """How long the first payout of a client to an address waits, so that the client can object."""
    hot_floor: AmountOrNone = None
    """Spendable money of the hot wallet below which an alarm says how much is missing up to hot_target."""
    hot_target: AmountOrNone = None
    """What the hot wallet should hold; without it the floor, and the ceiling."""
    hot_ceiling: AmountOrNone = None
    """Spendable money above which an alarm says how much to take to a cold place, down to hot_target; with a
    cold_address that is proposed to operators."""
    cold_address: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The address of this network, its key outside the house, that money above hot_ceiling is moved to."""
    session_withdrawal_cap: Amount
    """Most that one client session may withdraw when the website set no limit of its own."""
    client_day_limit: AmountOrNone = None
    """Most that one client may withdraw within any 24 hours; without it there is no such limit."""
    client_month_limit: AmountOrNone = None
    """Most that one client may withdraw within any 30 days."""
    day_limit: AmountOrNone = None
    """Most that is signed away of the currency within any 24 hours; what is more waits in order."""
    signer_tx_cap: Amount
    """Most that the signer signs away in one chain transaction."""
    signer_day_cap: Amount
    """Most that the signer signs away within 24 hours, also across its restarts."""
    signer_hour_cap: AmountOrNone = None
    """Most that the signer signs away within an hour; without it the day's cap alone."""

    @field_validator(
        "minimum_deposit", "minimum_withdrawal", "maximum_withdrawal", "withdrawal_fee", "approval_above",
        "second_approval_above", "session_withdrawal_cap", "client_day_limit", "client_month_limit",
        "hot_floor", "hot_target", "hot_ceiling", "day_limit", "signer_tx_cap", "signer_day_cap",
        "signer_hour_cap", "signer_fee_day_cap", "dust",
        "max_tx_fee", "sweep_threshold", "max_money", "failed_sweep_gas_max", "batch_urgent_above",
        "consolidate_below",
        mode="before", check_fields=False,
    )  # fmt: skip
    @classmethod
    def _amount(cls, value: object, info: ValidationInfo) -> int:
        """Parse a decimal string with this currency's decimals (30 when those are wrong themselves)."""
        return parse_amount(value, int(info.data.get("decimals", 30)))

    @field_validator("tiers", mode="before")
    @classmethod
    def _tiers(cls, value: object, info: ValidationInfo) -> object:
        """Give each tier's amount the decimals of this currency."""
        decimals = int(info.data.get("decimals", 30))
        items = as_tuple(value)
        if not isinstance(items, tuple):
            return items
        return tuple(
            item | {"above": Written(item["above"], decimals)}
            if isinstance(item, dict) and "above" in item
            else item
            for item in items
        )

    @field_validator("tiers")
    @classmethod
    def _rising(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        for lower, upper in pairwise(tiers):
            if upper.above <= lower.above or upper.confirmations <= lower.confirmations:
                raise problem("above and confirmations must rise from tier to tier")
        return tiers

    @field_validator("enabled")
    @classmethod
    def _enabled(cls, value: bool, info: ValidationInfo) -> bool:
        reason = info.data.get("unsupported")
        if value and reason:
            raise problem(f"cannot be enabled: {reason}")
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.final_depth < self.confirmations:
            raise problem("final_depth is smaller than confirmations")
        if self.tiers and self.tiers[0].confirmations <= self.confirmations:
            raise problem("the first of tiers needs more than confirmations")
        if self.tiers and self.tiers[-1].confirmations > self.final_depth:
            raise problem("the last of tiers needs more than final_depth")
        if not self.confirmations <= self.withdrawable_after <= self.final_depth:
            raise problem("withdrawable_depth must be between confirmations and final_depth")
        if self.max_reorg >= self.final_depth:
            raise problem("max_reorg must be smaller than final_depth: what is final is never undone")
        if self.maximum_withdrawal < self.minimum_withdrawal:
            raise problem("maximum_withdrawal is smaller than minimum_withdrawal")
        self._check_limits()
        if self.signer_tx_cap < self.maximum_withdrawal:
            raise problem(
                "signer_tx_cap is smaller than maximum_withdrawal: such a withdrawal could never leave"
            )
        if self.signer_hour_cap is not None and self.signer_hour_cap < self.maximum_withdrawal:
            raise problem(
                "signer_hour_cap is smaller than maximum_withdrawal: such a withdrawal could never leave"
            )
        return self

    def _check_limits(self) -> None:
        """A limit below what it limits would let nothing through for ever."""
        day, month = self.client_day_limit, self.client_month_limit
        for name, limit in (("client_day_limit", day), ("client_month_limit", month)):
            if limit is not None and limit < self.minimum_withdrawal:
                raise problem(f"{name} is smaller than minimum_withdrawal")
        if day is not None and month is not None and month < day:
            raise problem("client_month_limit is smaller than client_day_limit")
        bounds = [each for each in (self.hot_floor, self.hot_target, self.hot_ceiling) if each is not None]
        if bounds != sorted(bounds):
            raise problem("hot_floor, hot_target and hot_ceiling must not fall")
        if self.cold_address is not None and self.hot_ceiling is None:
            raise problem("cold_address needs hot_ceiling: what is above it is moved there")
        if self.second_approval_above is not None and self.second_approval_above <= self.approval_above:
            raise problem("second_approval_above must be more than approval_above")
        if self.day_limit is not None and self.day_limit < self.maximum_withdrawal:
            raise problem("day_limit is smaller than maximum_withdrawal: some could never leave")

    def check_leaves_fee(self, fee: int) -> None:
        """Refuse bounds that leave a movement to the cold address nothing for its ``fee`` (base units).

        It would be approved and wait until somebody pays more in.
        """
        name = "hot_ceiling" if self.hot_target is None else "hot_target"
        left = self.hot_ceiling if self.hot_target is None else self.hot_target
        if self.cold_address is not None and left is not None and left < fee:
            raise problem(f"{name} leaves less than a plain chain tx may cost, {fee} base units")

    @property
    def is_supported(self) -> bool:
        """Whether this currency may be enabled at all."""
        return not self.unsupported

    @property
    def withdrawable_after(self) -> int:
        """Blocks after which a credit may be withdrawn."""
        return self.confirmations if self.withdrawable_depth is None else self.withdrawable_depth

    def hot_missing(self, hot: int) -> int:
        """What a hot wallet below its floor lacks, in base units; 0 for one that is not."""
        if self.hot_floor is None or hot >= self.hot_floor:
            return 0
        return (self.hot_floor if self.hot_target is None else self.hot_target) - hot

    def hot_excess(self, hot: int) -> int:
        """What a hot wallet above its ceiling has too much, in base units; 0 for one that is not."""
        if self.hot_ceiling is None or hot <= self.hot_ceiling:
            return 0
        return hot - (self.hot_ceiling if self.hot_target is None else self.hot_target)

    def identity(self) -> dict[str, Any]:
        """Give what may never change after the first start, ready for JSON."""
        dumped = self.model_dump(mode="json", include=set(self.IDENTITY))
        return {key: dumped[key] for key in self.IDENTITY}

    def fingerprint(self) -> str:
        """Give the SHA-256 (hex) of the canonical JSON of `identity()`."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
