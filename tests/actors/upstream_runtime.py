"""A pytest plugin for pykka's own test suite: runs every test on our runtime as well as on threads.

Loaded in a process of its own, in the folder of pykka's sources, where ``tests`` is pykka's.

Two answers of ours differ from pykka's on purpose, because money depends on them: an exception ends the
actor on an ask too, and one actor's ``SystemExit`` does not stop all others. ``PykkaAnswersActor`` gives
pykka's answers to just these two, so that its suite can judge everything else.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
import threading
import time
from typing import Any

import pytest
from pykka import ActorRegistry

from actors.future import AsyncioFuture
from actors.inbox import Deferred
from actors.runtime import AsyncioActor


def _loop_on_a_thread() -> asyncio.AbstractEventLoop:
    """A running loop for tests that know of none."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="upstream-loop", daemon=True).start()
    return loop


class PykkaAnswersActor(AsyncioActor):
    """Our runtime with pykka's answers to unexpected exceptions."""

    default_loop = _loop_on_a_thread()

    async def _on_unexpected(self, deferred: Deferred, error: BaseException) -> None:
        logger = logging.getLogger("pykka")
        if not isinstance(error, Exception):
            logger.debug(f"{error!r} in {self}. Stopping all actors.")
            await self._stop()
            ActorRegistry.stop_all(block=False)
        elif deferred.wants_reply:
            logger.info(f"Exception returned from {self} to caller:", exc_info=sys.exc_info())
            deferred.reject(error)
        else:
            await super()._on_unexpected(deferred, error)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: Any) -> None:
    """Put our runtime beside pykka's."""
    if "runtime" not in metafunc.fixturenames:
        return
    runtime_of_pykka = importlib.import_module("tests.types").Runtime

    fixture = metafunc._arg2fixturedefs["runtime"][-1]
    ids = [param.id for param in fixture.params]
    if ids == ["threading"]:
        ours = runtime_of_pykka(
            name="asyncio",
            actor_class=PykkaAnswersActor,
            event_class=threading.Event,
            future_class=AsyncioFuture,
            sleep_func=time.sleep,
        )
        fixture.params = (*fixture.params, pytest.param(ours, id="asyncio"))
    elif ids != ["threading", "asyncio"]:
        raise pytest.UsageError(f"pykka's runtime fixture has changed: {ids}")
