"""The ways to a store's actor: connections to the server in it, or calls by Ray."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Generic, TypeVar

import ray
from ray import exceptions

from qstate.awaiting import await_
from qstate.backend import (
    Buffer,
    InvalidURLError,
    StateLostError,
    StoreUnavailableError,
    translate_errors,
)
from qstate.store import StateStore
from qstate_backends import owned
from qstate_backends.channels import Channel, LoopedChannel, SocketChannel
from qstate_backends.hosted import NAMESPACE, Presence, hosted
from qstate_backends.ray_calls import RAY_ERRORS, CallChannel, answer

C = TypeVar("C", bound=LoopedChannel)
R = TypeVar("R")

START_TIMEOUT: Final = 60.0
"""Seconds within which an actor that is not there yet must have started."""

_log: Final = logging.getLogger(__name__)
_DIAL_TIMEOUT: Final = 1.0

_met: dict[str, Presence] = {}
_inherited: dict[str, Presence] | None = None


def channel_to(name: str, journal: StateStore | None = None) -> Channel:
    """The way to the actor of a name.

    Args:
        name: The actor's name.
        journal: What the actor's changes are to be written to.

    Raises:
        StoreUnavailableError: This process was forked from one that uses Ray but has not met the
            actor; Ray itself does not work in such a process.
    """
    if _inherited is None:
        return ActorChannel(name, journal)
    presence = _inherited.get(name)
    if presence is None or presence.address is None:
        raise StoreUnavailableError(
            f"{_label(name)} is out of reach: this process was forked from one that uses Ray, "
            "which does not work in forked processes; use the store once before forking, or start "
            "processes by spawn",
            outcome="not applied",
        )
    return SocketChannel(presence.address, presence.key, _label(name))


class _Way(ABC, Generic[C]):
    """A channel over another that may have to be found anew."""

    def exchange(self, request: Sequence[Buffer], timeout: float) -> tuple[Buffer, Buffer]:
        """Head and body of the answer to a frame."""
        return self.over(lambda channel, left: channel.exchange(request, left), timeout)

    def over(self, use: Callable[[C, float], R], timeout: float) -> R:
        """Use the channel; another where this one is found to lead nowhere any more.

        Args:
            use: Gets the channel, and the seconds left.
            timeout: Seconds that it may take.
        """
        channel, deadline = self.open(timeout)
        try:
            return use(channel, _remaining(deadline))
        except StoreUnavailableError as error:
            self.forget(channel)
            if error.outcome != "not applied":
                raise
        channel, deadline = self.open(_remaining(deadline))
        return use(channel, _remaining(deadline))

    @abstractmethod
    def open(self, timeout: float) -> tuple[C, float]:
        """The channel, and by when it has to have answered."""

    @abstractmethod
    def forget(self, channel: C) -> None:
        """Find another channel next time; this one is not closed: others may wait for answers."""


class ActorChannel(_Way[Channel]):
    """Requests to an actor: over connections of their own, else as calls of the actor's method.

    Args:
        name: The actor's name.
        journal: What the actor's changes are to be written to; None: whatever it has.

    Attributes:
        standing: The way to the actor as it is now; None where it has to be found.
    """

    def __init__(self, name: str, journal: StateStore | None = None) -> None:
        self._name = name
        self._label = _label(name)
        self._journal = journal
        self._actor: Any = None
        self.standing: Channel | None = None
        self._known: str | None = None
        self._finding = threading.Lock()

    def open(self, timeout: float) -> tuple[Channel, float]:
        """The way to the actor, and by when a call over it has to end."""
        channel, deadline = self.standing, time.monotonic() + timeout
        if channel is not None:
            return channel, deadline
        if self._actor is None or not ray.is_initialized():
            self._start()
            deadline = time.monotonic() + timeout
        return self._find(deadline), deadline

    def forget(self, channel: Channel) -> None:
        """Find the actor anew next time."""
        if self.standing is channel:
            self.standing = None

    def watch(self, prefix: str, timeout: float) -> AbstractContextManager[Iterator[str]]:
        """The keys that change under a prefix."""
        return self.over(lambda channel, left: channel.watch(prefix, left), timeout)

    def aio(self) -> LoopActorChannel:
        """The same for the running event loop."""
        return LoopActorChannel(self)

    def reset(self, timeout: float) -> None:
        """Have the actor begin anew if it lost what it held, and know it as it is from now on."""
        self._start()
        deadline = time.monotonic() + timeout
        self._known = self.standing = None
        self._find(deadline)
        with translate_errors(self._label, RAY_ERRORS) as gate:
            gate.sent = True
            answer(self._actor.reset, deadline)

    def close(self) -> None:
        """Let go of the connections; the actor lives on."""
        channel, self.standing = self.standing, None
        if channel is not None:
            channel.close()

    def _start(self) -> None:
        """Have Ray connected and the actor started; only this may take longer than a call."""
        with self._finding, translate_errors(self._label, RAY_ERRORS):
            if not ray.is_initialized():
                ray.init()
            try:
                self._actor = ray.get_actor(self._name, namespace=NAMESPACE)
            except ValueError:  # there is none of this name
                self._actor = hosted(self._name, self._journal)
                ray.get(self._actor.presence.remote(), timeout=START_TIMEOUT)

    def _find(self, deadline: float) -> Channel:
        """The way to the actor as it is now.

        Raises:
            InvalidURLError: It has another journal than this process asked for.
            StateLostError: It is another than this process knew; told once.
        """
        with translate_errors(self._label, RAY_ERRORS):
            if not self._finding.acquire(timeout=_remaining(deadline)):
                raise TimeoutError("timed out")
            try:
                return self.standing or self._meet(deadline)
            finally:
                self._finding.release()

    def _meet(self, deadline: float) -> Channel:
        presence = _met[self._name] = self._presence(deadline)
        if self._journal is not None and presence.journal != self._journal:
            has = "no" if presence.journal is None else "another"
            raise InvalidURLError(
                f"{self._label} was made with {has} journal, and keeps to that while it lives"
            )
        self._journal = presence.journal  # so that whoever makes it anew gives it the same
        self.standing = self._way(presence, deadline)
        known, self._known = self._known, presence.incarnation
        if presence.journal is None and known not in (None, self._known):
            raise StateLostError(
                f"{self._label} was ended and made anew, and what it held is lost; "
                "from now on this process uses the new one"
            )
        return self.standing

    def _presence(self, deadline: float) -> Presence:
        try:
            found: Presence = answer(self._actor.presence, deadline)
        except exceptions.GetTimeoutError:
            raise
        except Exception as error:  # noqa: BLE001 - Ray has no class of its own for all of them
            _log.info("%s is looked up anew: %s", self._label, error)
            self._actor = hosted(self._name, self._journal)
            found = answer(self._actor.presence, deadline)
        return found

    def _way(self, presence: Presence, deadline: float) -> Channel:
        if presence.address is not None:
            channel = SocketChannel(presence.address, presence.key, self._label)
            try:
                channel.connect(min(deadline, time.monotonic() + _DIAL_TIMEOUT))
            except OSError as error:
                _log.warning("%s is reached through Ray, which is slower: %s", self._label, error)
            else:
                return channel
        return CallChannel(self._actor, self._label)


class LoopActorChannel(_Way[LoopedChannel]):
    """Requests to an actor from one event loop; the actor itself is found in a thread.

    Args:
        way: The way for threads, which knows the actor.
    """

    def __init__(self, way: ActorChannel) -> None:
        self._way = way
        self._of: Channel | None = None
        self._looped: LoopedChannel | None = None

    def open(self, timeout: float) -> tuple[LoopedChannel, float]:
        """The way to the actor, and by when a call over it has to end."""
        channel, deadline = self._way.standing, time.monotonic() + timeout
        if channel is None:
            channel, deadline = await_(asyncio.to_thread(self._way.open, timeout))
        if self._looped is None or self._of is not channel:
            self.close()
            self._of, self._looped = channel, channel.aio()
        return self._looped, deadline

    def forget(self, channel: LoopedChannel) -> None:
        """Find the actor anew next time."""
        if channel is self._looped and self._of is not None:
            self._way.forget(self._of)

    def reset(self, timeout: float) -> None:
        """As that of the way for threads."""
        await_(asyncio.to_thread(self._way.reset, timeout))

    def close(self) -> None:
        """Let go of the connections of this event loop."""
        looped, self._looped = self._looped, None
        if looped is not None:
            looped.close()


def _remaining(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


def _label(name: str) -> str:
    return str(owned.named_url("actor", name))


def _after_fork_in_child() -> None:
    """Ray does not work here, but the actors that the parent has met listen."""
    global _inherited
    if ray.is_initialized():
        _inherited = {**(_inherited or {}), **_met}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
