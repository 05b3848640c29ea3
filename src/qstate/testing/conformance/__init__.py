"""The conformance suite: every promise of a state store, as laws that any backend must keep.

Subclass :class:`BackendConformance` with one fixture that gives an empty store, and run pytest::

    class TestMyStore(BackendConformance):
        @pytest.fixture
        def store(self):
            with qstate.connect("mine://somewhere") as store:
                yield store
                store.clear(everything=True)

It needs the extra ``qstate[testing]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstate.testing.conformance.suite import BackendConformance

__all__ = ["BackendConformance"]


def __getattr__(name: str) -> Any:
    # Other processes import the jobs beside this, and need neither pytest nor hypothesis.
    if name == "BackendConformance":
        from qstate.testing.conformance.suite import BackendConformance

        return BackendConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
