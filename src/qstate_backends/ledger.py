"""Which changes were applied, remembered for a while, so that a lost answer can be asked again."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, Final

REMEMBERED: Final = 120.0
"""Seconds for which an applied operation is remembered; no call takes as long."""


class Ledger:
    """Operation ids, and what was answered to each."""

    def __init__(self) -> None:
        self._applied: OrderedDict[bytes, tuple[float, Any]] = OrderedDict()

    def __contains__(self, operation: object) -> bool:
        return operation in self._applied

    def answer(self, operation: bytes) -> Any:
        """What was answered to an operation that it knows."""
        return self._applied[operation][1]

    def add(self, operation: bytes, answer: Any) -> None:
        """Remember an operation, and forget those of long ago."""
        now = time.monotonic()
        self._applied[operation] = now, answer
        while next(iter(self._applied.values()))[0] < now - REMEMBERED:
            self._applied.popitem(last=False)
