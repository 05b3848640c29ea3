"""Handle: the life of a store's object: opened, scoped, copied, pickled, forked, closed."""

from __future__ import annotations

import base64
import pickle
import threading
from dataclasses import replace
from typing import Any, Self

from qstate import addresses, keys, plugins, sharing
from qstate.backend import SharesURL, StateURL
from qstate.clients import Client
from qstate.entries import StoreInfo
from qstate.errors import ClosedStoreError, StateError
from qstate.serializers.codec import ValueCodec
from qstate.serializers.transformation import Transformation
from qstate.whereabouts import Origin


class Handle:
    """What one has in hand of a store: an address, a scope, and a client while it is open.

    Making one opens no connection. It travels by pickle as its address, and works on in forked
    children, which get a client of their own.
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "_client",
        "_closed",
        "_codec",
        "_opening",
        "_options",
        "_origin",
        "_prefix",
    )

    def __init__(self, address: str | StateURL, /, **options: Any) -> None:
        self._set_up(_canonical(address), options, "", Origin.here())
        self._open()

    def _set_up(
        self, address: str | StateURL, options: dict[str, Any], prefix: str, origin: Origin
    ) -> None:
        self._address = address
        self._options = options
        self._prefix = prefix
        self._origin = origin
        self._client: Client | None = None
        self._codec: ValueCodec
        self._closed = False
        self._opening = threading.Lock()
        sharing.watch_over(self)

    def _open(self) -> Client:
        with self._opening:
            if self._closed:
                raise self._told(
                    ClosedStoreError("the store was closed; open it anew with connect()")
                )
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        url, configured = addresses.resolve(self._address)
        options = {**url.options, **configured, **self._options}
        transformation = Transformation.taken_from(options)
        self._codec = ValueCodec(options.pop("serializer", "msgpack"), transformation)
        client = sharing.acquire(plugins.canonical_url(replace(url, query=())), options)
        try:
            self._origin.check(client.capabilities.reach, str(url))
        except StateError:
            sharing.release(client)
            raise
        return client

    def scope(self, name: str) -> Self:
        """A store whose keys all live under ``name/``; scopes nest.

        No key given to it names anything outside: ``..`` is two characters like any other.

        Example:
            >>> import qstate
            >>> store = qstate.connect("memory://docs")
            >>> store.scope("run-42")["energy"] = -1.137
            >>> store["run-42/energy"]
            -1.137
            >>> store.clear(everything=True)
        """
        client = self._client or self._open()
        scoped = self._like(keys.join(self._prefix, name) + keys.SEPARATOR)
        scoped._codec = self._codec
        scoped._client = sharing.retain(client)
        return scoped

    def __truediv__(self, name: str) -> Self:
        return self.scope(name)

    def info(self) -> StoreInfo:
        """What this store is; asks the store nothing."""
        client = self._client or self._open()
        can = client.capabilities
        return StoreInfo(
            url=str(client.url),
            scope=self._prefix,
            reach=can.reach,
            durable=can.durable,
            max_value_bytes=can.max_value_bytes,
            serializer=self._codec.serializer.name,
            compression=self._codec.transformation.compression,
            encryption=self._codec.transformation.encryption,
            plugin=plugins.distribution_of(client.url.scheme),
        )

    def ping(self) -> bool:
        """True, once the store has answered.

        Raises:
            StoreUnavailableError: It did not answer in time.
        """
        (self._client or self._open()).read((f"{keys.INTERNAL}ping",))
        return True

    def _opened(self) -> Self:
        """This store, known to reach to here; a new handle on it where it was closed.

        It asks the store nothing.

        Raises:
            UnreachableStoreError: It does not reach to here.
        """
        if self._closed:
            return self._like(self._prefix)._opened()
        if self._client is None:
            self._open()
        return self

    def close(self) -> None:
        """Let go of the store; others of the same address work on. Closing twice is fine."""
        with self._opening:
            client, self._client, self._closed = self._client, None, True
        if client is not None:
            sharing.release(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        client = getattr(self, "_client", None)
        if client is not None:
            sharing.drop(client)

    def __repr__(self) -> str:
        scope = f" | {self._prefix[:-1]}" if self._prefix else ""
        return f"<{type(self).__name__} | {self._label()}{scope}>"

    def _label(self) -> str:
        return str(self._address)

    def __copy__(self) -> Self:
        return self._like(self._prefix)

    def __deepcopy__(self, memo: object) -> Self:
        return self._like(self._prefix)

    def _like(self, prefix: str) -> Self:
        store = object.__new__(type(self))
        store._set_up(self._address, self._options, prefix, self._origin)
        return store

    def __reduce__(self) -> tuple[object, ...]:
        # Options may hold a secret: encoded, as that of a URL is.
        options = base64.b85encode(pickle.dumps(self._options))
        return _restore, (type(self), self._travelling(), options, self._prefix, self._origin)

    def _travelling(self) -> str | StateURL:
        """The address as another process needs it; a name stays a name, so no secret travels."""
        if isinstance(self._address, str):
            return self._address
        backend = (self._client or self._open()).backend
        shared = backend.shared_url() if isinstance(backend, SharesURL) else None
        if shared is None:
            return self._address
        url = StateURL.parse(shared)
        return url.with_options({**self._address.options, **url.options})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return (self._address, self._prefix) == (other._address, other._prefix)

    def __hash__(self) -> int:
        return hash((self._address, self._prefix))

    def _told(self, error: StateError) -> StateError:
        error.store = str(self._address)
        return error


def _restore(
    kind: type[Handle],
    address: str | StateURL,
    options: bytes,
    prefix: str,
    origin: Origin,
) -> Handle:
    store = object.__new__(kind)
    known = pickle.loads(base64.b85decode(options))  # noqa: S301 - from inside a pickle
    store._set_up(address, known, prefix, origin)
    return store


def _canonical(address: str | StateURL) -> str | StateURL:
    if isinstance(address, str) and addresses.is_name(address):
        return address
    url, _ = addresses.resolve(address)
    return replace(plugins.canonical_url(replace(url, query=())), query=url.query)
