"""What was written once is read for ever."""

import msgpack
import msgspec
import numpy as np
import pytest

from qstate.entries import encode_writer
from qstate.serializers import frame
from tests.golden import EXAMPLES, FOLDER, KEYS, codec

READERS = {"a store without options": {}, "a store that compresses": {"compress": "lz4"}}


def the_same(got, value):
    """Whether two values have the same types and contents, all the way down."""
    if type(got) is not type(value):
        return False
    if isinstance(value, np.ndarray):
        return (got.dtype, got.shape, got.tobytes()) == (value.dtype, value.shape, value.tobytes())
    if isinstance(value, dict):
        return the_same(list(got.items()), list(value.items()))
    if isinstance(value, (list, tuple)):
        return len(got) == len(value) and all(map(the_same, got, value))
    return repr(got) == repr(value) and got == value


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_golden_file_is_read(example):
    """Each gives its value and its writer, with the same types."""
    options = {"encrypt": KEYS.current} if "encrypt" in dict(example.options) else {}
    value, writer = codec(options).decode(example.file.read_bytes(), example.key)
    assert the_same(value, example.value)
    assert writer == (b"" if example.writer is None else encode_writer(example.writer))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_options_for_writing_do_not_limit_reading(example, reader):
    """What is not encrypted is read by any store."""
    if "encrypt" not in dict(example.options):
        data = memoryview(example.file.read_bytes())
        assert the_same(codec(dict(READERS[reader])).decode(data)[0], example.value)


@pytest.mark.parametrize(
    "read", [lambda data: msgpack.unpackb(data, strict_map_key=False), msgspec.msgpack.decode]
)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_other_programs_read_the_payload(example, read):
    """It is MessagePack, with extensions for what MessagePack lacks."""
    data = example.file.read_bytes()
    if not frame.is_frame(data) or (opened := frame.open_frame(data)).flags or opened.codec != 1:
        return
    got = read(opened.payload)
    if example.name == "plain":
        assert got == example.value
    elif isinstance(example.value, list):
        assert len(got) == len(example.value)
    else:
        assert hasattr(got, "code")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_today_s_writer_gives_the_golden_bytes(example):
    """The format has not changed unnoticed."""
    if example.same_bytes:
        assert example.write() == example.file.read_bytes()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_golden_file_stands_beside_what_it_says(example):
    """The description is that of the bytes."""
    assert example.file.with_suffix(".txt").read_text("utf-8") == example.describe()


def test_no_golden_file_is_left_out():
    """Each file that was ever added is read."""
    known = {example.file for example in EXAMPLES}
    assert set(FOLDER.glob("*.bin")) == known
