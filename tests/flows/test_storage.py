"""The disk and the database fail under a serving cashier: nothing half done, nothing told that is not so."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.demo.stage import Stage
from tests.fakes.oracle import check_books
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Answer, Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    return make_module_stage("BTC")


def database(stage: Stage) -> Path:
    """The books."""
    return stage.folder / "data" / "cashier.sqlite"


@contextmanager
def full_disk(stage: Stage) -> Iterator[None]:
    """No file of the cashier can grow beyond what the largest one has now."""
    assert stage.process is not None
    files = [*(stage.folder / "data").glob("cashier.sqlite*"), stage.log_path]
    limit = max(path.stat().st_size for path in files)
    pid = stage.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def transfer(shop: Shop, key: str) -> Answer:
    """Move one unit to the house; the key is the website's own id as well."""
    body = {"from": "l04", "to": "house", "currency": "BTC", "amount": "0.00000001"}
    body |= {"external_id": key, "reason": "a bet"}
    return await shop.send("POST", "/v1/transfers", body, key=key)


async def test_l04_full_disk_is_told_and_survived(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    await shop.fund("l04", "1.00000000")
    young = await shop.address("l04-young")
    payee = await shop.chain.foreign_address()
    acknowledged, unanswered = [], []
    with full_disk(stage):
        for number in range(2_000):
            key = f"l04-{number}"
            answer = await transfer(shop, key)
            if answer.status == 201:
                acknowledged.append(str(answer.body["id"]))
            else:
                assert answer.status == 503, answer
                assert answer.headers["Retry-After"]
                unanswered.append(key)
            if len(unanswered) == 3:
                break
        assert len(unanswered) == 3, "the disk was to be full"
        order = shop.order("l04", "0.10000000", payee)
        refused = await shop.send("POST", "/v1/withdrawals", order, key="l04-withdrawal")
        assert refused.status == 503
        await asyncio.to_thread(shop.pay, young, "0.20000000")
        await shop.chain.mine(3)
        assert stage.process is not None
        assert stage.process.poll() is None
        assert check_books(database(stage), {"transfer": acknowledged}) == []

    # Room again: it recovers alone, what was refused was not done and may be repeated.
    for key in unanswered:
        again = await shop.until(partial(transfer, shop, key), lambda answer: answer.status == 201)
        acknowledged.append(str(again.body["id"]))
    await shop.until_deposit("l04-young", "credited", mine=True)
    taken = await shop.send("POST", "/v1/withdrawals", order, key="l04-withdrawal")
    assert taken.status == 201
    await shop.until_withdrawal(taken.body["id"], "final", mine=True)
    assert await shop.chain.received(payee) == 10_000_000
    balance = await shop.balance("l04")
    assert balance["available"] == f"{0.8999 - len(acknowledged) / 10**8:.8f}"
    assert check_books(database(stage), {"transfer": acknowledged}) == []


SECRETS = ("Traceback", "sqlite", "SELECT", "INSERT", "no such table", "Error(", 'File "', "127.0.0.1", ".py")


def assert_silent(stage: Stage, answer: Answer) -> None:
    """Nothing of the inside is in a reply."""
    text = f"{answer.body} {answer.headers}"
    node = stage.chains[0].environment("")
    for word in (*SECRETS, str(stage.folder), os.getcwd(), node["NODE__URL"], node["NODE__PASSWORD"]):
        assert word not in text, f"{word} in {text}"


@contextmanager
def broken_table(stage: Stage, table: str) -> Iterator[None]:
    """A table of the database is not there."""
    with closing(sqlite3.connect(database(stage), isolation_level=None, timeout=10)) as db:
        db.execute("PRAGMA legacy_alter_table = ON")
        db.execute(f"ALTER TABLE {table} RENAME TO {table}_hidden")
        try:
            yield
        finally:
            db.execute(f"ALTER TABLE {table}_hidden RENAME TO {table}")


@pytest.mark.parametrize(
    ("table", "method", "target"),
    [
        ("deposit", "GET", "/v1/deposits"),
        ("account", "GET", "/v1/clients/s27/balances"),
        ("transfer", "POST", "/v1/transfers"),
    ],
)
async def test_s27_faults_inside_are_told_without_anything_of_the_inside(
    stage: Stage, open_shop: OpenShop, table: str, method: str, target: str
) -> None:
    shop = await open_shop(stage)
    await shop.fund("s27", "0.10000000", blocks=3)
    body = None
    if method == "POST":
        body = {"from": "s27", "to": "house", "currency": "BTC", "amount": "0.01", "reason": "a bet"}
        body["external_id"] = secrets.token_hex(8)
    with broken_table(stage, table):
        answer = await shop.send(method, target, body, key="s27" if body else None)
    assert answer.status in (500, 503, 504), answer
    assert_silent(stage, answer)
    assert answer.headers["X-Request-Id"] == answer.body["request_id"]

    async def ask_again() -> Answer:
        return await shop.send(method, target, body, key="s27" if body else None)

    await shop.until(ask_again, lambda found: found.status in (200, 201))
    await shop.until_state("open")
    shop.check_books()


async def test_s27_malformed_requests_are_refused_without_anything_of_the_inside(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    cases = [
        ("GET", "/v1/nothing", None),
        ("PATCH", "/v1/deposits", None),
        ("GET", "/v1/deposits?limit=many", None),
        ("GET", "/v1/deposits?cursor=%00", None),
        ("GET", "/v1/deposits?cursor=AAAA", None),
        ("GET", "/v1/deposits/%2e%2e%2f%2e%2e", None),
        ("GET", "/v1/events?after=99999999999999999999", None),
        ("POST", "/v1/withdrawals", b"\xff\xfe"),
        ("POST", "/v1/withdrawals", b"[" * 50_000),
        ("POST", "/v1/sessions", b'{"client_id": {"a": 1}}'),
    ]
    for method, target, raw in cases:
        answer = await shop.send(method, target, raw=raw, key="s27" if raw else None)
        assert 400 <= answer.status < 500, (method, target, answer)
        assert_silent(stage, answer)
