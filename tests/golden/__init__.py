"""Bytes that every version of qstate must read, each beside what it says.

`python -m tests.golden` writes the files of examples that have none yet, and never changes one that
exists. To add some, add to `EXAMPLES` here, run it, and commit both files of each.
"""

from __future__ import annotations

import datetime as dt
import enum
import os
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from unittest import mock
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from qstate.entries import Writer, encode_writer
from qstate.serializers.codec import ValueCodec
from qstate.serializers.encryption import Keys
from qstate.serializers.transformation import Transformation

FOLDER = Path(__file__).parent
KEYS = Keys(current="2026-11", keys={"2026-11": bytes(range(32)), "2026-05": bytes(range(16))})
OLD_KEYS = Keys(current="2026-05", keys={"2026-05": bytes(range(16))})
WRITER = Writer(job="fqs_1", task="t-7", attempt=2, node="n-3", function="minimise")
LONG = {"energies": [index / 8 for index in range(400)], "note": "ground state " * 40}


@dataclass(frozen=True)
class Example:
    """A value, and how it is written.

    Attributes:
        name: Of its files: `<format version>-<name>.bin` and `.txt`.
        value: What a reader gets.
        options: Those that a store writes it with; `encrypt` is the keys' current name.
        key: The joined key, which encryption binds.
        writer: Who wrote it.
        same_bytes: Whether today's writer gives these bytes; a later compressor may not.
        data: The bytes, where qstate did not write them.
    """

    name: str
    value: Any
    options: tuple[tuple[str, Any], ...] = ()
    key: str = "golden/key"
    writer: Writer | None = None
    same_bytes: bool = True
    data: bytes | None = None

    @property
    def file(self) -> Path:
        """Where its bytes are."""
        return FOLDER / f"1-{self.name}.bin"

    def write(self) -> bytes:
        """The bytes as today's writer gives them; the nonce, where there is one, is fixed."""
        if self.data is not None:
            return self.data
        field = b"" if self.writer is None else encode_writer(self.writer)
        with mock.patch.object(os, "urandom", lambda size: bytes(range(size))):
            return b"".join(codec(dict(self.options)).encode(self.value, field, self.key))

    def describe(self) -> str:
        """What stands beside the bytes, for people."""
        how = ", ".join(f"{name}={value}" for name, value in self.options) or "none"
        shown, data = repr(self.value), self.file.read_bytes()
        rows = [data[at : at + 16].hex(" ") for at in range(0, min(len(data), 512), 16)]
        said = [
            f"value:   {shown if len(shown) <= 500 else shown[:500] + '…'}",
            f"options: {how}",
            f"key:     {self.key}",
            f"writer:  {self.writer}",
            f"size:    {len(data)}",
        ]
        return "\n".join([*said, "", *rows, *(["…"] if len(data) > 512 else [])]) + "\n"


def codec(options: dict[str, Any]) -> ValueCodec:
    """What a store that is opened with options writes and reads by."""
    if "encrypt" in options:
        options["encrypt"] = KEYS if options["encrypt"] == KEYS.current else OLD_KEYS
    transformation = Transformation.taken_from(options)
    return ValueCodec(options.get("serializer", "msgpack"), transformation)


class Basis(enum.StrEnum):
    """An enum of the user's own."""

    X = "x"


class Access(enum.Flag):
    """Flags of the user's own."""

    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Gate:
    """A dataclass of the user's own."""

    name: str
    angles: tuple[float, ...] = ()
    basis: Basis = Basis.X


EXAMPLES = [
    Example("plain", {"k": 42, "name": "abc", "xs": [0, -1, 2.5], "raw": b"\x00\xff", "no": None}),
    Example("writer", [True, False], writer=WRITER),
    Example("int", [2**64, -(2**63) - 1, 3**500]),
    Example("tuple", ((), (1, (2, "three")), {(1, 2): "a key"})),
    Example("sets", [{1}, frozenset({"a"}), {frozenset({(1,)})}, set()]),
    Example("complex", [1 - 2j, complex(-0.0, 1e300)]),
    Example("bytearray", [bytearray(b"changes"), bytearray()]),
    Example(
        "datetime",
        [
            dt.datetime(2026, 11, 28, 12, 30, 1, 5),
            dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
            dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3.5), "here")),
        ],
    ),
    Example("date", [dt.date(2026, 11, 28), dt.date.min]),
    Example("time", [dt.time(1, 2, 3, 4), dt.time(1, tzinfo=dt.UTC)]),
    Example("timedelta", [dt.timedelta(days=-1, microseconds=1), dt.timedelta.max]),
    Example("decimal", [Decimal("1.10"), Decimal("-1e999999"), Decimal("Infinity")]),
    Example("fraction", [Fraction(-1, 3), Fraction(2**70, 3)]),
    Example("uuid", UUID(int=2**100 + 1)),
    Example("path", [Path("a/b.txt"), PurePosixPath("/x"), PureWindowsPath("C:/x")]),
    Example("enum", [Basis.X, Access.READ, Access.READ | Access.WRITE]),
    Example("dataclass", [Gate("rx", (0.5,)), Gate("h")]),
    Example("array", [np.arange(6.0).reshape(2, 3), np.array(1, ">i2"), np.zeros((0, 2), "M8[s]")]),
    Example("array-fields", np.array([(1, 2.5)], [("n", "<i4"), ("x", "<f8")])),
    Example("array-large", {"state": (np.arange(600, dtype="<f8"), "behind the value")}),
    Example("scalar", [np.float32(0.5), np.str_("é"), np.datetime64("2026-11-28", "D")]),
    Example("serializer-json", {"energy": -1.137, "é": [1, None]}, (("serializer", "json"),)),
    Example("zstd", LONG, (("compress", "zstd"),), same_bytes=False),
    Example("zstd-padded", bytes(1 << 20), (("compress", "zstd"),), same_bytes=False),
    Example("lz4", LONG, (("compress", "lz4"),), same_bytes=False),
    Example("encrypted", {"k": 42}, (("encrypt", "2026-11"),), writer=WRITER),
    Example("encrypted-128", (1, 2), (("encrypt", "2026-05"),), key="golden/é"),
    Example(
        "zstd-encrypted", LONG, (("compress", "zstd"), ("encrypt", "2026-11")), same_bytes=False
    ),
    Example(
        "json", {"energy": -1.137, "é": [1, None]}, data='{"energy":-1.137,"é":[1,null]}'.encode()
    ),
]
"""Of format version 1; one is never taken out, and none is changed."""
