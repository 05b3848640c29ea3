"""The one gate through which the driver's errors leave."""

from __future__ import annotations

import errno
import inspect
import ssl

import pytest
import redis.exceptions

from qstate.backend import SerializationError, StateError, StoreUnavailableError
from qstate_backends.redis import errors
from tests.backends.redis.conftest import Connect
from tests.servers.listeners import saying

ALL = [
    error
    for _, error in inspect.getmembers(redis.exceptions, inspect.isclass)
    if issubclass(error, Exception)
]
SYSTEM = [OSError(number, "told") for number in sorted(errno.errorcode)]
SYSTEM += [ssl.SSLError("told"), ssl.SSLCertVerificationError("told"), TimeoutError("told")]
SYSTEM += [UnicodeError("told"), errors.PartialScriptError("told")]
CODES = [
    "ERR",
    "OOM",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "READONLY",
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "CROSSSLOT",
    "EXECABORT",
    "MISCONF",
    "NOREPLICAS",
    "UNKILLABLE",
    "SOMETHINGNEW",
]


def _made(error: type[Exception]) -> Exception:
    if issubclass(error, redis.exceptions.AskError):
        return error("1 localhost:7000")
    return error("told")


@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "sent"])
@pytest.mark.parametrize("error", [*map(_made, ALL), *SYSTEM], ids=lambda error: repr(error))
def test_no_error_of_the_driver_slips_by(error: Exception, sent: bool) -> None:
    """Each class becomes one of qstate with address, cause and what is known of the outcome."""
    with pytest.raises(StateError, match="somewhere:1") as caught:
        errors.leave(error, "somewhere:1", sent=sent)
    assert caught.value.__cause__ is not None
    if isinstance(caught.value, StoreUnavailableError):
        assert caught.value.outcome == ("unknown" if sent else "not applied")


@pytest.mark.parametrize("code", CODES)
def test_whatever_a_server_replies_is_unavailable(connect: Connect, code: str) -> None:
    """An error in a reply, known or not, is told with its text; nothing was applied."""
    with saying(f"-{code} it is told why\r\n".encode()) as port:
        backend = connect(f"redis://127.0.0.1:{port}")
        with pytest.raises(StoreUnavailableError, match="told why") as caught:
            backend.read_data(["a"])
    assert caught.value.outcome == "not applied"


def test_a_wrong_type_is_no_outage() -> None:
    """Where a key holds something else, the store works: the value can't be read."""
    error = errors.reply_error("WRONGTYPE Operation against a key holding the wrong kind of value")
    with pytest.raises(SerializationError):
        errors.leave(error, "somewhere:1", sent=True)


def test_half_a_script_is_an_unknown_outcome(connect: Connect, redis_url: str) -> None:
    """A script that failed after its first write does not claim that nothing was applied."""
    error = errors.reply_error("PARTIAL ERR something broke")
    server = connect(redis_url)._server
    with pytest.raises(StoreUnavailableError, match="something broke") as caught:
        server.refuse(error)
    assert caught.value.outcome == "unknown"
