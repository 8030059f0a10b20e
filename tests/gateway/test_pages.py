"""Pages and assets: nothing inline, nothing from elsewhere, framed only by whom the configuration names."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from gateway.pages import PAGE_ASSETS, load_asset
from tests.gateway.fake import running

STATIC = Path(__file__).parents[2] / "gateway" / "static"


async def test_s12_the_page_is_framed_only_by_the_named_sites() -> None:
    async with running() as rig:
        policy = (await rig.send("GET", "/cashier")).headers["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors 'none'")
    async with running(frame_ancestors=("https://shop.example", "https://www.shop.example")) as rig:
        answer = await rig.send("GET", "/cashier")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors https://shop.example https://www.shop.example")
        assert b'data-ancestors="https://shop.example https://www.shop.example"' in answer.raw
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


async def test_s12_the_page_holds_nothing_inline_and_nothing_from_elsewhere() -> None:
    async with running() as rig:
        text = (await rig.send("GET", "/cashier")).raw.decode()
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", text)
        assert not re.search(r"(?:src|href)=\"(?!/static/)", text)
        for asset in re.findall(r"(?:src|href)=\"([^\"]+)\"", text):
            answer = await rig.send("GET", asset)
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        pairs = re.findall(r"(?:src|href)=\"([^\"]+)\" integrity=\"sha256-([^\"]+)\"", text)
        assert len(pairs) == 5
        for path, digest in pairs:
            content = (await rig.send("GET", path)).raw
            assert base64.b64encode(hashlib.sha256(content).digest()).decode() == digest


async def test_only_listed_assets_are_served() -> None:
    async with running() as rig:
        for path in ("/static/0/cashier.css", "/static/0000000000000000/cashier.css", "/static/x/..%2Fapp.py",
                     f"{load_asset('cashier.css').path}.map", "/static/", "/gateway/app.py"):  # fmt: skip
            answer = await rig.send("GET", path)
            assert (answer.status, answer.code) == (404, "route_not_found"), path


async def test_the_embed_script_may_be_loaded_by_any_site() -> None:
    async with running() as rig:
        answer = await rig.send("GET", "/cashier.js")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert b"window.Cashier" in answer.raw


def test_every_static_file_is_served() -> None:
    assert {path.name for path in STATIC.iterdir()} == {*PAGE_ASSETS, "embed.js", "verify_liability.py"}


def test_scripts_use_no_unsafe_sink() -> None:
    for path in STATIC.glob("*.js"):
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", path.read_text()
        )
        assert found is None, path.name
