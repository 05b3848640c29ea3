"""Errors: what they carry, what they say, and that they survive the way to another process."""

import copy
import pickle

import pytest

from qstate import errors
from qstate.backend import Version
from qstate.errors import (
    ConflictError,
    JobFailedError,
    MissingKeyError,
    StateError,
    StoreUnavailableError,
)

CLASSES = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type)), key=lambda k: k.__name__
)
STATE_ERRORS = [kind for kind in CLASSES if issubclass(kind, StateError)]
BUILTINS = {
    "MissingKeyError": KeyError,
    "InvalidKeyError": ValueError,
    "InvalidURLError": ValueError,
    "SerializationError": ValueError,
    "ValueTooLargeError": ValueError,
    "ValueTypeError": TypeError,
    "StoreUnavailableError": ConnectionError,
    "StateTimeoutError": TimeoutError,
    "ClosedStoreError": RuntimeError,
    "BackendNotFoundError": LookupError,
    "UnsupportedOperationError": NotImplementedError,
    "ProviderNotFoundError": LookupError,
    "RayUnavailableError": ConnectionError,
    "InvalidProgramError": ValueError,
}


def _example(kind):
    if kind is ConflictError:
        error = ConflictError("energy", Version.new(), Version.new())
    elif kind is StoreUnavailableError:
        error = StoreUnavailableError("no answer", outcome="not applied", key="energy")
    elif kind is JobFailedError:
        fields = {"job_id": "fqs_1", "status": "STOPPED", "reason": "it was stopped"}
        error = JobFailedError("it was stopped", **fields, traceback="…", log="a\nb", key="energy")
    else:
        error = kind("something happened", key="energy")
    error.store = "redis://ada:***@localhost"
    return error


@pytest.mark.parametrize("kind", CLASSES)
def test_everything_raised_on_purpose_is_a_state_error(kind):
    """One except clause catches all errors of qstate."""
    assert issubclass(kind, StateError)
    assert kind.__doc__


@pytest.mark.parametrize("name", BUILTINS)
def test_errors_are_caught_as_the_builtin_they_resemble(name):
    """Code that knows nothing of qstate catches the builtin class."""
    assert issubclass(getattr(errors, name), BUILTINS[name])


@pytest.mark.parametrize("kind", STATE_ERRORS)
def test_the_tree_at_the_top_names_each_class(kind):
    """The drawing of the tree is complete."""
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize("kind", STATE_ERRORS)
@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_errors_travel_whole(kind, way):
    """A pickled or copied error has its class, message and fields."""
    error = _example(kind)
    error.add_note("seen by task 7")
    arrived = way(error)
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


@pytest.mark.parametrize("kind", STATE_ERRORS)
def test_the_message_names_the_store(kind):
    """The text of an error ends with the store it happened on."""
    assert str(_example(kind)).endswith("[store: redis://ada:***@localhost]")


@pytest.mark.parametrize("kind", STATE_ERRORS)
def test_an_error_without_key_and_store_says_none(kind):
    """Fields that do not apply are None."""
    error = kind("energy") if kind is ConflictError else kind("something happened")
    assert error.store is None
    assert "store:" not in str(error)
    assert error.key == ("energy" if kind is ConflictError else None)


def test_missing_key_reads_as_a_sentence():
    """A KeyError would show the repr of its message; this one shows the message."""
    assert str(MissingKeyError("nothing stands under 'a'")) == "nothing stands under 'a'"


def test_conflict_tells_what_was_required_and_what_was_found():
    """A conflict has both versions, as fields and in its text, and says what to do."""
    expected, actual = Version.new(), Version.new()
    error = ConflictError("energy", expected, actual)
    assert (error.key, error.expected, error.actual) == ("energy", expected, actual)
    for part in ("'energy'", str(expected), str(actual), "nothing was written", "Read the key"):
        assert part in str(error)


def test_conflict_tells_of_absence_in_words():
    """A version that is None reads as absence."""
    absent = str(ConflictError("energy", None, Version.new()))
    assert "required nothing to stand" in absent
    assert "but nothing stands" in str(ConflictError("energy", Version.new(), None))


def test_unavailable_leaves_the_outcome_open_unless_told():
    """Where nothing is known of the operation, the outcome is unknown."""
    assert StoreUnavailableError("no answer").outcome == "unknown"
