"""numpy's arrays and scalars: same dtype, shape, order and bytes; large ones are never copied."""

import contextlib
import subprocess
import sys

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from qstate import SerializationError
from qstate.serializers.msgpack import MessagePackSerializer

serializer = MessagePackSerializer()

NESTED = np.dtype(
    {
        "names": ["a", "b"],
        "formats": ["<f8", np.dtype([("c", ">i2", (2, 3)), ("d", "U3")], align=True)],
        "offsets": [8, 24],
        "itemsize": 96,
    }
)
ARRAYS = {
    "small": np.arange(10),
    "large": np.arange(10_000.0),
    "fortran": np.asfortranarray(np.arange(6000).reshape(60, 100)),
    "c_order": np.arange(6000).reshape(60, 100),
    "0-d": np.array(5.5),
    "empty": np.zeros((0, 3)),
    "empty_fortran": np.zeros((3, 0, 2), order="F"),
    "view": np.arange(20_000)[::2],
    "reversed": np.arange(3000)[::-1],
    "transposed_view": np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    "broadcast": np.broadcast_to(np.float32(1), (40, 50)),
    "big-endian": np.arange(2000, dtype=">i4"),
    "bool": np.array([True, False]),
    "half": np.array([1.5, np.nan], "f2"),
    "long double": np.array([1, 2], "g"),
    "complex": np.array([1 - 2j, complex(-0.0, np.inf)]),
    "text": np.array(["a", "bcd", ""]),
    "no text": np.array([""]),
    "bytes": np.array([b"a", b"bcd"]),
    "void": np.array([b"ab"], "V2"),
    "nothing": np.zeros(3, "V0"),
    "datetime": np.array(["2024-01-01", "NaT"], "M8[25s]"),
    "timedelta": np.array([1, -5], "m8[ns]"),
    "no unit": np.array(["NaT"], "M8"),
    "structured": np.ones(100, NESTED),
    "aligned": np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "titled": np.zeros(3, np.dtype([(("title", "a"), "f4")])),
    "read-only": np.frombuffer(bytes(80)),
}
SCALARS = [
    np.float64(-0.0), np.float64("nan"), np.float32(1.5), np.float16(2), np.int64(-1),
    np.uint8(255),
    np.bool_(True), np.complex64(1j), np.longdouble(1) / 3, np.datetime64("2024-01-01", "D"),
    np.datetime64("NaT"), np.timedelta64(5, "h"), np.str_("a\0"), np.str_(""), np.bytes_(b"a\0"),
    np.zeros(1, NESTED)[0],
]  # fmt: skip
WRAPS = {
    "bare": (lambda v: v, lambda v: v),
    "list": (lambda v: [1, v], lambda v: v[1]),
    "dict": (lambda v: {"k": {"v": v}}, lambda v: v["k"]["v"]),
    "tuples": (lambda v: ([(v, v)],), lambda v: v[0][0][1]),
}


def there_and_back(value):
    """The value as a reader gets it."""
    return serializer.decode(b"".join(serializer.encode(value)))


def same(one, other):
    """Whether type, dtype, shape and bytes are the same."""
    kinds = type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
    return kinds and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_as_it_was(name, wrap):
    """Wherever it stands; Fortran order stays, and what is read can't be written to."""
    array, (around, inside) = ARRAYS[name], WRAPS[wrap]
    found = inside(there_and_back(around(array)))
    assert same(found, array)
    assert found.flags.f_contiguous == array.flags.f_contiguous or not array.flags.forc
    assert found.dtype.isalignedstruct == array.dtype.isalignedstruct
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.flags.writeable = True


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: f"{scalar.dtype} {scalar!r:.20}")
def test_a_scalar_comes_back_with_its_type(scalar):
    """A float64 is no float afterwards, and none before; as a key too."""
    found = there_and_back([scalar, (scalar,)])
    assert same(found[0], scalar)
    assert same(found[1][0], scalar)
    if scalar.dtype.names is None:
        [key] = there_and_back({scalar: 1})
        assert type(key) is type(scalar)


@settings(deadline=None)
@given(
    st.one_of(
        hnp.scalar_dtypes(), hnp.unicode_string_dtypes(), hnp.byte_string_dtypes(),
        hnp.array_dtypes(), hnp.nested_dtypes(),
    ).flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0)))
)  # fmt: skip
def test_any_array_comes_back(array):
    """Of any dtype without objects, nested and structured, of any shape."""
    assert same(there_and_back({"k": array})["k"], array)


def test_a_large_array_is_sent_and_read_without_a_copy():
    """The pieces to send hold a view of it; what is read is a view of what came."""
    array = np.arange(10_000.0)
    pieces = serializer.encode({"deep": [(array,)], "again": array})
    views = [np.frombuffer(piece) for piece in pieces if len(piece) == array.nbytes]
    assert [np.shares_memory(view, array) for view in views] == [True, True]
    received = bytearray(b"".join(pieces))
    found = serializer.decode(received)["deep"][0][0]
    assert np.shares_memory(found, np.frombuffer(received, np.uint8))
    assert np.array(found).flags.writeable


@pytest.mark.parametrize(
    "array",
    [np.array([object()]), np.array([{}, None]), np.zeros(1, [("a", "O")])],
    ids=["object", "dict", "field"],
)
def test_objects_are_refused(array):
    """Never pickled: the message has the path."""
    with pytest.raises(SerializationError, match=r"^\$\.k\[0\]: no serializer for numpy arrays of"):
        serializer.encode({"k": [array]})


def test_subclasses_and_texts_of_any_length_are_refused():
    """A matrix, a masked array and a StringDType never come back as something else."""
    text = np.array(["a"], dtype=np.dtypes.StringDType())
    for array in (np.ma.array([1]), np.zeros(1).view(np.recarray), text):
        with pytest.raises(SerializationError, match="no serializer for"):
            serializer.encode(array)


@pytest.mark.parametrize("large", [False, True])
def test_other_readers_take_the_bytes_apart(large):
    """By msgpack's own unpacker and by msgspec's: MessagePack, extensions and nothing else."""
    array = np.arange(10_000.0 if large else 3.0)
    payload = b"".join(serializer.encode({"k": array}))
    top = msgpack.unpackb(payload)
    assert msgspec.msgpack.decode(payload) == top or isinstance(top, dict | msgpack.ExtType)
    if large:
        assert top.code == 16
        unpacker = msgpack.Unpacker()
        unpacker.feed(top.data)
        sizes, top, data = unpacker
        assert int.from_bytes(sizes[8:]) == len(data) == array.nbytes
    described = msgpack.unpackb(top["k"].data)
    assert (top["k"].code, described[:3]) == (15, ["<f8", list(array.shape), "C"])
    held = data if large else described[3]
    assert np.array_equal(np.frombuffer(held), array)


HOSTILE = {
    "objects": ["|O", [1], "C", bytes(8)],
    "objects by code": ["O", [1], "C", bytes(8)],
    "fields of objects": [
        {"names": ["a"], "formats": ["|O8"], "offsets": [0], "titles": [None], "itemsize": 8,
         "aligned": False}, [1], "C", bytes(8)],
    "huge shape": ["<f8", [2**40], "C", b""],
    "huge item": ["|V2000000000", [1], "C", b""],
    "negative": ["<f8", [-1], "C", bytes(8)],
    "overflow": ["<f8", [2**62, 2**62], "C", bytes(8)],
    "many dimensions": ["<f8", [1] * 1000, "C", bytes(8)],
    "too many bytes": ["<f8", [1], "C", bytes(16)],
    "order": ["<f8", [1], "K", bytes(8)],
    "no type": ["nothing", [1], "C", bytes(8)],
    "none": [],
    "text": "abcd",
    "buffer that is none": ["<f8", [1], "C", msgpack.ExtType(17, msgpack.packb(5))],
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays_are_an_error(name):
    """No pointer is read from bytes, and nothing is made because a number says so."""
    data = msgpack.packb(msgpack.ExtType(15, msgpack.packb(HOSTILE[name])))
    with pytest.raises(SerializationError):
        serializer.decode(data)


def test_a_value_with_buffers_that_is_cut_or_altered_is_an_error_or_a_value():
    """Sizes that lie are told, whichever they are."""
    data = b"".join(serializer.encode([np.arange(1000.0)]))
    for length in [*range(120), len(data) - 1]:
        with pytest.raises(SerializationError):
            serializer.decode(data[:length])
    for position in range(40):
        for mask in (1, 0x80, 0xFF):
            altered = bytearray(data)
            altered[position] ^= mask
            with contextlib.suppress(SerializationError):
                serializer.decode(bytes(altered))


def test_without_numpy_an_array_is_told_with_what_to_install():
    """The error names the extra."""
    data = b"".join(serializer.encode(np.arange(3)))
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from qstate.serializers.msgpack import MessagePackSerializer\n"
        f"try: MessagePackSerializer().decode({data!r})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("SerializationError")
    assert "pip install 'qstate[numpy]'" in done.stdout
