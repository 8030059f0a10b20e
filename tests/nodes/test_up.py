"""The nodes beside a shell: started, found again, stopped, their chains kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ledger.month import month_of
from tests.nodes import up
from tests.nodes.regtest import NodesError

pytestmark = pytest.mark.node


def test_the_nodes_stay_until_they_are_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        up.up(tmp_path)
        first = capsys.readouterr().out
        for name in ("nodes.json", up.ENVIRONMENT_NAME):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        settings = (tmp_path / up.ENVIRONMENT_NAME).read_text().splitlines()
        assert len(settings) == 13
        assert all(line.startswith("CASHIER__COINS__") and "=" in line for line in settings)
        up.mine("eth", 2, tmp_path)
        up.pay("btc", up._known_node("btc", tmp_path).rpc("getnewaddress", "", "bech32"), "0.5", tmp_path)
        assert len(capsys.readouterr().out.split()[-1]) == 64
        up.up(tmp_path)
        assert capsys.readouterr().out == first.replace("height=0", "height=2")
    finally:
        up.down(tmp_path)
    assert capsys.readouterr().out.split() == ["BTC", "stopped", "LTC", "stopped", "ETH", "stopped"]
    with pytest.raises(NodesError, match="does not run: make nodes-up"):
        up.mine("eth", 1, tmp_path)


def test_a_chain_is_kept_from_one_start_to_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heights = []
    for _ in range(2):
        try:
            up.up(tmp_path)
            for currency in up.CURRENCIES:
                up.mine(currency, 1, tmp_path)
            heights.append([line.split("height=")[1] for line in capsys.readouterr().out.splitlines()[-3:]])
        finally:
            up.down(tmp_path)
            capsys.readouterr()
    assert heights == [["151", "434", "1"], ["152", "435", "2"]]


@pytest.mark.parametrize("amount_display", ["0", "-1", "NaN", "Infinity", "1,5", ""])
def test_only_a_positive_decimal_is_paid(
    amount_display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "_known_node", lambda *_: None)
    with pytest.raises(NodesError, match="is no amount"):
        up.pay("btc", "anywhere", amount_display, tmp_path)


def test_a_wrong_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert up.main(["sideways"]) == 2
    assert up.main(["mine", "doge"]) == 1
    assert "known are btc, ltc, eth" in capsys.readouterr().err


def test_a_month_ends_on_all_of_them_and_they_go_on_after_a_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        up.up(tmp_path)
        now = month_of(up._known_node("btc", tmp_path).tip_time)
        capsys.readouterr()
        up.end_month(tmp_path)
        assert [line.split()[1] for line in capsys.readouterr().out.splitlines()][:1] == [now]
        for currency in up.CURRENCIES:
            assert month_of(up._known_node(currency, tmp_path).tip_time) > now
        up.down(tmp_path)
        up.up(tmp_path)
        for currency in up.CURRENCIES:
            node = up._known_node(currency, tmp_path)
            before = node.height
            up.mine(currency, 1, tmp_path)
            assert (node.height, month_of(node.tip_time) > now) == (before + 1, True)
    finally:
        up.down(tmp_path)
