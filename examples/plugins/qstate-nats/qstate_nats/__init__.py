"""``nats://host:4222/bucket``: a state store in a NATS JetStream key-value bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qstate.backend import Backend, StateURL, hookimpl
from qstate_nats.address import Address
from qstate_nats.backend import NATSBackend
from qstate_nats.handler import NATSStateHandler

__all__ = ["NATSBackend", "NATSStateHandler"]


@hookimpl
def qstate_backend(url: StateURL, options: Mapping[str, Any]) -> Backend | None:
    """The bucket of a ``nats://`` URL."""
    return NATSBackend(Address.read(url, options)) if url.scheme == "nats" else None
