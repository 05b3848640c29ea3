"""Operations told to plug-ins: the hook ``qstate_operation``, round what a client does.

A client asks once, when it is made. Where no plug-in is installed it stays as it is, so that what
nobody observes costs nothing.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar

from qstate import plugins
from qstate.backend import Operation
from qstate.keys import INTERNAL

P = ParamSpec("P")
R = TypeVar("R")


def observe(client: Any, store: str) -> None:
    """Have the operations of a client run inside what the plug-ins give for each.

    Args:
        client: Its methods of these names are replaced where a plug-in is installed.
        store: Its address, without secrets.

    Raises:
        PluginError: A plug-in can't be imported.
    """
    contexts = plugins.operation_contexts()
    if contexts is None:
        return
    for name, keys_of in _OPERATIONS.items():
        method = getattr(type(client), name).__get__(client)
        around = functools.partial(contexts, operation=name, store=store)
        setattr(client, name, _observed(method, around, keys_of))


def _observed(
    method: Callable[P, R], around: Callable[..., Sequence[Any]], keys_of: Callable[..., Any]
) -> Callable[P, R]:
    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        keys = [key for key in keys_of(args[0]) if not key.startswith(INTERNAL)]
        with contextlib.ExitStack() as stack:
            for context in around(keys=keys):
                stack.enter_context(context)
            return method(*args, **kwargs)

    return call


def _written(operations: Sequence[Operation]) -> list[str]:
    return [each.key for each in operations]


def _prefix(prefix: str) -> tuple[str]:
    return (prefix,)


_OPERATIONS: Final[Mapping[str, Callable[[Any], Sequence[str]]]] = {
    "read": list,
    "read_data": list,
    "put": _written,
    "write": _written,
    "remove": list,
    "scan": _prefix,
    "count": _prefix,
}
