"""The pytest plug-in: stores and a Ray for tests of jobs. Nothing is imported before it is used.

pytest finds it once qstate is installed; ``pytest -p no:qstate`` leaves it out.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from qstate import StateStore

VARIABLE: Final = "QSTATE_TEST_URL"
DEFAULT_URL: Final = "memory://"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--qstate-url``."""
    parser.getgroup("qstate").addoption(
        "--qstate-url",
        action="append",
        metavar="URL",
        help="the store of the fixture state_store, a URL or a name; given several times, tests "
        f"run once for each. Without it ${VARIABLE}, several apart by spaces, else {DEFAULT_URL}",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marker."""
    config.addinivalue_line(
        "markers",
        "qstate(url=...): the store of the fixture state_store for this test, a URL or a name; a "
        "list of them runs the test once for each. It wins over --qstate-url",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each store that is asked for."""
    if "state_store" not in metafunc.fixturenames:
        return
    addresses = [_address(url) for url in _urls(metafunc)]
    if len(addresses) > 1:
        ids = [str(address) for address in addresses]
        metafunc.parametrize("state_store", addresses, indirect=True, ids=ids)


@pytest.fixture
def state_store(request: pytest.FixtureRequest) -> Iterator[StateStore]:
    """A store that is empty, and this test's alone; what it holds is removed after the test.

    In memory, unless ``--qstate-url``, ``$QSTATE_TEST_URL`` or ``@pytest.mark.qstate(url=…)`` name
    another. It is a scope of its own there, so nothing else in the store is seen or touched.
    """
    import qstate

    address = request.param if hasattr(request, "param") else _address(_urls(request)[0])
    name = f"test-{uuid.uuid4().hex}"
    with qstate.connect(address) as store:
        store.ping()
        with store.scope(name) as scope:
            yield scope
        with store.scope(name) as scope:  # anew, as the test may have closed the other
            scope.clear()


@pytest.fixture(scope="session")
def ray_session() -> Iterator[Any]:
    """A small Ray on this machine, with two processors and no dashboard, until the tests end.

    Its value is a :class:`qstate.runner.connection.Context`. Where a Ray is joined already it is
    that one, which stays.
    """
    import qstate

    with qstate.QuantumServerless().context(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 2**20,  # bytes
        log_to_driver=False,
        logging_level="warning",
    ) as context:
        yield context


def _urls(of: pytest.Metafunc | pytest.FixtureRequest) -> list[str]:
    node = of.definition if isinstance(of, pytest.Metafunc) else of.node
    marker = node.get_closest_marker("qstate")
    if marker is not None:
        return _marked(marker)
    return (
        of.config.getoption("qstate_url") or os.environ.get(VARIABLE, "").split() or [DEFAULT_URL]
    )


def _marked(marker: pytest.Mark) -> list[str]:
    url = marker.kwargs.get("url")
    if marker.args or set(marker.kwargs) != {"url"} or not url:
        raise pytest.UsageError("@pytest.mark.qstate takes url=…, a URL, a name or a list of them")
    return [url] if isinstance(url, str) else list(url)


def _address(url: str) -> Any:
    """A URL that is printed without its secrets; a name as it is."""
    from qstate.addresses import is_name
    from qstate.url import StateURL

    return url if is_name(url) else StateURL.parse(url)
