"""The store in a Ray actor keeps every law."""

import pytest

from qstate.testing.conformance import BackendConformance
from qstate_backends.actor import ActorStateHandler


class TestActor(BackendConformance):
    """One actor for all laws, in a Ray that the tests share."""

    name = "actor"

    @pytest.fixture
    def store(self, ray_session, monkeypatch):
        monkeypatch.setenv("RAY_ADDRESS", ray_session.address)
        with ActorStateHandler("conformance") as store:
            yield store
            store.clear(everything=True)
