"""The matrix as text: one row per point, one column per currency, and why a field is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.crash.points import POINTS, Point


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one point; ``wrong`` is empty when the money was paid once and debited once."""

    point: Point
    wrong: str
    took_s: float


def label(scene: str, name: str) -> str:
    """Scene and point in columns."""
    return f"{scene:8} {name:34}"


def lines(found: Mapping[str, Sequence[Verdict]]) -> list[str]:
    """The table of what was found, by currency: ``once``, ``FAILED``, ``not run``, or a mark whose reason
    stands below."""
    verdicts = {(currency, v.point.scene, v.point.name): v for currency in found for v in found[currency]}
    shown = [label("scene", "point") + "".join(f"{currency:>10}" for currency in found)]
    marks: dict[str, str] = {}
    for point in POINTS:
        fields = []
        for currency in found:
            verdict = verdicts.get((currency, point.scene, point.name))
            if verdict is not None:
                fields.append("FAILED" if verdict.wrong else "once")
            elif currency in point.excluded:
                fields.append(marks.setdefault(point.excluded[currency], f"[{len(marks) + 1}]"))
            else:
                fields.append("not run")
        shown.append(label(point.scene, point.name) + "".join(f"{text:>10}" for text in fields))
    shown += [f"{mark} cannot be reached: {reason}" for reason, mark in marks.items()]
    for currency, rows in found.items():
        well = sum(not verdict.wrong for verdict in rows)
        shown.append(
            f"{currency}: {well} of {len(rows)} points: paid once and debited once, or all of it back once"
        )
    return shown
