"""Rotation: what stands under an older key is encrypted anew under the current one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qstate.backend import KEEP, Put, Record
from qstate.clients import Client
from qstate.encoded import EncodedStore
from qstate.errors import SerializationError, UnsupportedOperationError
from qstate.serializers import frame
from qstate.views import PAGE_SIZE, at_once, pages


@dataclass(frozen=True, slots=True)
class Rotation:
    """What :meth:`qstate.StateStore.rotate` found and did.

    Attributes:
        rewritten: How many values were encrypted anew.
        current: How many stood under the current key already.
        plain: How many are not encrypted and were left as they are, among them what something
            other than qstate wrote.
        unreadable: The keys of values that could not be opened, and were left as they are.
    """

    rewritten: int = 0
    current: int = 0
    plain: int = 0
    unreadable: tuple[str, ...] = ()


_Found = Literal["rewritten", "current", "plain", "unreadable"]


def rotate(store: EncodedStore, *, plain: bool) -> Rotation:
    """Encrypt anew what stands in a store under an older key; with ``plain``, under none too."""
    client = store._client or store._open()
    if store._codec.transformation.encryption is None:
        raise store._told(
            UnsupportedOperationError("rotate() needs a store that was opened with encrypt=")
        )
    found: dict[str, list[str]] = {}
    joined = store._scan_joined(client, store._prefix, PAGE_SIZE)
    for page in pages(joined, at_once(client.capabilities)):
        for key, record in zip(page, client.read(page), strict=True):
            if record is not None:
                state = _settled(store, client, key, record, plain)
                found.setdefault(state, []).append(key[len(store._prefix) :])
    unreadable = tuple(found.get("unreadable", ()))
    rewritten, current, left = (
        len(found.get(state, ())) for state in ("rewritten", "current", "plain")
    )
    return Rotation(rewritten, current, left, unreadable)


def _settled(
    store: EncodedStore, client: Client, key: str, first: Record | None, plain: bool
) -> _Found:
    """Rewrite one value, unless that is not needed; look again where another write came between."""
    read = iter([first])

    def attempt() -> _Found:
        record = next(read, None) or client.read((key,))[0]
        if record is None:
            return "current"  # it was removed meanwhile, and nothing is left to do
        return _rewrite(store, client, key, record, plain)

    return store._until_settled(client, attempt)


def _rewrite(store: EncodedStore, client: Client, key: str, record: Record, plain: bool) -> _Found:
    if record.version.modified is None or not frame.is_frame(record.data):
        return "plain"
    transformation = store._codec.transformation
    try:
        opened = frame.open_frame(record.data)
        state = transformation.state_of(opened)
        if state == "current" or (state == "plain" and not plain):
            return state
        parts = transformation.renewed(opened, key)
    except SerializationError:
        return "unreadable"
    # As with touch: the version names the value, which stays the same.
    client.write((Put(key, record.version, parts, KEEP),), {key: record.version})
    return "rewritten"
