"""What the author of a backend reads: versions, records, options, and the gate for errors."""

import copy
import multiprocessing
import os
import pickle
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from qstate import KEEP, InvalidURLError, StateTimeoutError, StoreUnavailableError, backend
from qstate.backend import (
    Backend,
    Capabilities,
    ConflictError,
    Put,
    StateURL,
    Version,
    open_record,
    read_options,
    seal_record,
    translate_errors,
)

BUFFERS = st.binary().flatmap(
    lambda data: st.sampled_from([data, bytearray(data), memoryview(data)])
)


def test_a_version_is_a_uuid_of_the_seventh_kind():
    """Sixteen bytes with the version and variant of RFC 9562."""
    version = Version.new()
    assert len(version) == 16
    read = uuid.UUID(bytes=bytes(version))
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert str(version) == str(read)
    assert repr(version) == f"Version('{read}')"


def test_a_version_has_the_time_of_its_writing():
    """The time is the writer's clock, in UTC, to less than a millisecond."""
    before = datetime.now(UTC)
    modified = Version.new().modified
    after = datetime.now(UTC)
    fine = timedelta(milliseconds=1)
    assert before - fine <= modified <= after + fine
    assert modified.utcoffset() == timedelta(0)


def test_later_versions_sort_after_earlier_ones():
    """Versions of different milliseconds sort by time."""
    first = Version.new()
    while (second := Version.new()).modified == first.modified:
        pass
    assert first < second


def test_versions_of_threads_differ():
    """Threads that make versions at once make different ones."""
    made = []
    threads = [
        threading.Thread(target=lambda: made.extend(Version.new() for _ in range(5000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20_000


def test_versions_of_forked_children_differ():
    """Children do not repeat their parent's random bits."""
    read, write = os.pipe()
    for _ in range(3):
        child = multiprocessing.get_context("fork").Process(
            target=lambda: os.write(write, b"".join(_random_part() for _ in range(50)))
        )
        child.start()
        child.join()
    made = [os.read(read, 8) for _ in range(150)] + [_random_part() for _ in range(50)]
    os.close(read)
    os.close(write)
    assert len(set(made)) == 200


def _random_part():
    return bytes(Version.new()[8:])


def test_versions_survive_pickling_as_versions():
    """A version that travelled is equal and of its class."""
    version = Version.new()
    for arrived in (pickle.loads(pickle.dumps(version)), copy.deepcopy(version)):
        assert arrived == version
        assert type(arrived) is Version


@given(st.binary())
def test_a_derived_version_depends_on_the_bytes_alone(data):
    """Foreign bytes have a version of their own, without a time, the same each time."""
    version = Version.derived(data)
    assert version == Version.derived(bytearray(data)) == Version.derived(memoryview(data))
    assert (len(version), version.modified) == (16, None)
    assert version != Version.derived(data + b"x")


@given(st.lists(BUFFERS, min_size=1, max_size=4))
def test_the_data_of_a_put_is_its_pieces_in_order(parts):
    """A backend that wants one piece gets bytes."""
    put = Put("key", Version.new(), tuple(parts))
    assert put.data == b"".join(parts)
    assert type(put.data) is bytes


@given(BUFFERS, st.sampled_from([bytes, bytearray, memoryview]))
def test_a_sealed_record_opens_to_version_and_data(data, kind):
    """One blob holds both, whatever kind of buffer it comes back in."""
    version = Version.new()
    found, opened = open_record(kind(b"".join(seal_record(version, (data,)))))
    assert (found, bytes(opened)) == (version, bytes(data))
    assert type(found) is Version


@given(st.binary().filter(lambda blob: blob[:2] != b"\xc1R"))
def test_a_foreign_blob_is_its_own_data(blob):
    """What something else wrote has a derived version and all of its bytes."""
    assert open_record(blob) == (Version.derived(blob), blob)


def test_opening_a_large_record_copies_nothing():
    """The data of a memoryview is a view of the same memory."""
    blob = bytearray(b"".join(seal_record(Version.new(), (bytes(100),))))
    _, data = open_record(memoryview(blob))
    blob[-1] = 7
    assert data[-1] == 7


def test_keep_is_one_object():
    """KEEP survives copying and pickling as itself."""
    assert pickle.loads(pickle.dumps(KEEP)) is copy.deepcopy(KEEP) is copy.copy(KEEP) is KEEP
    assert repr(KEEP) == "qstate.KEEP"


def test_options_are_converted():
    """Text from a URL becomes what the backend wants."""
    assert read_options("x://", {"a": "1", "b": 2}, {"a": int, "b": float}) == {"a": 1, "b": 2.0}


def test_an_unknown_option_names_the_known_ones():
    """A mistyped option is told with those that would do."""
    with pytest.raises(InvalidURLError) as caught:
        read_options("redis://h", {"timout": 1}, {"timeout": float, "db": int})
    assert str(caught.value) == "redis://h: unknown option 'timout'; known here: db, timeout"
    with pytest.raises(InvalidURLError) as caught:
        read_options("redis://h", {"timout": 1}, {})
    assert str(caught.value).endswith("known here: none")


@pytest.mark.parametrize("value", ["soon", None, []])
def test_an_option_that_does_not_convert_is_named(value):
    """A value of the wrong kind is told with its option."""
    with pytest.raises(InvalidURLError) as caught:
        read_options("redis://h", {"timeout": value}, {"timeout": float})
    assert "redis://h: option 'timeout' has no usable value" in str(caught.value)


def test_the_message_of_an_option_shows_no_password_of_the_url():
    """A URL is shown masked, whatever went wrong with it."""
    url = StateURL.parse("redis://:hunter2@h")
    with pytest.raises(InvalidURLError) as caught:
        read_options(url, {"timeout": "x"}, {"timeout": float})
    assert "hunter2" not in str(caught.value)


def test_a_driver_error_leaves_as_what_it_means():
    """The first class that fits is taken; the driver's error is the cause."""
    gate = {ConnectionResetError: StateTimeoutError, OSError: StoreUnavailableError}
    with pytest.raises(StateTimeoutError), translate_errors("h:1", gate):
        raise ConnectionResetError
    with pytest.raises(StoreUnavailableError) as caught, translate_errors("h:1", gate):
        raise OSError("refused")
    assert str(caught.value) == "h:1 did not serve the call: refused"
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(("sent", "outcome"), [(False, "not applied"), (True, "unknown")])
def test_what_was_sent_may_have_been_applied(sent, outcome):
    """The outcome of a failed call is known only where nothing had been sent."""
    gate = translate_errors("h", _ALL)
    gate.sent = sent
    with pytest.raises(StoreUnavailableError) as caught, gate:
        raise OSError
    assert caught.value.outcome == outcome


def test_errors_of_qstate_and_of_the_program_pass_the_gate():
    """What is no driver's error is not translated."""
    with pytest.raises(ConflictError), translate_errors("h", {Exception: StoreUnavailableError}):
        raise ConflictError("a")
    with pytest.raises(ZeroDivisionError), translate_errors("h", _ALL):
        _ = 1 / 0


_ALL = {OSError: StoreUnavailableError}


def test_a_backend_is_what_has_the_five_methods(open_trial):
    """The protocol can be asked; one method less, and it is none."""
    _, made = open_trial()
    assert isinstance(made, Backend)
    assert not isinstance(made, backend.CountsKeys)
    assert not isinstance(object(), Backend)


def test_capabilities_are_data():
    """What is not declared is the least."""
    can = Capabilities(reach="host")
    assert (can.durable, can.max_value_bytes, can.ordered_scan) == (False, None, False)
    assert (can.several_keys, can.expiry) == (True, True)
    with pytest.raises(AttributeError):
        can.reach = "cluster"
