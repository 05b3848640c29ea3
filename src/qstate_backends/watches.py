"""Watches of a store in this process: who writes tells, who watches waits."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self

_MOST: Final = 10_000
"""Keys that may wait to be told; where more have changed, any may have."""


class Watch(Iterator[str]):
    """The keys that change under a prefix, from when it is made; ``""``: any may have changed.

    Args:
        prefix: Of the keys that are told.
        told: Where those who write find it, until it is left.
    """

    def __init__(self, prefix: str, told: set[Watch]) -> None:
        self._prefix = prefix
        self._told = told
        self._changed: dict[str, None] = {}
        self._taken: list[str] = []
        self._news = threading.Condition()
        self._left = False
        told.add(self)

    def tell(self, keys: Iterable[str]) -> None:
        """Have it give these keys; never waits for the one who takes them."""
        concerned = [key for key in keys if key.startswith(self._prefix)]
        if not concerned:
            return
        with self._news:
            self._changed.update(dict.fromkeys(concerned))
            if len(self._changed) > _MOST:
                self._changed = {"": None}
            self._news.notify_all()

    def take(self, timeout: float | None) -> list[str] | None:
        """All keys that were told and not taken, each once; None once it was left.

        Args:
            timeout: Seconds to wait for some; then there are none.
        """
        with self._news:
            self._news.wait_for(lambda: self._changed or self._left, timeout)
            keys, self._changed = list(self._changed), {}
            return None if self._left else keys

    def __next__(self) -> str:
        while not self._taken:
            keys = self.take(None)
            if keys is None:
                raise StopIteration
            self._taken = keys
        return self._taken.pop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with self._news:
            self._left = True
            self._news.notify_all()
        self._told.discard(self)
