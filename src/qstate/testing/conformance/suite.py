"""BackendConformance: all laws together."""

from __future__ import annotations

from typing import Final

from qstate.testing.conformance.applied_once import AppliedOnceLaws
from qstate.testing.conformance.asynchronous import AsyncLaws
from qstate.testing.conformance.availability import AvailabilityLaws
from qstate.testing.conformance.batches import BatchLaws
from qstate.testing.conformance.contention import ContentionLaws
from qstate.testing.conformance.expiry import ExpiryLaws
from qstate.testing.conformance.foreign import ForeignLaws
from qstate.testing.conformance.histories import HistoryLaws
from qstate.testing.conformance.interleaving import InterleavingLaws
from qstate.testing.conformance.internal import InternalLaws
from qstate.testing.conformance.keys import KeyLaws
from qstate.testing.conformance.laws import Laws
from qstate.testing.conformance.locks import LockLaws
from qstate.testing.conformance.model import ModelLaws
from qstate.testing.conformance.processes import ProcessLaws
from qstate.testing.conformance.scanning import ScanLaws
from qstate.testing.conformance.scopes import ScopeLaws
from qstate.testing.conformance.transactions import TransactionLaws
from qstate.testing.conformance.values import ValueLaws
from qstate.testing.conformance.versions import VersionLaws
from qstate.testing.conformance.watching import WatchLaws


class BackendConformance(
    ModelLaws,
    InterleavingLaws,
    AsyncLaws,
    ProcessLaws,
    ForeignLaws,
    AvailabilityLaws,
    LockLaws,
    WatchLaws,
    InternalLaws,
    ScopeLaws,
    ScanLaws,
    ExpiryLaws,
    AppliedOnceLaws,
    HistoryLaws,
    TransactionLaws,
    BatchLaws,
    ContentionLaws,
    VersionLaws,
    ValueLaws,
    KeyLaws,
):
    """What every state store promises, each promise at least one law.

    Subclass it with one fixture, ``store``, that gives an empty store; see :class:`Laws` for what
    more an author may give: ``raw_get``, ``raw_set``, ``unavailable``, ``restart``,
    ``known_failures``. Laws that say nothing about a store are skipped, with a reason that begins
    ``not applicable:``.
    """


LAWS: Final[tuple[type[Laws], ...]] = BackendConformance.__bases__[::-1]
"""The laws, a class for each promise, in the order in which pytest runs and tells them."""
