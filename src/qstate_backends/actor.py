"""``actor://name``: the memory backend, hosted by a detached Ray actor for a whole cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qstate.awaiting import Coroutines
from qstate.backend import (
    DEFAULT_TIMEOUT,
    Backend,
    Capabilities,
    InvalidURLError,
    StateURL,
    UnsupportedOperationError,
    hookimpl,
    read_options,
)
from qstate.store import StateStore
from qstate_backends import owned
from qstate_backends.channels import LoopedChannel
from qstate_backends.ray_channel import ActorChannel, LoopActorChannel, channel_to
from qstate_backends.served import ServedBackend, ServedCalls

__all__ = ["ActorBackend", "ActorStateHandler"]


class ActorBackend(ServedBackend):
    """The client of a store that an actor hosts.

    Args:
        name: The actor's name, in the namespace ``qstate``.
        timeout: Seconds that a call may take, once the actor has started.
        journal: What the actor writes its changes to; None: nothing, or what it was made with.
    """

    def __init__(
        self, name: str, timeout: float = DEFAULT_TIMEOUT, journal: StateStore | None = None
    ) -> None:
        can = Capabilities(reach="cluster", ordered_scan=True)
        if journal is not None:
            info = journal.info()
            can = replace(can, durable=info.durable, max_value_bytes=info.max_value_bytes)
        super().__init__(channel_to(name, journal), can, timeout)

    def reset(self) -> None:
        """Begin anew after a loss; a store that has lost nothing stays as it is."""
        _reset(self._channel, self._timeout)

    def aio(self) -> Coroutines:
        """The same over connections of the running event loop."""
        return Coroutines(_LoopActor(self._way.aio(), self.capabilities, self._timeout))


class _LoopActor(ServedCalls):
    """The same for one event loop."""

    def reset(self) -> None:
        """Begin anew after a loss."""
        _reset(self._channel, self._timeout)


def _reset(way: LoopedChannel, timeout: float) -> None:
    if not isinstance(way, ActorChannel | LoopActorChannel):
        raise UnsupportedOperationError("reset() needs Ray; call it in the parent process")
    way.reset(timeout)


class ActorStateHandler(StateStore):
    """A state store hosted by a Ray actor, for every task and driver of the cluster.

    Args:
        name: One store for each name in the cluster.
        **options: As for :class:`qstate.StateStore`, and ``journal``: the URL of another store, to
            which each change is written before it is acknowledged, so that nothing is lost with
            the actor.

    Example::

        store = ActorStateHandler("run")
        store["energy"] = -1.137
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(owned.named_url("actor", name), **options)

    def _label(self) -> str:
        return owned.name_of(self._address)


@hookimpl
def qstate_address(url: StateURL) -> StateURL | None:
    """The one form of the URL of a name."""
    if url.scheme != "actor":
        return None
    name = owned.name_of(url)
    if not name:
        raise InvalidURLError(f"{url}: an actor's store needs a name, as in actor://run")
    return replace(owned.named_url("actor", name), query=url.query)


@hookimpl
def qstate_backend(url: StateURL, options: Mapping[str, Any]) -> Backend | None:
    """The client of the actor of that name."""
    if url.scheme != "actor":
        return None
    known = read_options(url, options, {"timeout": float, "journal": _journal})
    return ActorBackend(owned.name_of(url), **known)


def _journal(url: str | StateURL) -> StateStore:
    """The store of a journal's URL; it is not connected to."""
    store = StateStore(url if isinstance(url, StateURL) else StateURL.parse(url))
    can = store._open().capabilities
    if can.reach == "process" or store._open().url.scheme == "actor":
        raise ValueError("it would not outlast the actor; sqlite:, redis: and postgresql: do")
    if not (can.several_keys and can.expiry):
        raise ValueError("that store can't write several keys as one, or let them expire")
    return store
