"""Dashboards and alerts name only metrics that exist, with labels they have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from monitoring.catalogue import CATALOGUE
from monitoring.dashboard import DASHBOARD, README, render_dashboard, with_table

ALERTS = Path(__file__).parents[2] / "monitoring" / "prometheus" / "alerts.yml"

_NAME = re.compile(r"\b(?:cashier|process)_[a-z_]+|\bup\b")
_SELECTOR = re.compile(r"\b((?:cashier)_[a-z_]+)\{([^}]*)\}")


def series() -> dict[str, set[str]]:
    """Give every series name with its labels."""
    known: dict[str, set[str]] = {"process_resident_memory_bytes": set(), "up": {"job"}}
    for spec in CATALOGUE:
        names = (
            [f"{spec.name}_{part}" for part in ("bucket", "sum", "count")]
            if spec.kind == "histogram"
            else [spec.name]
        )
        for name in names:
            known[name] = set(spec.labels) | ({"le"} if name.endswith("_bucket") else set())
    return known


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    return found


def check(expression: str) -> set[str]:
    """Check names, labels and brackets of an expression; gives the labels of its metrics."""
    known = series()
    names = _NAME.findall(expression)
    assert names, expression
    assert set(names) <= known.keys(), expression
    labels: set[str] = set().union(*(known[name] for name in names))
    for name, selector in _SELECTOR.findall(expression):
        assert {part.split("=")[0] for part in selector.split(",")} <= known[name], expression
    for group in re.findall(r"by \(([^)]*)\)", expression):
        assert {part.strip() for part in group.split(",")} <= labels, expression
    for pair in ("()", "[]", "{}"):
        assert expression.count(pair[0]) == expression.count(pair[1]), expression
    return labels


def test_files_are_made_from_the_code() -> None:
    assert DASHBOARD.read_text() == render_dashboard()
    assert README.read_text() == with_table(README.read_text())


def test_dashboard_names_only_existing_metrics_and_labels() -> None:
    targets = [target for panel in panels() for target in panel.get("targets", [])]
    assert len(targets) >= 25
    for target in targets:
        labels = check(target["expr"])
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, target


def test_panels_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & cells, panel["title"]
        cells |= covered
        assert max(x for x, _ in covered) < 24
    numbers = [panel["id"] for panel in panels()]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alert_is_complete_and_true_to_the_metrics(rule: dict[str, Any]) -> None:
    labels = check(rule["expr"])
    assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= labels
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+m", rule["for"])
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert file == "monitoring/README.md"
    assert f"\n### {anchor}\n" in README.read_text()
