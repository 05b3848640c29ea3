"""What Redis and its driver can go wrong with, and what that is called in qstate."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NoReturn

from redis import exceptions as driver
from redis.connection import DefaultParser

from qstate.backend import (
    InvalidURLError,
    SerializationError,
    StateError,
    StoreUnavailableError,
    translate_errors,
)


class WrongTypeError(driver.ResponseError):
    """The key holds a hash, a list or the like, where a string was asked for."""


class PartialScriptError(driver.ResponseError):
    """A script failed after it had begun to write."""


ERRORS: Final[dict[type[BaseException], type[StateError]]] = {
    WrongTypeError: SerializationError,
    **{
        error: StoreUnavailableError
        for error in vars(driver).values()
        if isinstance(error, type) and issubclass(error, Exception)
    },
    OSError: StoreUnavailableError,
    UnicodeError: InvalidURLError,  # a host's name that can't be looked up
}
"""All that the driver raises → the error of qstate that it becomes."""

_ADVICE: Final[dict[type[BaseException], str]] = {
    driver.AuthenticationError: "check the user and the password of the store's URL",
    driver.NoPermissionError: "check what the user of the store's URL is allowed on the server",
    driver.OutOfMemoryError: "the server is out of memory (maxmemory); remove keys or raise it",
    driver.ReadOnlyError: "the server is a replica; give the address of its master",
    driver.BusyLoadingError: "the server is still loading its data; try again in a moment",
    driver.InvalidResponse: "what answers there is not Redis, or speaks TLS where the URL does not",
}


# Redis 6 puts the line of the script before the code of an error that a command in it gave.
_IN_SCRIPT: Final = re.compile(r"^@user_script: ?\d+: -?")

_parse_error: Final[Callable[[str], Exception]] = DefaultParser.parse_error


def reply_error(text: str) -> Exception:
    """The driver's exception for an error that the server replies with."""
    return sharpened(_parse_error(_IN_SCRIPT.sub("", text)))


def sharpened(error: Exception) -> Exception:
    """An error of the driver, as a class of its own where the driver has none for it."""
    text = str(error)
    if text.startswith("WRONGTYPE"):
        return WrongTypeError(text)
    if text.startswith("PARTIAL"):
        return PartialScriptError(text.removeprefix("PARTIAL "))
    return error


def leave(error: BaseException, address: str, *, sent: bool) -> NoReturn:
    """Raise what an error of the driver is in qstate; any other error as it is.

    Args:
        error: What was raised, or what the server replied.
        address: Where the server is, without secrets.
        sent: Whether the server may have applied the call.
    """
    with translate_errors(address, ERRORS) as gate:
        gate.sent = sent
        advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), None)
        if advice is None:
            raise error
        raise driver.RedisError(f"{error}; {advice}") from error
    raise AssertionError("unreachable")  # pragma: no cover
