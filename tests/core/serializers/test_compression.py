"""Compression: smaller or as it was, read by all, bounded on the way back."""

import subprocess
import sys
import textwrap

import lz4.frame
import pytest
import zstandard
from hypothesis import given, strategies as st

import qstate
from qstate import SerializationError
from qstate.serializers import compression, frame
from qstate.serializers.codec import ValueCodec
from qstate.serializers.compression import Compressor
from qstate.serializers.transformation import Transformation

METHODS = ["zstd", "lz4"]
FLAGS = {"zstd": frame.ZSTD, "lz4": frame.LZ4}
PACK = {"zstd": zstandard.ZstdCompressor().compress, "lz4": lz4.frame.compress}
READER = ValueCodec("msgpack")


def compressing(name, **options):
    """A codec that compresses."""
    return ValueCodec("msgpack", Transformation(Compressor(name, **options)))


def hand_made(name, size, packed):
    """A frame with a right checksum around what claims to be so large."""
    return b"".join(frame.seal(1, (size.to_bytes(8) + packed,), b"", FLAGS[name]))


def payload_of(data):
    """What stands in a frame."""
    return frame.open_frame(data).payload


@pytest.mark.parametrize("name", METHODS)
def test_a_large_value_gets_smaller_and_any_store_reads_it(name):
    """Whether or not it was opened with `compress=`, and with which."""
    value = {"energies": [0.5] * 10_000}
    data = b"".join(compressing(name).encode(value, b"who"))
    assert len(data) < len(b"".join(READER.encode(value))) / 10
    for reader in (READER, compressing("zstd"), compressing("lz4")):
        assert reader.decode(memoryview(data)) == (value, b"who")


@pytest.mark.parametrize("name", METHODS)
@given(st.binary(max_size=3000) | st.integers(0, 20_000).map(bytes), st.integers(0, 2000))
def test_what_is_stored_is_never_larger_and_comes_back(name, value, above):
    """Whatever the value and the threshold."""
    data = b"".join(compressing(name, above=above).encode(value))
    plain = b"".join(READER.encode(value))
    assert len(data) <= len(plain)
    assert READER.decode(data) == (value, b"")
    if len(payload_of(plain)) <= above:
        assert data == plain


@pytest.mark.parametrize("name", METHODS)
def test_a_payload_in_pieces_is_compressed_as_one(name):
    """Views of any kind of items among them."""
    pieces = (b"head", memoryview(bytes(80_000)).cast("d"), bytearray(b"tail" * 100))
    flags, packed = Compressor(name).compress(pieces)
    assert compression.expand(flags, b"".join(packed)) == b"".join(pieces)


@pytest.mark.parametrize("name", METHODS)
def test_other_programs_read_what_is_compressed(name):
    """After the size stands a frame of zstd or of lz4."""
    value = b"abc" * 5000
    payload = payload_of(b"".join(compressing(name).encode(value)))
    expand = {"zstd": zstandard.decompress, "lz4": lz4.frame.decompress}[name]
    assert expand(payload[8:]) == payload_of(b"".join(READER.encode(value)))


def test_what_gets_more_than_a_thousand_times_smaller_is_padded():
    """So that readers may refuse all that claims more."""
    value = bytes(1 << 22)
    payload = payload_of(b"".join(compressing("zstd").encode(value)))
    assert len(payload) - 8 == -(-(len(value) + 5) // compression.RATIO)
    assert READER.decode(b"".join(compressing("zstd").encode(value)))[0] == value


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "claim", [0, 1, 2999, 3001, 1 << 30, (1 << 30) + 1, 1 << 63, (1 << 64) - 1]
)
def test_a_size_that_differs_is_an_error(name, claim):
    """Whichever is the larger, what it says and what it holds."""
    with pytest.raises(SerializationError):
        READER.decode(hand_made(name, claim, PACK[name](bytes(3000))))


@pytest.mark.parametrize("name", METHODS)
@given(st.binary(max_size=60), st.integers(0, 300))
def test_hostile_bytes_are_an_error(name, packed, size):
    """Rubbish behind a right checksum."""
    with pytest.raises(SerializationError):
        READER.decode(hand_made(name, size, b"\xff" + packed))


@pytest.mark.parametrize("name", METHODS)
def test_a_cut_one_is_an_error(name):
    """Cut anywhere, with a checksum made anew."""
    value = bytes(range(256)) * 10
    payload = payload_of(b"".join(compressing(name).encode(value)))
    for length in range(len(payload)):
        with pytest.raises(SerializationError):
            READER.decode(b"".join(frame.seal(1, (payload[:length],), b"", FLAGS[name])))


BOMBS = """
    import resource, sys
    import zstandard, lz4.frame
    from qstate import SerializationError
    from qstate.serializers import frame
    from qstate.serializers.codec import ValueCodec

    def hand_made(size, packed, flag):
        return b"".join(frame.seal(1, (size.to_bytes(8) + packed,), b"", flag))

    many = 2 << 30
    stream = zstandard.ZstdCompressor(level=1).compressobj(size=many)
    packed = b"".join([stream.compress(bytes(1 << 24)) for _ in range(many >> 24)]) + stream.flush()
    small = zstandard.ZstdCompressor().compress(b"x" * 5000)
    lies = lz4.frame.LZ4FrameCompressor()
    lz4_lies = lies.begin(source_size=many) + lies.compress(b"x" * 5000)
    bombs = [
        hand_made(many, packed, frame.ZSTD),
        hand_made(1 << 30, packed, frame.ZSTD),
        hand_made(5000, packed, frame.ZSTD),
        hand_made(many, lz4_lies, frame.LZ4),
        hand_made(1 << 30, small, frame.ZSTD),
        hand_made((1 << 30) - 1, small + bytes(2 << 20), frame.ZSTD),
        hand_made(1 << 30, b"\\xfd" * 100, frame.LZ4),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in bombs:
        try:
            ValueCodec("msgpack").decode(bomb)
        except SerializationError:
            print("refused", end=" ")
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < 32)
"""


def test_a_bomb_is_refused_before_memory_is_taken():
    """Two gigabytes in a few kilobytes, told without even a hundredth of them."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BOMBS)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["refused"] * 7 + ["True"], done.stderr


@pytest.mark.parametrize("name", METHODS)
def test_a_missing_extra_is_named_when_a_store_is_opened(name, monkeypatch):
    """Who writes is told at once, who reads when it is needed."""
    data = b"".join(compressing(name).encode(bytes(5000)))
    monkeypatch.setitem(sys.modules, {"zstd": "zstandard", "lz4": "lz4.frame"}[name], None)
    with pytest.raises(qstate.StateError, match=rf"compress={name} .* 'qstate\[{name}\]'"):
        qstate.connect(f"memory://?compress={name}")
    with pytest.raises(SerializationError, match=rf"'qstate\[{name}\]'"):
        READER.decode(data)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"compress": "gzip"}, "known: lz4, zstd"),
        ({"compress": "zstd", "compress_above": "many"}, "compress_above is a whole number"),
        ({"compress": "zstd", "compress_above": -1}, "compress_above"),
        ({"compress": "zstd", "compress_level": 40}, "from 1 to 22"),
        ({"compress": "lz4", "compress_level": "17"}, "from 0 to 16"),
        ({"compress_above": 10}, "go with compress="),
    ],
)
def test_an_option_that_means_nothing_is_refused(options, told):
    """When the store is opened."""
    with pytest.raises(qstate.StateError, match=told):
        qstate.connect("memory://", **options)


def test_options_stand_in_the_url_or_beside_it():
    """They mean the same, and `info` tells."""
    url = qstate.connect("memory://?compress=zstd&compress_above=10&compress_level=19")
    named = qstate.connect("memory://", compress="zstd", compress_above=10, compress_level=19)
    for store in (url, named):
        with store:
            assert store.info().compression == "zstd"
            assert len(b"".join(store._codec.encode("a" * 50))) < 50
