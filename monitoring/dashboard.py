"""The overview dashboard of Grafana, written as data.

`python -m monitoring.dashboard` writes `grafana/overview.json` and the table of metrics in `README.md`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.catalogue import CATALOGUE

__all__ = ["BEGIN", "DASHBOARD", "END", "README", "render_dashboard", "render_table", "with_table"]

FOLDER = Path(__file__).parent
DASHBOARD = FOLDER / "grafana" / "overview.json"
README = FOLDER / "README.md"
BEGIN = "<!-- metrics: made by python -m monitoring.dashboard -->"
END = "<!-- end of metrics -->"

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_COLUMNS = 3
_WIDTH = 24 // _COLUMNS
_HEIGHT = 7


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: title, unit as Grafana names it, and pairs of expression and legend."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def _rate(name: str, by: str) -> str:
    return f"sum by ({by}) (rate({name}[$__rate_interval]))"


def _quantile(share: float, name: str, *by: str) -> str:
    labels = ", ".join(("le", *by))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({name}_bucket[$__rate_interval])))"


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Money",
        (
            Panel(
                "Unexplained difference",
                "none",
                (("cashier_reconciliation_difference_units", "{{currency}}"),),
            ),
            Panel(
                "Age of the last reconciliation",
                "s",
                (("cashier_reconciliation_age_seconds", "{{currency}}"),),
            ),
            Panel(
                "Oldest open withdrawal",
                "s",
                (
                    ("cashier_withdrawal_oldest_unsigned_seconds", "{{currency}} unsigned"),
                    ("cashier_withdrawal_oldest_unconfirmed_seconds", "{{currency}} unconfirmed"),
                ),
            ),
            Panel(
                "Deposits per second",
                "ops",
                ((_rate("cashier_deposits_total", "currency, state"), "{{currency}} {{state}}"),),
            ),
            Panel(
                "Withdrawals per second",
                "ops",
                ((_rate("cashier_withdrawals_total", "currency, state"), "{{currency}} {{state}}"),),
            ),
            Panel(
                "Block to credit, p99",
                "s",
                ((_quantile(0.99, "cashier_deposit_credit_seconds", "currency"), "{{currency}}"),),
            ),
            Panel("Hot balance", "none", (("cashier_hot_balance_units", "{{currency}}"),)),
            Panel(
                "Hot wallet out of bounds",
                "none",
                (
                    ("cashier_hot_missing_units", "{{currency}} missing"),
                    ("cashier_hot_excess_units", "{{currency}} too much"),
                ),
            ),
            Panel("Float lasts", "s", (("cashier_hot_float_seconds", "{{currency}}"),)),
            Panel(
                "Waiting for an operator",
                "none",
                (
                    ("cashier_withdrawals_attention", "{{currency}} withdrawals"),
                    ("cashier_cases_open", "{{currency}} cases"),
                    ("cashier_payouts_stopped", "payouts stopped"),
                ),
            ),
        ),
    ),
    (
        "Chain",
        (
            Panel("State (1 is now)", "none", (("cashier_currency_state == 1", "{{currency}} {{state}}"),)),
            Panel("Blocks behind the node", "none", (("cashier_node_lag_blocks", "{{currency}}"),)),
            Panel("Age of the tip", "s", (("cashier_node_tip_age_seconds", "{{currency}}"),)),
            Panel(
                "Node calls, p99", "s", ((_quantile(0.99, "cashier_node_rpc_seconds", "node"), "{{node}}"),)
            ),
            Panel(
                "Failed node calls per second",
                "ops",
                ((_rate("cashier_node_rpc_errors_total", "node, result"), "{{node}} {{result}}"),),
            ),
            Panel(
                "Blocks taken out",
                "none",
                (("increase(cashier_blocks_disconnected_total[1h])", "{{currency}}"),),
            ),
        ),
    ),
    (
        "Gateway, ledger, actors",
        (
            Panel(
                "Requests per second",
                "reqps",
                ((_rate("cashier_http_requests_total", "result"), "{{result}}"),),
            ),
            Panel(
                "Requests, p99 by route",
                "s",
                ((_quantile(0.99, "cashier_http_request_seconds", "route"), "{{route}}"),),
            ),
            Panel("Event streams", "none", (("cashier_http_streams_open", "open"),)),
            Panel(
                "Ledger commands per second",
                "ops",
                ((_rate("cashier_ledger_commands_total", "message, result"), "{{message}} {{result}}"),),
            ),
            Panel("Ledger commit, p99", "s", ((_quantile(0.99, "cashier_ledger_commit_seconds"), "p99"),)),
            Panel("Write-ahead log", "bytes", (("cashier_ledger_wal_bytes", "size"),)),
            Panel("Messages waiting", "none", (("cashier_actor_inbox_messages", "{{actor}}"),)),
            Panel(
                "Restarts in an hour", "none", (("increase(cashier_actor_restarts_total[1h])", "{{actor}}"),)
            ),
            Panel("Event loop lag", "s", (("cashier_event_loop_lag_seconds", "lag"),)),
            Panel(
                "Webhook outbox",
                "none",
                (("cashier_webhook_outbox_events", "waiting"), ("cashier_webhook_dead_events", "dead")),
            ),
            Panel("Oldest undelivered event", "s", (("cashier_webhook_outbox_age_seconds", "age"),)),
            Panel("Memory", "bytes", (("process_resident_memory_bytes", "resident"),)),
        ),
    ),
)
"""The rows of the dashboard."""


def render_dashboard() -> str:
    """Give the dashboard as JSON."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(
            _place({"type": "row", "title": title, "collapsed": False, "panels": []}, 0, top, 24, 1, panels)
        )
        top += 1
        for index, panel in enumerate(row):
            column, line = index % _COLUMNS, index // _COLUMNS
            panels.append(
                _place(_graph(panel), column * _WIDTH, top + line * _HEIGHT, _WIDTH, _HEIGHT, panels)
            )
        top += -(-len(row) // _COLUMNS) * _HEIGHT
    variable = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}
    dashboard = {
        "uid": "cashier-overview",
        "title": "Cashier: overview",
        "tags": ["cashier"],
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "schemaVersion": 39,
        "templating": {"list": [variable]},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _place(
    panel: dict[str, Any], x: int, y: int, width: int, height: int, before: list[dict[str, Any]]
) -> dict[str, Any]:
    """Give a panel its number and its place."""
    return panel | {"id": len(before) + 1, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _graph(panel: Panel) -> dict[str, Any]:
    """Give one graph."""
    targets = [
        {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expr, "legendFormat": legend}
        for index, (expr, legend) in enumerate(panel.queries)
    ]
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def render_table() -> str:
    """Give the README's table of metrics."""
    rows = ["| Name | Kind | Labels | Meaning |", "|---|---|---|---|"]
    for spec in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in spec.labels) or "–"
        rows.append(f"| `{spec.name}` | {spec.kind} | {labels} | {spec.text} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """Put the table between the two marks of a README; raises ValueError when a mark is missing."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("the README has lost its marks for the table of metrics")
    return f"{before}{BEGIN}\n{render_table()}\n{END}{after}"


if __name__ == "__main__":
    DASHBOARD.write_text(render_dashboard())
    README.write_text(with_table(README.read_text()))
