"""What runs in the process of a store's actor."""

from __future__ import annotations

import threading
import uuid
import warnings
from typing import Any, Final, NamedTuple, NoReturn

import ray

from qstate.backend import Capabilities, StateLostError
from qstate.store import StateStore
from qstate_backends import wire
from qstate_backends.journal import JournaledMemory
from qstate_backends.memory import MemoryBackend
from qstate_backends.server import BackendServer
from qstate_backends.service import Request, ServableBackend, Service

NAMESPACE: Final = "qstate"
_THREADS: Final = 16


def hosted(name: str, journal: StateStore | None) -> Any:
    """The handle of the actor of that name, made where there is none, whoever else is making it.

    Args:
        name: The actor's name.
        journal: What an actor that is made now writes its changes to.
    """
    return _Actor.options(
        name=name,
        namespace=NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_restarts=-1,
        max_concurrency=_THREADS,
        num_cpus=0,
    ).remote(name, journal)


class Presence(NamedTuple):
    """Which actor it is, and where its server listens.

    Attributes:
        incarnation: Another after each start of the actor's process.
        address: None where it could not listen.
        key: The server's secret.
        journal: What its changes are written to.
    """

    incarnation: str
    address: wire.Address | None
    key: bytes
    journal: StateStore | None


class StateActor:
    """What runs in the actor's process.

    Args:
        name: Its name.
        journal: What its changes are written to, and what it holds is read from.
    """

    def __init__(self, name: str, journal: StateStore | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray, about how Ray itself answers this
            restarted = ray.get_runtime_context().was_current_actor_reconstructed
        if journal is not None:
            self._service: Service = _JournaledService(journal, name)
        else:
            self._service = Service(_Lost() if restarted else MemoryBackend())
        self._presence = Presence(uuid.uuid4().hex, *self._listen(), journal)

    def presence(self) -> Presence:
        """Where clients find it."""
        return self._presence

    def call(self, request: bytes) -> bytes:
        """Answer a frame, for clients that can't connect to the server."""
        head, body = wire.open_frame(request)
        return b"".join(self._service.answer(Request.read(head), body))

    def reset(self) -> None:
        """Begin anew where the data was lost; else do nothing."""
        if isinstance(self._service.backend, _Lost):
            self._service.backend = MemoryBackend()

    def _listen(self) -> tuple[wire.Address | None, bytes]:
        host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        try:
            server = BackendServer(self._service, host)
        except OSError:  # a node may have an address that it can't bind; calls still work
            return None, b""
        server.start()
        return server.address, server.key


class _JournaledService(Service):
    """Serves what a journal holds, once the journal has answered."""

    def __init__(self, journal: StateStore, name: str) -> None:
        super().__init__(_Lost())
        self._journal = journal
        self._name = name
        self._reading = threading.Lock()

    def current(self) -> ServableBackend:
        """What was read from the journal; a journal that does not answer is read by a later call.

        Raises:
            StoreUnavailableError: The journal does not answer.
        """
        if isinstance(self.backend, _Lost):
            with self._reading:
                if isinstance(self.backend, _Lost):
                    self.backend = JournaledMemory(self._journal, self._name)
        return self.backend


class _Lost:
    """The backend of an actor that does not know what it has held before Ray restarted it."""

    capabilities = Capabilities(reach="process")

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise StateLostError(
            "Ray restarted the store's actor, and what it held is lost; "
            "call reset() on the store to begin anew"
        )

    read = read_data = write = scan = remove = count = watch = _refuse

    def close(self) -> None:
        """Nothing to let go of."""


_Actor: Final[Any] = ray.remote(StateActor)
