"""StateURL: the address of a store, safe to print."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from qstate.errors import InvalidURLError

_FORM: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_SECRET: Final = re.compile(r"pass|pwd|secret|token|encrypt|credential|auth", re.IGNORECASE)
_MASK: Final = "***"


@dataclass(frozen=True, slots=True)
class StateURL:
    """A store's URL in parts: frozen, compared by value, masked when printed, picklable.

    Attributes:
        scheme: Which plug-in serves it, in lower case.
        username: Decoded; None where there is none.
        password: Decoded; None where there is none. In no ``str`` or ``repr`` of the URL.
        hosts: Pairs of host and port, in order; several for clusters and sentinels.
        path: Decoded, with its leading slash.
        query: Pairs of option and value, decoded, in order.

    Example:
        >>> url = StateURL.parse("redis://ada:lovelace@localhost:6379/0?timeout=2")
        >>> url
        StateURL('redis://ada:***@localhost:6379/0?timeout=2')
        >>> url.host, url.port, url.options
        ('localhost', 6379, {'timeout': '2'})
    """

    scheme: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> StateURL:
        """Read a URL.

        Raises:
            InvalidURLError: The text is no URL; the message shows nothing that may be a secret.
        """
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise InvalidURLError(
                "a store's URL looks like scheme://user:password@host:port/path?option=value, "
                "with special characters percent-encoded; what was given does not "
                f"(it begins with {_beginning(text)!r})"
            )
        username, password = _user(match)
        return cls(
            match["scheme"].lower(),
            username,
            password,
            tuple(_host(match, part) for part in match["hosts"].split(",") if part),
            _path(match),
            tuple(_query(match)),
        )

    @property
    def host(self) -> str | None:
        """The first host, or None."""
        return self.hosts[0][0] if self.hosts else None

    @property
    def port(self) -> int | None:
        """The first host's port, or None."""
        return self.hosts[0][1] if self.hosts else None

    @property
    def options(self) -> dict[str, str]:
        """The query as a dict; of an option given twice, the last."""
        return dict(self.query)

    def with_options(self, options: Mapping[str, object]) -> StateURL:
        """This URL with other options; those whose value is None are left out."""
        return replace(self, query=tuple((k, str(v)) for k, v in options.items() if v is not None))

    def plain(self) -> str:
        """The URL with its secrets, for drivers only; never for a message."""
        user = "" if self.username is None else quote(self.username, safe="")
        if self.password is not None:
            user += ":" + quote(self.password, safe="")
        return self._text(user + "@" if user else "", self.query)

    def __str__(self) -> str:
        user = quote(self.username or "", safe="")
        if self.password is not None:
            user += f":{_MASK}"
        return self._text(user + "@" if user else "", [(k, _masked(k, v)) for k, v in self.query])

    def __repr__(self) -> str:
        return f"StateURL({str(self)!r})"

    def _text(self, user: str, query: Iterable[tuple[str, str]]) -> str:
        hosts = ",".join(_join(host, port) for host, port in self.hosts)
        options = urlencode(list(query), safe="*:/,@")
        path = quote(self.path, safe="/:=,+~")
        return f"{self.scheme}://{user}{hosts}{path}{'?' + options if options else ''}"

    def __reduce__(self) -> tuple[object, ...]:
        # Encoded, so that a pickle that ends up in a log shows no password to a reader.
        return _restore, (base64.b85encode(self.plain().encode()),)


def _restore(encoded: bytes) -> StateURL:
    return StateURL.parse(base64.b85decode(encoded).decode())


def _beginning(text: object) -> str:
    if not isinstance(text, str):
        return type(text).__name__
    beginning = text.partition(":")[0][:20]
    return beginning if "@" not in beginning else ""  # what stands before an @ may be a password


def _decoded(match: re.Match[str], text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
        decoded.encode()
    except UnicodeError:
        raise InvalidURLError(f"{match['scheme']}://…: a part of the URL is no UTF-8") from None
    return decoded


def _user(match: re.Match[str]) -> tuple[str | None, str | None]:
    name, colon, password = (match["user"] or "").partition(":")
    return _decoded(match, name) or None, _decoded(match, password) if colon else None


def _path(match: re.Match[str]) -> str:
    path = match["path"] or ""
    if "@" in path and (match["hosts"] or match["user"] is not None):
        raise InvalidURLError(
            f"{match['scheme']}://…: an @ stands after a /; in a password write / as %2F, "
            "in a path @ as %40"
        )
    return _decoded(match, path)


def _host(url: re.Match[str], part: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[^:\[\]]*)(?::([0-9]*))?", part)
    port = int(match[2]) if match and match[2] else None
    if match is None or (port is not None and not 0 < port < 65536):
        # What stands after the colon is not shown: of a password with an unencoded / it is a part.
        raise InvalidURLError(
            f"{url['scheme']}://…: what follows {part.partition(':')[0]!r} is no port, a number "
            "from 1 to 65535; an IPv6 address stands in [ ]; a password has its / ? # @ "
            "percent-encoded"
        )
    return _decoded(url, match[1].strip("[]")), port


def _query(match: re.Match[str]) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(match["query"] or "", keep_blank_values=True, errors="strict")
        urlencode(pairs)
    except ValueError:
        raise InvalidURLError(f"{match['scheme']}://…: the options after ? can't be read") from None
    if any("@" in name for name, _ in pairs):
        raise InvalidURLError(
            f"{match['scheme']}://…: an option's name has an @; in a password write ? as %3F"
        )
    return pairs


def _join(host: str, port: int | None) -> str:
    name = f"[{host.replace('%', '%25')}]" if ":" in host else quote(host, safe="")
    return name if port is None else f"{name}:{port}"


def _masked(name: str, value: str) -> str:
    if _SECRET.search(name):
        return _MASK
    if "://" not in value:
        return value
    try:  # a URL inside a URL, such as ?journal=, may hold a secret of its own
        return str(StateURL.parse(value))
    except InvalidURLError:
        return _MASK
