"""NATSStateHandler: a state store that also tells what its keys have held."""

from __future__ import annotations

from typing import Any

from qstate.entries import Entry
from qstate.keys import join
from qstate.store import StateStore
from qstate_nats.address import DEFAULT_BUCKET
from qstate_nats.backend import NATSBackend


class NATSStateHandler(StateStore):
    """A state store in a JetStream key-value bucket.

    Args:
        server: Host and port, or several with commas between.
        bucket: Its name; it is made where it is missing.
        **options: As for :class:`qstate.StateStore`, and ``history``, how many values of a key a
            new bucket keeps (1 to 64); ``replicas``, on how many servers; ``max_payload``, the
            servers' limit for a message in bytes.
    """

    __slots__ = ()

    def __init__(
        self, server: str = "localhost:4222", bucket: str = DEFAULT_BUCKET, **options: Any
    ) -> None:
        super().__init__(f"nats://{server}/{bucket}", **options)

    def history(self, key: str) -> list[Entry]:
        """The values that a key has held since it was last removed or had an expiry, oldest first.

        Raises:
            StoreUnavailableError: The server did not answer in time.

        Example::

            store = NATSStateHandler(bucket="lab", history=10)
            store["energy"] = -1.0
            store["energy"] = -1.137
            [entry.value for entry in store.history("energy")]  # [-1.0, -1.137]
        """
        client = self._client or self._open()
        assert isinstance(client.backend, NATSBackend)
        found = client.backend.history(join(self._prefix, key))
        return [self._entry(key, record) for record in found]
