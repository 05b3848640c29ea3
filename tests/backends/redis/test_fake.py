"""fakeredis in place of a server."""

import sys
import uuid

import pytest

import qstate
from tests.core.threads import at_once


@pytest.fixture
def often():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often")
def test_threads_that_use_a_new_server_at_once_use_the_same():
    """What one of them wrote the others read."""
    for _ in range(100):
        with qstate.connect(f"fakeredis://{uuid.uuid4().hex}") as store:
            at_once(4, lambda _, store=store: store.increment("n"))
            assert store["n"] == 4
