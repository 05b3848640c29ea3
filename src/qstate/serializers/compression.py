"""Compression of payloads by zstd or lz4, bounded on the way back. See docs/wire-format.md."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final, NamedTuple

from qstate.backend import Buffer, InvalidURLError
from qstate.errors import SerializationError
from qstate.serializers.frame import COMPRESSED, LZ4, ZSTD

LARGEST: Final = 1 << 30
"""Bytes of the largest payload that is compressed, and that is restored."""

RATIO: Final = 1024
"""How many times larger than its compressed form a payload may be."""

ABOVE: Final = 1024
"""Bytes above which a payload is compressed, where nothing else is asked for."""

_SIZE: Final = 8


class _Method(NamedTuple):
    flag: int
    package: str
    module: str
    levels: range
    usual: int
    compress: Callable[[ModuleType, int, tuple[Buffer, ...], int], bytes]
    expand: Callable[[ModuleType, Buffer, int], bytes]


class Compressor:
    """Makes payloads smaller where that is worth it.

    Args:
        name: ``zstd`` or ``lz4``.
        above: Payloads of more bytes are compressed.
        level: The method's own; None: its usual one.

    Raises:
        InvalidURLError: The name or the level means nothing, or the extra is not installed.
    """

    __slots__ = ("_above", "_level", "_method", "_module", "name")

    def __init__(self, name: str, above: int = ABOVE, level: int | None = None) -> None:
        if name not in _METHODS:
            raise InvalidURLError(f"no compression {name!r}; known: {', '.join(sorted(_METHODS))}")
        method = _METHODS[name]
        if level is not None and level not in method.levels:
            raise InvalidURLError(
                f"compress_level for {name} is a number from {method.levels[0]} to "
                f"{method.levels[-1]}, not {level}"
            )
        if above < 0:
            raise InvalidURLError(f"compress_above is a number of bytes, not {above}")
        try:
            self._module = importlib.import_module(method.module)
        except ImportError:
            raise InvalidURLError(f"compress={name} needs {_missing(name)}") from None
        self.name = name
        self._method = method
        self._above = above
        self._level = method.usual if level is None else level

    def compress(self, payload: tuple[Buffer, ...]) -> tuple[int, tuple[Buffer, ...]]:
        """The flag of what was done, and the payload; as it was where it would not get smaller."""
        size = sum(memoryview(part).nbytes for part in payload)
        if not self._above < size <= LARGEST:
            return 0, payload
        packed = self._method.compress(self._module, self._level, payload, size)
        # Readers refuse what expands more than so many times: zeros make up for it.
        padding = bytes(max(0, -(-size // RATIO) - len(packed)))
        if _SIZE + len(packed) + len(padding) >= size:
            return 0, payload
        return self._method.flag, (size.to_bytes(_SIZE) + packed + padding,)


def expand(flags: int, payload: Buffer) -> bytes:
    """The payload as it was before it was compressed.

    Raises:
        SerializationError: The bytes are not what they say, or say that they expand beyond
            :data:`LARGEST` or :data:`RATIO`: told before memory is taken for it.
    """
    name = "zstd" if flags & COMPRESSED == ZSTD else "lz4"
    method = _METHODS[name]
    size, packed = int.from_bytes(payload[:_SIZE]), payload[_SIZE:]
    if len(packed) == 0 or size > min(LARGEST, RATIO * len(packed)):
        raise SerializationError(
            f"{len(packed):,} compressed bytes that claim to be {size:,}: at most {RATIO:,} times "
            f"as many, and {LARGEST:,} in all, are read"
        )
    try:
        module = importlib.import_module(method.module)
    except ImportError:
        raise SerializationError(
            f"the value was compressed by {name}; reading it needs {_missing(name)}"
        ) from None
    try:
        expanded = method.expand(module, packed, size)
    except Exception as error:
        raise SerializationError(f"the value can't be decompressed: {error}") from error
    if len(expanded) != size:
        raise SerializationError(f"a compressed value is {len(expanded):,} bytes, not {size:,}")
    return expanded


def _missing(name: str) -> str:
    return f"the package {_METHODS[name].package}: pip install 'qstate[{name}]'"


_kept: Final = threading.local()  # zstd's contexts take long to make, and are one thread's each


def _zstd(zstandard: ModuleType, level: int, payload: tuple[Buffer, ...], size: int) -> bytes:
    try:
        compressors: dict[int, Any] = _kept.compressors
    except AttributeError:
        compressors = _kept.compressors = {}
    if level not in compressors:
        compressors[level] = zstandard.ZstdCompressor(level=level)
    if len(payload) == 1:
        packed: bytes = compressors[level].compress(payload[0])
        return packed
    stream = compressors[level].compressobj(size=size)
    return b"".join([*map(stream.compress, payload), stream.flush()])


def _from_zstd(zstandard: ModuleType, packed: Buffer, size: int) -> bytes:
    _agree(zstandard.get_frame_parameters(packed).content_size, size)
    if not hasattr(_kept, "decompressor"):
        _kept.decompressor = zstandard.ZstdDecompressor()
    expanded: bytes = _kept.decompressor.decompress(packed, max_output_size=size)
    return expanded


def _lz4(frame: ModuleType, level: int, payload: tuple[Buffer, ...], size: int) -> bytes:
    if len(payload) == 1:
        packed: bytes = frame.compress(payload[0], compression_level=level)
        return packed
    stream = frame.LZ4FrameCompressor(compression_level=level)
    begun = stream.begin(source_size=size)
    return b"".join([begun, *map(stream.compress, payload), stream.flush()])


def _from_lz4(frame: ModuleType, packed: Buffer, size: int) -> bytes:
    _agree(frame.get_frame_info(packed)["content_size"], size)
    expanded: bytes = frame.decompress(packed)
    return expanded


def _agree(content: int, size: int) -> None:
    """Both say how much it is, and memory is taken by what the inner one says."""
    if content != size:
        raise ValueError(f"it claims to be {size:,} bytes, and inside {content:,}")


_METHODS: Final[Mapping[str, _Method]] = {
    "zstd": _Method(ZSTD, "zstandard", "zstandard", range(1, 23), 3, _zstd, _from_zstd),
    "lz4": _Method(LZ4, "lz4", "lz4.frame", range(17), 0, _lz4, _from_lz4),
}
