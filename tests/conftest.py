"""What every test has: real nodes on demand, no actor left behind, no file written into the home folder."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

# bitcoinlib writes its data folder while it is imported, into the home folder unless told otherwise.
_BITCOINLIB_FOLDER = tempfile.mkdtemp(prefix="cashier-bitcoinlib-")
os.environ["BCL_DATA_DIR"] = _BITCOINLIB_FOLDER
atexit.register(shutil.rmtree, _BITCOINLIB_FOLDER, ignore_errors=True)

import pykka  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from tests.nodes.regtest import AnvilNode, BitcoinNode  # noqa: E402

NODE_FIXTURES = frozenset(
    {"bitcoind", "litecoind", "anvil", "fresh_bitcoind", "fresh_litecoind", "fresh_anvil"}
)
IS_LONG = os.environ.get("CASHIER_TEST_LONG") == "1"
FAUCET_BLOCKS = 20  # 20 coinbases: enough outputs that one test's unconfirmed chain does not block the next

# The same examples in every run; the long run looks for new ones. How long one takes is the machine's affair.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", deadline=None)
settings.load_profile("new" if IS_LONG else "same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use real nodes; leave out the long ones unless they are asked for."""
    for item in items:
        if NODE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.node)
    if IS_LONG:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(autouse=True)
def no_actor_left_behind() -> Iterator[None]:
    """Fail a test that ends with actors still registered; free the registry for the next one."""
    yield
    left = pykka.ActorRegistry.get_all()
    for ref in left:
        # Not waited for: an actor on an event loop that is closed by now could not answer.
        if issubclass(ref.actor_class, pykka.ThreadingActor):
            ref.stop(block=False)
        pykka.ActorRegistry.unregister(ref)
    if left:
        pytest.fail(f"actors left running: {', '.join(str(ref) for ref in left)}")


@pytest.fixture(scope="session")
def bitcoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BitcoinNode]:
    """One bitcoind for all tests that leave its chain fit for the others, with a funded faucet."""
    with BitcoinNode("bitcoind", tmp_path_factory.mktemp("bitcoind")) as node:
        node.fund_faucet(FAUCET_BLOCKS)
        yield node


@pytest.fixture(scope="session")
def litecoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BitcoinNode]:
    """One litecoind, as `bitcoind`; its chain is past the MWEB activation and can be mined without end."""
    with BitcoinNode("litecoind", tmp_path_factory.mktemp("litecoind")) as node:
        node.fund_faucet(FAUCET_BLOCKS)
        node.pass_mweb_activation()
        yield node


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilNode]:
    """One anvil without automatic mining for all tests that do not mind each other's blocks."""
    with AnvilNode(tmp_path_factory.mktemp("anvil")) as node:
        yield node


@pytest.fixture
def fresh_bitcoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BitcoinNode]:
    """A bitcoind of one's own at height 0, to be killed and reorganised at will."""
    with BitcoinNode("bitcoind", tmp_path_factory.mktemp("bitcoind")) as node:
        yield node


@pytest.fixture
def fresh_litecoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BitcoinNode]:
    """A litecoind of one's own at height 0; from height 432 on it needs `pass_mweb_activation`."""
    with BitcoinNode("litecoind", tmp_path_factory.mktemp("litecoind")) as node:
        yield node


@pytest.fixture
def fresh_anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilNode]:
    """An anvil of one's own that keeps its chain over `flush`, `kill` and `start`."""
    with AnvilNode(tmp_path_factory.mktemp("anvil"), keep_state=True) as node:
        yield node
