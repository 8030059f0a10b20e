"""Ten withdrawals a second over three currencies: each is paid once. Ten minutes of it: `make test-long`."""

from __future__ import annotations

import pytest

from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.steady import TERMS, hold


@pytest.mark.node
@pytest.mark.timeout(300)
async def test_every_withdrawal_of_a_short_rush_is_paid_once(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    stage = make_stage(*TERMS)
    await open_shop(stage)
    report = await hold(stage, seconds=6)
    assert report.faults == []
    assert report.accepted == 60
