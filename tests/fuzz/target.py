"""What is fuzzed: bytes to values, from each depth at which hostile bytes may enter."""

import contextlib
from pathlib import Path

from qstate import SerializationError
from qstate.entries import read_writer
from qstate.serializers import frame
from qstate.serializers.frame import ENCRYPTED, LZ4, ZSTD
from tests.golden import EXAMPLES, KEYS, codec

KEY = "golden/key"
PLAIN, SEALED = codec({}), codec({"encrypt": KEYS.current})
_SEALING = SEALED.transformation


def try_bytes(data: bytes) -> None:
    """Read bytes as a store would; fail for anything but a value or a SerializationError."""
    way, rest = (data[0] % len(_WAYS), data[1:]) if data else (0, b"")
    reader = SEALED if way in _SEALED_WAYS else PLAIN
    with contextlib.suppress(SerializationError):
        _, writer = reader.decode(_WAYS[way](rest), KEY)
        read_writer(writer)


def _framed(flags: int):
    """A right checksum around what is hostile; its first byte is the codec."""
    return lambda rest: b"".join(frame.seal(rest[:1][0] if rest else 1, (rest[1:],), b"", flags))


def _compressed(flags: int):
    """The size that the head of a compressed payload claims is near what stands in it."""

    def compressed(rest: bytes) -> bytes:
        size = int.from_bytes(rest[:2]).to_bytes(8)
        return b"".join(frame.seal(1, (size, rest[2:]), b"", flags))

    return compressed


def _encrypted(flags: int):
    """Under a right key: as one who has it may write."""

    def encrypted(rest: bytes) -> bytes:
        opened = frame.Frame(1, b"", rest, flags)
        return b"".join(_SEALING.renewed(opened, KEY))

    return encrypted


def _with_writer(rest: bytes) -> bytes:
    size = min(rest[0] if rest else 0, len(rest[1:]))
    return b"".join(frame.seal(1, (rest[1 + size :],), rest[1 : 1 + size]))


_WAYS = [
    bytes,
    lambda rest: b"".join(frame.seal(1, (rest,))),
    _framed(0),
    _with_writer,
    _compressed(ZSTD),
    _compressed(LZ4),
    _framed(ENCRYPTED),
    _encrypted(0),
    _encrypted(ZSTD),
    _framed(ZSTD | ENCRYPTED),
    bytes,
]
_SEALED_WAYS = range(6, 11)


def seeds() -> list[bytes]:
    """The golden files, each put in at each depth."""
    found = []
    for example in EXAMPLES:
        data = example.file.read_bytes()
        if len(data) > 8192:
            continue
        payload = bytes(frame.open_frame(data).payload) if frame.is_frame(data) else data
        found += [b"\0" + data, b"\1" + payload, b"\2\1" + payload, b"\7" + payload]
        if example.name in ("zstd", "lz4"):
            way = 4 if example.name == "zstd" else 5
            found += [bytes([way]) + payload[6:], bytes([8]) + payload]
    return found


def write_seeds(folder: Path) -> None:
    """A corpus to begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
