"""The shipped alarm rules, evaluated on the cashier's metrics as a Prometheus beside it would."""

from __future__ import annotations

import operator
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry

ALERTS = Path(__file__).parents[2] / "monitoring" / "prometheus" / "alerts.yml"

_RULE = re.compile(
    r"(?:(?P<function>increase|delta)\()?(?P<metric>\w+)(?:\{(?P<labels>[^}]*)\})?"
    r"(?:\[(?P<window>\w+)\]\))?\s*(?P<compare>==|>|<)\s*(?P<bound>[\d.]+(?:\s*\*\s*[\d.]+)*)"
)
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, ">": operator.gt, "<": operator.lt
}  # fmt: skip
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Series = tuple[tuple[str, str], ...]
"""The labels of one series."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A rule that fired for a series: since when it held, and when it fired (unix seconds)."""

    name: str
    labels: Series
    fired_at: int

    @property
    def currency(self) -> str:
        """The currency it is about, empty when it is about none."""
        return dict(self.labels).get("currency", "")


@dataclass(slots=True)
class Rule:
    """One alarm rule; ``told`` are the samples within its window, ``since`` when a series began to hold."""

    name: str
    function: str
    metric: str
    labels: tuple[tuple[str, re.Pattern[str]], ...]
    window_s: int
    compare: Callable[[float, float], bool]
    bound: float
    for_s: int
    told: dict[Series, deque[tuple[int, float]]] = field(default_factory=dict)
    since: dict[Series, int] = field(default_factory=dict)
    firing: set[Series] = field(default_factory=set)

    def evaluate(self, now_s: int, samples: Mapping[Series, float]) -> Iterator[Alarm]:
        """What begins to fire now."""
        for series, value in samples.items():
            if not all(pattern.fullmatch(dict(series).get(name, "")) for name, pattern in self.labels):
                continue
            if not self.compare(self._value(now_s, series, value), self.bound):
                self.since.pop(series, None)
                self.firing.discard(series)
                continue
            since = self.since.setdefault(series, now_s)
            if now_s - since >= self.for_s and series not in self.firing:
                self.firing.add(series)
                yield Alarm(self.name, series, now_s)
        for gone in self.since.keys() - samples.keys():
            del self.since[gone]
            self.firing.discard(gone)

    def _value(self, now_s: int, series: Series, value: float) -> float:
        """The value itself, or how much it rose within the window; a counter that began anew did not fall."""
        if not self.function:
            return value
        told = self.told.setdefault(series, deque())
        told.append((now_s, value))
        while told[0][0] < now_s - self.window_s:
            told.popleft()
        if self.function == "delta":
            return value - told[0][1]
        pairs = pairwise(each for _, each in told)
        return sum(now - before if now >= before else now for before, now in pairs)


def seconds_of(text: str) -> int:
    """A duration as Prometheus writes it."""
    return int(text[:-1]) * _UNIT_S[text[-1]]


def read_rules() -> tuple[list[Rule], list[str]]:
    """The shipped rules, and the names of those that are about more than one metric."""
    rules, others = [], []
    for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
        found = _RULE.fullmatch(rule["expr"])
        if found is None:
            others.append(str(rule["alert"]))
        else:
            rules.append(_rule(rule, found))
    return rules, others


def _rule(rule: Mapping[str, Any], found: re.Match[str]) -> Rule:
    labels = []
    for part in filter(None, (found["labels"] or "").split(",")):
        name, how, value = re.match(r"(\w+)(=~|=)\"(.*)\"", part.strip()).groups()  # type: ignore[union-attr]
        labels.append((name, re.compile(value if how == "=~" else re.escape(value))))
    bound = 1.0
    for factor in found["bound"].split("*"):
        bound *= float(factor)
    window_s = seconds_of(found["window"]) if found["window"] else 0
    return Rule(
        str(rule["alert"]), found["function"] or "", found["metric"], tuple(labels), window_s,
        _COMPARE[found["compare"]], bound, seconds_of(rule["for"]),
    )  # fmt: skip


class Alarms:
    """Looks at the metrics again and again and keeps what fired."""

    def __init__(self) -> None:
        self.rules, _ = read_rules()
        self.fired: list[Alarm] = []
        self.looks = 0

    def look(self, now_s: int, registry: CollectorRegistry) -> None:
        """Evaluate every rule on the metrics as they are now."""
        wanted = {rule.metric for rule in self.rules}
        samples: dict[str, dict[Series, float]] = {name: {} for name in wanted}
        for metric in registry.collect():
            for sample in metric.samples:
                if sample.name in wanted:
                    samples[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
        for rule in self.rules:
            self.fired += rule.evaluate(now_s, samples[rule.metric])
        self.looks += 1
