"""Types of values beyond the built-in ones: what a plug-in or a user registers.

The modules beside this one teach qstate the types of one package each. They are found by their
entry points, as anyone's are, and imported when such a value is met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueType:
    """How values of a type are written and read.

    Attributes:
        kind: The type. A subclass of it is another type, unless ``subclasses`` says otherwise.
        encode: Gives what a value is made of, in types that qstate knows; or a ``memoryview``,
            which is sent without a copy.
        decode: Makes the value of that again. It gets a ``memoryview`` for a ``memoryview``, of the
            bytes that were received.
        name: What the type is called in the stored bytes, for ever: ``package.Type``.
        subclasses: The classes are the users' own, below ``kind``, and each is found again by
            its module and name. Then ``encode`` gives a pair, the fields as a dict and anything
            more, and ``decode`` gets the class, the fields and the rest.
    """

    kind: type[Any]
    encode: Callable[[Any], Any]
    decode: Callable[..., Any]
    name: str
    subclasses: bool = False
