"""Pickle, only for stores opened with it: whoever writes to such a store runs code in readers."""

from __future__ import annotations

import pickle
from typing import Any

from qstate.backend import Buffer
from qstate.errors import SerializationError


class PickleSerializer:
    """Values by Python's pickle: any type, for readers that trust every writer.

    Example:
        >>> serializer = PickleSerializer()
        >>> serializer.decode(b"".join(serializer.encode(range(3))))
        range(0, 3)
    """

    name = "pickle"
    codec = 3

    def encode(self, value: Any) -> tuple[Buffer, ...]:
        """The value, pickled by protocol 5.

        Raises:
            SerializationError: It can't be pickled.
        """
        try:
            return (pickle.dumps(value, protocol=5),)
        except Exception as error:
            raise SerializationError(f"$: the value can't be pickled: {error}") from error

    def decode(self, payload: Buffer) -> Any:
        """The value of a payload; what it says is run.

        Raises:
            SerializationError: It can't be unpickled.
        """
        try:
            return pickle.loads(payload)  # noqa: S301 - the store was opened with serializer=pickle
        except Exception as error:
            raise SerializationError(f"the value can't be unpickled: {error}") from error
