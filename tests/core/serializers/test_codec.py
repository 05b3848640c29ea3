"""A serializer and the frame together, as a store uses them."""

import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from qstate import InvalidURLError, SerializationError
from qstate.serializers import frame
from qstate.serializers.codec import ValueCodec


@pytest.fixture
def codec():
    """The default codec."""
    return ValueCodec("msgpack")


def framed(codec, value, writer=b""):
    """The bytes of a value in one piece."""
    return b"".join(codec.encode(value, writer))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_value_comes_back_with_its_writer(codec, kind):
    """From any kind of buffer."""
    assert codec.decode(kind(framed(codec, {"k": (1,)}, b"who"))) == ({"k": (1,)}, b"who")


@pytest.mark.parametrize("value", [None, {"k": [1, "a"]}, "é", [1.5, True], 7])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_of_something_else_is_read(codec, value, encoding):
    """Bytes that are no frame are JSON, or nothing."""
    data = json.dumps(value, ensure_ascii=False).encode(encoding)
    assert codec.decode(data) == (value, b"")
    assert codec.decode(memoryview(data)) == (value, b"")


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\xff", b"\x00", b"[1", b"\x81\xa1k*", b"1" * 5000, b"[" * 100_000, b"\xc1"],
    ids=lambda data: repr(data[:8]),
)
def test_other_bytes_are_an_error(codec, data):
    """What is neither frame nor JSON is told, however long or deep it is."""
    with pytest.raises(SerializationError, match="something other than qstate"):
        codec.decode(data)


@pytest.mark.parametrize("mask", [0x01, 0x41, 0x80, 0xC1, 0xFF])
def test_no_altered_byte_reads_as_a_value(codec, mask):
    """A flip of any byte is an error: of the magic too, which makes the bytes foreign."""
    data = framed(codec, {"energy": -1.137, "steps": [1, 2, 3]}, b"who")
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= mask
        with pytest.raises(SerializationError):
            codec.decode(bytes(altered))


def test_no_truncation_reads_as_a_value(codec):
    """A value cut short anywhere is an error."""
    data = framed(codec, {"energy": -1.137, "steps": [1, 2, 3]}, b"who")
    for length in range(len(data)):
        with pytest.raises(SerializationError):
            codec.decode(data[:length])


@given(st.binary(max_size=60))
def test_a_hostile_payload_is_an_error_or_a_value(data):
    """Whatever a frame with a right checksum holds, nothing but a SerializationError comes out."""
    sealed = b"".join(frame.seal(1, (data,)))
    with contextlib.suppress(SerializationError):
        ValueCodec("msgpack").decode(sealed)


def test_a_serializer_that_is_unknown_here_is_told(codec):
    """The number of the codec is in the message."""
    with pytest.raises(SerializationError, match="serializer 200, unknown here"):
        codec.decode(b"".join(frame.seal(200, (b"",))))


def test_pickled_bytes_are_never_unpickled(codec):
    """A store that was not opened with pickle refuses it, whatever the bytes say."""
    import pickle

    data = pickle.dumps(Bomb())
    for codec_number in range(256):
        with pytest.raises(SerializationError):
            codec.decode(b"".join(frame.seal(codec_number, (data,))))
    with pytest.raises(SerializationError):
        codec.decode(data)


class Bomb:
    """Goes off when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


def test_an_unknown_serializer_is_told_with_the_known(codec):
    """The message lists what would do."""
    with pytest.raises(InvalidURLError, match=r"no serializer named 'yaml'; known: .*msgpack"):
        ValueCodec("yaml")
