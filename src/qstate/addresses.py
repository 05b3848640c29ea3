"""Where a store is: a URL, a name that is resolved where it is used, or the default."""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import platformdirs

from qstate.backend import StateURL
from qstate.errors import InvalidURLError

DEFAULT_VARIABLE = "QSTATE_URL"

_USER_VARIABLES = ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "USERPROFILE")
"""What the folder of the user's data rests on."""


def resolve(address: str | StateURL) -> tuple[StateURL, dict[str, Any]]:
    """The URL of an address, and the options that were configured with it.

    Args:
        address: A URL, or the name of a store.

    Raises:
        InvalidURLError: It is no URL, or no store of that name is configured here.
    """
    if isinstance(address, StateURL):
        return address, {}
    if not is_name(address):
        return StateURL.parse(address), {}
    variable = f"QSTATE_STORE_{_variable_part(address)}"
    if url := os.environ.get(variable):
        return StateURL.parse(url), {}
    for file in _files():
        if settings := _stores(file).get(address):
            return _from_settings(file, address, settings)
    raise InvalidURLError(
        f"no store named {address!r} is configured here: set {variable}, or write "
        f'[stores.{address}] url = "…" into {" or ".join(map(str, _files()))}; a store\'s URL '
        "has the form scheme://…"
    )


def default() -> str:
    """The address used where none is given: ``$QSTATE_URL``, else an SQLite file of this user."""
    if address := os.environ.get(DEFAULT_VARIABLE):
        return address
    return _of_user(tuple(map(os.environ.get, _USER_VARIABLES)))


@functools.lru_cache(maxsize=1)
def _of_user(_: tuple[str | None, ...]) -> str:
    folder = Path(platformdirs.user_data_dir("qstate", appauthor=False))
    return f"sqlite:///{quote((folder / 'state.db').as_posix(), safe='/:')}"


def is_name(address: str) -> bool:
    """Whether an address is a name rather than a URL.

    Example:
        >>> is_name("lab"), is_name("memory://lab")
        (True, False)
    """
    return isinstance(address, str) and bool(address) and ":" not in address and "/" not in address


def _variable_part(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name).upper()


def _files() -> list[Path]:
    folder = platformdirs.user_config_dir("qstate", appauthor=False)
    return [Path("qstate.toml").absolute(), Path(folder) / "qstate.toml"]


def _stores(file: Path) -> dict[str, Any]:
    try:
        stores = tomllib.loads(file.read_text("utf-8")).get("stores", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidURLError(f"{file} is no valid TOML: {error}") from None
    if not isinstance(stores, dict):
        raise InvalidURLError(f"{file}: 'stores' must be a table, as in [stores.lab]")
    return stores


def _from_settings(file: Path, name: str, settings: Any) -> tuple[StateURL, dict[str, Any]]:
    if not isinstance(settings, dict) or not isinstance(settings.get("url"), str):
        raise InvalidURLError(f'{file}: [stores.{name}] needs url = "scheme://…"')
    options = dict(settings)
    return StateURL.parse(options.pop("url")), options
