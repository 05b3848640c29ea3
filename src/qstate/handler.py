"""StateHandler: what a task may call."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class StateHandler(Protocol):
    """What a task receives: anything with ``get`` and ``set``.

    Every :class:`qstate.StateStore` is one, and so is a small class of your own.

    Example:
        >>> class Notes:
        ...     def __init__(self):
        ...         self.values = {}
        ...     def get(self, key, default=None):
        ...         return self.values.get(key, default)
        ...     def set(self, key, value):
        ...         self.values[key] = value
        >>> isinstance(Notes(), StateHandler)
        True
    """

    def get(self, key: str) -> Any:
        """The value under ``key``, or None where nothing stands."""
        ...

    def set(self, key: str, value: Any) -> Any:
        """Write ``value`` under ``key``."""
        ...
