"""The cashier page in a real browser, as a client uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from actors.messages import DomainError, RequestWithdrawal
from gateway.context import GATEWAY
from tests.browser.world import ADDRESSES, CODE, World
from tests.gateway.fake import Rig, running

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1100, "height": 900}


@asynccontextmanager
async def cashier(
    browser: Browser, fragment: str = CODE, **gateway: Any
) -> AsyncIterator[tuple[Rig, World, Page]]:
    """The page, opened by a link, with nothing in the console but refusals we provoke."""
    worlds: list[World] = []
    async with running(lambda directory: worlds.append(World(directory)), **gateway) as rig:
        page = await browser.new_page(viewport=DESK)  # type: ignore[arg-type]
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda message: faults.append(message.text) if "Content Security" in message.text else None,
        )
        await page.goto(f"{rig.url}/cashier#{fragment}")
        yield rig, worlds[0], page
        await page.close()
        assert faults == []


async def test_a_deposit_is_seen_confirming_and_credited_live(browser: Browser) -> None:
    async with cashier(browser) as (rig, world, page):
        await expect(page.locator("#address")).to_have_text(ADDRESSES["BTC"][0])
        await expect(page.locator("#qr svg")).to_be_visible()
        await expect(page.locator("#live")).to_contain_text("Live")
        assert "#" not in page.url
        item = page.locator("#incoming li").first
        world.deposit(rig, status="seen", confirmations=0, block_height=None)
        await expect(item).to_contain_text("+ 0.0015 BTC")
        await expect(item).to_contain_text("Seen, waiting for a block · 0/3")
        for number in (1, 2):
            world.deposit(rig, status="confirming", confirmations=number)
            await expect(item).to_contain_text(f"Confirming · {number}/3")
        world.deposit(rig, status="credited", confirmations=3)
        await expect(item).to_contain_text("Credited")
        await expect(page.locator("#said")).to_have_text("Deposit of 0.0015 BTC: Credited")


async def test_another_currency_brings_its_own_address(browser: Browser) -> None:
    async with cashier(browser) as (_, _world, page):
        await page.get_by_label("Currency").first.select_option("ETH")
        await expect(page.locator("#address")).to_have_text(ADDRESSES["ETH"][0])
        await expect(page.locator("#address-card")).to_contain_text("Ether regtest")


async def test_a_withdrawal_shows_its_fee_before_and_its_states_after(browser: Browser) -> None:
    async with cashier(browser, f"{CODE}&action=withdraw") as (rig, world, page):
        await page.get_by_label("To address").fill(ADDRESSES["BTC"][0])
        await page.get_by_label("Amount", exact=True).fill("0.01")
        await expect(page.locator("#fee")).to_have_text("0.00005 BTC")
        await expect(page.locator("#total")).to_have_text("0.01005 BTC")
        await page.get_by_role("button", name="Withdraw", exact=True).click()
        item = page.locator("#outgoing li").first
        await expect(item).to_contain_text("− 0.01 BTC")
        await expect(item).to_contain_text("Being prepared")
        asked = [m for _, m in world.asked if isinstance(m, RequestWithdrawal)]
        assert [(m.amount, m.client_id, m.session_id) for m in asked] == [(1_000_000, "alice", "ses_1")]
        made = world.withdrawals[asked[0].id]
        world.tell(rig, "withdrawal", replace(made, status="broadcast", txid="ab" * 32, confirmations=1))
        await expect(item).to_contain_text("Sent, confirming · 1/3")
        await expect(item.get_by_role("button", name="Cancel")).to_have_count(0)
        world.tell(rig, "withdrawal", replace(made, status="confirmed", txid="ab" * 32, confirmations=3))
        await expect(item).to_contain_text("Confirmed")


async def test_a_withdrawal_can_be_taken_back(browser: Browser) -> None:
    async with cashier(browser, f"{CODE}&action=withdraw") as (_, _world, page):
        await page.get_by_label("To address").fill(ADDRESSES["BTC"][0])
        await page.get_by_role("button", name="Everything").click()
        await expect(page.locator("#amount")).to_have_value("0.11995")
        await page.get_by_role("button", name="Withdraw", exact=True).click()
        await page.locator("#outgoing").get_by_role("button", name="Cancel").click()
        await expect(page.locator("#outgoing li").first).to_contain_text("Cancelled, money returned")


async def test_wrong_entries_are_told_beside_their_field(browser: Browser) -> None:
    async with cashier(browser, f"{CODE}&action=withdraw") as (_, world, page):
        send = page.get_by_role("button", name="Withdraw", exact=True)
        for text in ("", "abc", "-1", "1e3", "0"):
            await page.get_by_label("Amount", exact=True).fill(text)
            await send.click()
            await expect(page.locator("#amount-error")).to_have_text("Please enter an amount like 0.5.")
        await page.get_by_label("Amount", exact=True).fill("5")
        await send.click()
        await expect(page.locator("#amount-error")).to_contain_text("does not cover")
        assert not [m for _, m in world.asked if isinstance(m, RequestWithdrawal)]
        await page.get_by_label("Amount", exact=True).fill("0.01")
        await page.get_by_label("To address").fill("bad")
        await send.click()
        await expect(page.locator("#target-error")).to_contain_text("not an address of this currency")
        await expect(page.get_by_label("To address")).to_be_focused()


async def test_a_lost_answer_is_sent_again_with_the_same_key(browser: Browser) -> None:
    async with cashier(browser, f"{CODE}&action=withdraw") as (rig, world, page):
        works = rig.directory.replies[RequestWithdrawal]
        rig.directory.replies[RequestWithdrawal] = DomainError("node", code="currency_unavailable")
        await page.get_by_label("To address").fill(ADDRESSES["BTC"][0])
        await page.get_by_label("Amount", exact=True).fill("0.01")
        await page.get_by_role("button", name="Withdraw", exact=True).click()
        await expect(page.locator("#form-error")).to_contain_text("not available right now")
        rig.directory.replies[RequestWithdrawal] = works
        await page.get_by_role("button", name="Withdraw", exact=True).click()
        await expect(page.locator("#outgoing li").first).to_contain_text("− 0.01 BTC")
        asked = [m.idempotency for _, m in world.asked if isinstance(m, RequestWithdrawal)]
        assert len(asked) == 2
        assert asked[0] == asked[1]


async def test_s01_a_used_link_opens_nothing_and_a_reload_keeps_the_session(browser: Browser) -> None:
    async with cashier(browser) as (rig, world, page):
        await expect(page.locator("#address")).to_be_visible()
        await page.reload()
        await expect(page.locator("#address")).to_be_visible()
        fresh = await browser.new_page()
        await fresh.goto(f"{rig.url}/cashier#{CODE}")
        await expect(fresh.locator("#over")).to_contain_text("This session has ended")
        await fresh.close()
        world.session = replace(world.session, state="ended")
        await page.reload()
        await expect(page.locator("#over")).to_contain_text("This session has ended")


async def test_a_session_to_deposit_only_has_no_withdrawal(browser: Browser) -> None:
    async with cashier(browser, "none") as (rig, world, page):
        world.session = replace(world.session, actions=("deposit",), return_url=None)
        await page.goto("about:blank")
        await page.goto(f"{rig.url}/cashier#{CODE}&action=withdraw")
        await expect(page.get_by_role("tab", name="Deposit")).to_have_attribute("aria-selected", "true")
        await expect(page.get_by_role("tab", name="Withdraw")).to_be_hidden()


async def test_everything_can_be_reached_by_keyboard(browser: Browser) -> None:
    async with cashier(browser) as (_, _world, page):
        await page.get_by_role("tab", name="Deposit").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("tab", name="Withdraw")).to_be_focused()
        await expect(page.get_by_role("tabpanel", name="Withdraw")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.locator("#withdraw-currency")).to_be_focused()
        names = await page.evaluate(
            "[...document.querySelectorAll('input,select,button,a[href]')].filter(e => e.checkVisibility())"
            ".filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map(e => e.id)"
        )
        assert names == []


@pytest.mark.parametrize("tab", ["Deposit", "Withdraw", "History"])
async def test_a_phone_needs_no_sideways_scrolling(browser: Browser, tab: str) -> None:
    async with cashier(browser) as (rig, world, page):
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        world.deposit(rig, amount=2**200)
        await expect(page.locator("#incoming strong")).to_be_visible()
        await page.get_by_role("tab", name=tab).click()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@asynccontextmanager
async def shop(cashier_url: str) -> AsyncIterator[str]:
    """Another site with a button that opens the cashier."""

    async def front(_: web.Request) -> web.Response:
        call = f"Cashier.open({{url: '{cashier_url}/cashier#{CODE}', action: 'withdraw'}})"
        done = "then(() => document.title = 'closed')"
        text = f'<script src="{cashier_url}/cashier.js"></script><button onclick="{call}.{done}">Pay</button>'
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", front)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://localhost:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_s12_a_named_site_opens_the_cashier_as_a_modal(browser: Browser) -> None:
    async with cashier(browser, "none") as (rig, _, page), shop(rig.url) as url:
        # Which site may frame us is decided when the page is asked for.
        gateway = rig.app[GATEWAY]
        gateway.settings = gateway.settings.model_copy(update={"frame_ancestors": (url,)})
        await page.goto(url)
        await page.get_by_role("button", name="Pay").click()
        frame = page.frame_locator("iframe")
        await expect(frame.get_by_label("To address")).to_be_visible()
        await frame.get_by_role("button", name="Close the cashier").click()
        await expect(page.locator("dialog")).to_have_count(0)
        await expect(page).to_have_title("closed")


async def test_s12_a_foreign_frame_stays_empty(browser: Browser) -> None:
    async with running() as rig, shop(rig.url) as url:
        page = await browser.new_page()
        await page.goto(url)
        async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            await page.get_by_role("button", name="Pay").click()
        assert await page.frame_locator("iframe").locator("#cashier").count() == 0
        await page.close()
