"""The frame: its bytes, and that no altered one is read."""

import pytest
import xxhash
from hypothesis import given, strategies as st

from qstate import SerializationError
from qstate.serializers import frame

WRITERS = st.binary(max_size=255)
CODECS = st.integers(0, 255)
KINDS = st.sampled_from([bytes, bytearray, memoryview])


def sealed(payload=b"payload", codec=1, writer=b"writer"):
    """A frame in one piece."""
    return b"".join(frame.seal(codec, (payload,), writer))


def test_the_bytes_of_a_frame():
    """The layout is that of the wire format, field by field."""
    data = sealed(b"payload", 7, b"who")
    assert data[:6] == b"\xc1q" + bytes([1, 7, 0, 3])
    assert data[14:] == b"whopayload"
    assert data[6:14] == xxhash.xxh3_64_digest(data[:6] + data[14:])


@given(CODECS, st.lists(st.binary(), min_size=1, max_size=4), WRITERS, KINDS)
def test_a_frame_opens_to_what_was_sealed(codec, payload, writer, kind):
    """Codec, writer and payload come back, from any kind of buffer and any pieces."""
    opened = frame.open_frame(kind(b"".join(frame.seal(codec, tuple(payload), writer))))
    assert (opened.codec, opened.writer, bytes(opened.payload)) == (
        codec,
        writer,
        b"".join(payload),
    )


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
@pytest.mark.parametrize("pieces", [1, 3])
def test_small_and_large_frames_are_alike(size, pieces):
    """However a payload is cut, the bytes are the same."""
    whole = sealed(bytes(size))
    step = max(1, size // pieces)
    parts = tuple(bytes(size)[start : start + step] for start in range(0, size, step)) or (b"",)
    assert b"".join(frame.seal(1, parts, b"writer")) == whole
    assert frame.open_frame(whole).payload == bytes(size)


def test_a_large_payload_is_not_copied():
    """Sealing keeps its pieces; opening gives a view of them."""
    payload = memoryview(bytearray(10_000))
    assert frame.seal(1, (payload,))[1] is payload
    data = bytearray(sealed(bytes(10_000)))
    opened = frame.open_frame(memoryview(data)).payload
    data[-1] = 7
    assert opened[-1] == 7


@pytest.mark.parametrize("payload", [b"", b"payload", bytes(5000)])
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_every_truncation_is_told(payload, kind):
    """A frame cut short anywhere is a SerializationError."""
    data = sealed(payload)
    for length in [*range(min(len(data), 60)), len(data) - 1]:
        with pytest.raises(SerializationError):
            frame.open_frame(kind(data[:length]))


@pytest.mark.parametrize("mask", [0x01, 0x10, 0x80, 0xFF])
def test_every_altered_byte_is_told(mask):
    """A flip of any byte, header included, is a SerializationError."""
    data = sealed()
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= mask
        with pytest.raises(SerializationError):
            frame.open_frame(bytes(altered))


@given(st.data())
def test_any_alteration_is_told(data):
    """Whatever is done to the bytes, they are the same or an error."""
    original = sealed(data.draw(st.binary(max_size=40)))
    altered = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(altered) - 1))
        altered[position] = data.draw(st.integers(0, 255))
    if bytes(altered) != original:
        with pytest.raises(SerializationError):
            frame.open_frame(bytes(altered))


@given(st.binary(max_size=100))
def test_hostile_bytes_are_an_error(data):
    """Bytes that only begin like a frame are told, whatever they say of lengths."""
    with pytest.raises(SerializationError):
        frame.open_frame(b"\xc1q\x01\x01\x00" + data)


@pytest.mark.parametrize(("position", "value"), [(2, 2), (2, 255), (4, 3), (4, 8), (4, 0x80)])
def test_a_later_format_says_upgrade(position, value):
    """A version or a flag that is not known here is of a later qstate."""
    data = bytearray(sealed())
    data[position] = value
    with pytest.raises(SerializationError, match="upgrade qstate here"):
        frame.open_frame(bytes(data))


def test_a_frame_is_known_by_its_first_bytes():
    """MessagePack never begins with c1, and UTF-8 text does not hold it."""
    assert frame.is_frame(sealed())
    assert not frame.is_frame(b'{"a": 1}')
    assert not frame.is_frame(b"")
    assert not frame.is_frame(b"\xc1")
