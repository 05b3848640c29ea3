"""Classes of a user's own, at the top of a module, where readers find them."""

import dataclasses
import enum
from typing import Any

import msgspec
import pydantic


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Odd(enum.Enum):
    OBJECT = object()


@dataclasses.dataclass
class Gate:
    gate: str
    qubit: int = 0


@dataclasses.dataclass
class Circuit:
    params: list[Gate]
    note: Any = None
    tags: dict[str, Gate] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Point:
    x: int
    y: float = 0.0
    total: float = dataclasses.field(init=False, default=0.0)

    def __post_init__(self):
        object.__setattr__(self, "total", self.x + self.y)


@dataclasses.dataclass
class Counted:
    """Counts how often it was made."""

    n: int
    made = 0

    def __post_init__(self):
        type(self).made += 1


@dataclasses.dataclass
class Closing:
    n: int

    def __del__(self):
        pass


@dataclasses.dataclass
class Rows(list):
    n: int = 0


class Plain:
    n = 0


class Model(pydantic.BaseModel):
    a: int
    inner: list["Model"] = []
    colour: Colour = Colour.RED
    _private: int = pydantic.PrivateAttr(default=1)


class Loose(pydantic.BaseModel, extra="allow"):
    a: int


class Struct(msgspec.Struct):
    a: int
    rest: Any = None


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    gate: str
    at: tuple[int, int] = (0, 0)
