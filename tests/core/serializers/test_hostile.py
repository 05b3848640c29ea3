"""Bytes that someone else has put into the store: an error or the right value, quickly."""

import json
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import msgpack
import pytest
from hypothesis import given, settings, strategies as st

from qstate import SerializationError
from qstate.serializers import bounds, frame
from qstate.serializers.codec import ValueCodec
from tests.golden import EXAMPLES

CODEC = ValueCodec("msgpack")
GOLDEN = [example.file.read_bytes() for example in EXAMPLES if example.name != "zstd-padded"]
ZONES = ["../../etc/passwd", "/etc/passwd", "", ".", "UTC/", "a\0b", "posix/../UTC", "a" * 70, "//"]
HUGE = msgpack.ExtType(1, b"\x7f" * 1_000_000)


def sealed(payload, codec=1, flags=0, writer=b""):
    """A frame with a right checksum, as anyone can make it."""
    return b"".join(frame.seal(codec, (payload,), writer, flags))


def refused(data):
    """The bytes are told, whatever stands in them."""
    with pytest.raises(SerializationError) as caught:
        CODEC.decode(data)
    assert len(str(caught.value)) < 1000


def extension(number, *fields):
    """A value that is an extension made of fields."""
    return sealed(msgpack.packb(msgpack.ExtType(number, msgpack.packb(list(fields)))))


def read_or_refused(data):
    """What bytes are read as; None where they are refused."""
    try:
        return CODEC.decode(data)
    except SerializationError:
        return None


@given(st.sampled_from(GOLDEN), st.data())
def test_a_golden_file_that_is_flipped_or_cut_is_refused(data, draw):
    """The checksum tells, for what is a frame."""
    cut = draw.draw(st.integers(0, len(data)))
    altered = bytearray(data[:cut])
    if altered and draw.draw(st.booleans()):
        altered[draw.draw(st.integers(0, cut - 1))] ^= draw.draw(st.integers(1, 255))
    if frame.is_frame(altered) and altered != data:
        refused(bytes(altered))
    else:
        read_or_refused(bytes(altered))


@given(st.sampled_from(GOLDEN), st.sampled_from(GOLDEN), st.data())
def test_spliced_bytes_with_a_right_checksum_are_read_or_refused(first, second, draw):
    """Nothing but a SerializationError comes out, of whatever codec and flags."""
    left = draw.draw(st.integers(0, len(first)))
    right = draw.draw(st.integers(0, len(second)))
    codec, flags = draw.draw(st.integers(0, 255)), draw.draw(st.integers(0, 7))
    writer = draw.draw(st.binary(max_size=255))
    read_or_refused(sealed(first[left:] + second[right:], codec, flags, writer))


payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(0, 9) | st.binary(max_size=2), inner, max_size=3)
        | st.builds(
            lambda number, value: msgpack.ExtType(number, msgpack.packb(value)),
            st.integers(0, 40),
            inner,
        )
    ),
    max_leaves=12,
)


@given(payloads)
def test_extensions_of_whatever_are_read_or_refused(value):
    """Right MessagePack, with extensions that no writer makes."""
    read_or_refused(sealed(msgpack.packb(value)))


@pytest.mark.parametrize("name", ZONES)
def test_a_zone_s_name_leads_to_no_file(name):
    """It is looked up among zones only."""
    refused(extension(7, "2026-11-28T00:00:00", 0, name))


@pytest.mark.parametrize(
    "data",
    [
        extension(7, "2026-11-28T00:00:00", 7, None),
        extension(7, "99999-11-28T00:00:00", 0, None),
        extension(7, "2026-11-28T00:00:00", 0, [10**18, "far"]),
        extension(7, "2026-11-28T00:00:00", 0, [0.5, 7]),
        extension(9, "25:00", 0, None),
        extension(10, 10**12, 0, 0),
        extension(10, HUGE, 0, 0),
        extension(12, HUGE, HUGE),
        extension(12, 1, 0),
        extension(12, "1", 2),
        extension(14, HUGE, "x"),
        extension(14, "x" * 100_000, "x"),
        extension(14, [], "x"),
        sealed(msgpack.packb(msgpack.ExtType(11, b"1e9999999999999999999999"))),
        sealed(msgpack.packb(msgpack.ExtType(11, b"\xff"))),
        sealed(b"\x81\x90\x01"),
        sealed(b"\x81\xc7\x01\x03\x90\x01"),
        sealed(b"\xa2\xed\xa0"),
        sealed(b"\xa3\xed\xa0\x80"),
        sealed(b""),
        sealed(b"", flags=frame.ZSTD),
        sealed(b"", flags=frame.ENCRYPTED),
        sealed(b"\x40" + b"n" * 91, flags=frame.ENCRYPTED),
        sealed(b"\x02\xff\xff" + bytes(40), flags=frame.ENCRYPTED),
        b"1" * 100_000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"\\ud800',
    ],
    ids=lambda data: repr(data[14:34]),
)
def test_what_no_writer_makes_is_refused(data):
    """Ranges, types, widths and encodings that are none; the message stays short."""
    refused(data)


def test_what_is_unusual_but_right_is_read():
    """NaN as a key, an int of a megabyte, a Decimal that no float holds."""
    nan = CODEC.decode(sealed(msgpack.packb({float("nan"): 1, b"a": 2})))[0]
    assert len(nan) == 2
    assert CODEC.decode(sealed(msgpack.packb(HUGE)))[0].bit_length() == 7_999_999
    tiny = CODEC.decode(sealed(msgpack.packb(msgpack.ExtType(11, b"1e-999999"))))[0]
    assert tiny == Decimal("1e-999999")


def test_a_fraction_has_a_width_that_is_reduced_in_time():
    """The same when it is written as when it is read."""
    widest = Fraction(2**65_535, 3**10_000)
    assert CODEC.decode(b"".join(CODEC.encode(widest)))[0] == widest
    with pytest.raises(SerializationError, match=r"^\$\[0\]: a Fraction of numbers of more than"):
        CODEC.encode([Fraction(1, 2**65_536)])


# -- depth ------------------------------------------------------------------------------------


def nest(head, depth, inner=b"\xc0"):
    """Bytes of one thing inside another, so many times."""
    return head * depth + inner


def nested_extensions(number, depth):
    """An extension in an array in an extension …, hand-made."""
    data = b"\xc0"
    for _ in range(depth):
        array = b"\x91" + data
        data = b"\xc9" + len(array).to_bytes(4) + bytes([number]) + array
    return data


def fields_in_fields(number, depth):
    """As above, in the place of the first of two fields."""
    data = b"\xc0"
    for _ in range(depth):
        array = b"\x92" + data + b"\x01"
        data = b"\xc9" + len(array).to_bytes(4) + bytes([number]) + array
    return data


DEEP = {
    "arrays": sealed(nest(b"\x91", 100_000)),
    "maps": sealed(nest(b"\x81\x01", 100_000)),
    "maps in keys": sealed(nest(b"\x81", 100_000)),
    "wide arrays": sealed(nest(b"\xdd\x00\x00\x00\x01", 100_000)),
    "JSON arrays": b"[" * 100_000 + b"]" * 100_000,
    "JSON objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    **{f"extensions {n}": sealed(nested_extensions(n, 2_000)) for n in (2, 3, 4)},
    **{f"fields {n}": sealed(fields_in_fields(n, 2_000)) for n in (7, 9, 10, 12, 14)},
}


def on_a_small_stack(call, size=256 * 1024):
    """Run where a thread has little stack: half of what the least of systems gives it."""
    raised = []

    def run():
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            raised.append(error)

    old = threading.stack_size(size)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    if raised:
        raise raised[0]


@pytest.mark.parametrize("run", [lambda call: call(), on_a_small_stack], ids=["usual", "small"])
@pytest.mark.parametrize("name", DEEP)
def test_depth_is_an_error_for_readers(name, run):
    """A hundred thousand levels: no crash, on a small stack neither."""
    run(lambda: refused(DEEP[name]))


@pytest.mark.parametrize("size", [256 * 1024, 512 * 1024, 8 << 20])
@pytest.mark.parametrize("kind", [list, dict, tuple])
def test_depth_is_an_error_for_writers(kind, size):
    """A hundred thousand levels are refused before anything is stored."""
    value = kind()
    for _ in range(100_000):
        value = {"k": value} if kind is dict else kind((value,))

    def write():
        with pytest.raises(SerializationError, match=r"nested too deeply|inside one another"):
            CODEC.encode(value)

    on_a_small_stack(write, size)


# -- memory and time ---------------------------------------------------------------------------


def peak_of(data):
    """Bytes that reading took at most."""
    tracemalloc.start()
    try:
        read_or_refused(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def claims(code, width, count, rest):
    """Headers inside one another that each claim as much as any may, and then some bytes."""
    return sealed((code + rest.to_bytes(width)) * count + bytes(rest))


@pytest.mark.parametrize(
    "data",
    [
        claims(b"\xdd", 4, 1000, 60_000),
        claims(b"\xdc", 2, 1000, 60_000),
        claims(b"\xdf", 4, 1000, 60_000),
        sealed(b"\xdd\xff\xff\xff\xff" * 1000),
        sealed(b"\x92" + b"\xc6\xff\xff\xff\xff" + bytes(5000)),
        sealed(b"\xc9\xff\xff\xff\xff\x02" + bytes(5000)),
        sealed(
            b"\xc9"
            + (5 * 900 + 30_000).to_bytes(4)
            + b"\x02"
            + (b"\xdd" + (30_000).to_bytes(4)) * 900
            + bytes(30_000)
        ),
    ],
    ids=["array32", "array16", "map32", "endless", "bin32", "ext32", "inside an extension"],
)
def test_nothing_is_allocated_because_a_length_says_so(data):
    """What reading takes is in proportion to what was received."""
    assert peak_of(data) < 40 * len(data) + 100_000


MODULUS = sys.hash_info.modulus
COLLIDING = [msgpack.ExtType(1, ((n + 8) * MODULUS).to_bytes(12)) for n in range(60_000)]


@pytest.mark.parametrize(
    "value",
    [
        dict.fromkeys(COLLIDING, 1),
        msgpack.ExtType(3, msgpack.packb(COLLIDING)),
        {"a": [dict.fromkeys([msgpack.ExtType(2, msgpack.packb([n])) for n in COLLIDING])]},
    ],
    ids=["dict", "set", "dict of tuples"],
)
def test_keys_that_were_made_to_collide_are_refused(value):
    """Sixty thousand of one hash would be compared for minutes."""
    with pytest.raises(SerializationError, match="to have one hash"):
        CODEC.decode(sealed(msgpack.packb(value)))


@settings(max_examples=8)
@given(st.integers(0, 2**70), st.sampled_from([1, MODULUS, 2**64]))
def test_keys_that_were_not_are_read(start, step):
    """Large ints in a row, equal numbers of several types, thousands of the same."""
    value = {
        "keys": {start + n * step: n for n in range(0 if step == MODULUS else 3000)},
        "same": [2**70] * 3000,
        "alike": [Decimal(-1), Decimal(-2), Fraction(-1), -1 + 0j, (1,), (2, [])] * 500,
    }
    assert CODEC.decode(b"".join(CODEC.encode(value)))[0] == value


@given(payloads, st.sampled_from([bytes(70_000), "é" * 40_000, msgpack.ExtType(6, bytes(70_000))]))
def test_a_large_value_of_few_parts_is_looked_through_as_the_unpacker_does(value, large):
    """Each form of MessagePack ends where the unpacker says that it does."""
    whole = msgpack.packb([value, large, {1: value, "k": list(range(20))}, 1.5, "text", -70_000])
    bounds.check_lengths(whole)
    for wrong in (whole[:-1], whole + b"\0", b"\x96" + whole[1:], b"\xdc\xff\xff" + whole[1:]):
        if wrong != whole:
            with pytest.raises((ValueError, msgpack.OutOfData, IndexError)):
                bounds.check_lengths(wrong)


def test_large_bytes_are_not_copied_to_be_looked_through():
    """What is read takes what it holds, and nothing beside."""
    data = b"".join(CODEC.encode({"raw": bytes(8 << 20)}))
    assert peak_of(memoryview(data)) < 1.05 * len(data)


IN_BOUNDS = """
    import resource, sys
    from tests.core.serializers.test_hostile import DEEP, claims, read_or_refused, sealed
    before = set(sys.modules)
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    for data in [*DEEP.values(), claims(b"\\xdd", 4, 1000, 4_000_000)]:
        read_or_refused(data)
    # Not ru_maxrss, which begins with what the process had that started this one.
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak.split()[1]) >> 10 < 400)
"""


def test_a_process_with_little_memory_survives():
    """Four megabytes that claim thirty thousand."""
    code = textwrap.dedent(IN_BOUNDS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_nothing_is_imported_or_executed():
    """Names of modules, classes and pickles in the bytes stay bytes."""
    code = """
        import sys
        from qstate.serializers import bounds, frame
        from qstate.serializers.codec import ValueCodec
        from qstate import SerializationError
        import msgpack
        names = ["this", "antigravity", "os.system", "cos\\nsystem\\n(S'echo executed'\\ntR."]
        codec = ValueCodec("msgpack")
        codec.encode({"warm": "up"})
        harmful = {"os.system", "os.exec", "subprocess.Popen", "pickle.find_class"}
        named = {("import", "this"), ("import", "antigravity"), ("import", "os.system")}
        sys.addaudithook(lambda event, args: (event in harmful
            or (event, *args[:1]) in named) and print(event, args))
        for number in range(-128, 128):
            for name in names:
                for value in (name.encode(), msgpack.packb([name, {}]), msgpack.packb(name)):
                    data = msgpack.packb(msgpack.ExtType(number, value)) if number >= 0 else value
                    try:
                        codec.decode(b"".join(frame.seal(1, (data,))))
                    except SerializationError:
                        pass
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_json_is_read_as_json_alone():
    """What Python's own reader makes of it, types that JSON lacks included in none."""
    value = {"a": [1, 2.5, None, True, "é"], "b": {}}
    assert CODEC.decode(json.dumps(value).encode()) == (value, b"")
    assert type(CODEC.decode(b"1e400")[0]) is float
