"""Give each task a scope of its own: an implementation of qstate's hook ``qstate_inject``."""

from __future__ import annotations

from typing import Any

from qstate import StateHandler, StateStore
from qstate.plugins import InjectionContext, hookimpl

SCOPE = "tasks"


@hookimpl
def qstate_inject(state: StateHandler, context: InjectionContext) -> StateHandler | None:
    """The scope of a task: the same for each of its attempts, and no other task's.

    What runs without Ray, by ``.local()``, and what is handed something that has no scopes, is left
    as it is.
    """
    if context.task is None or not isinstance(state, StateStore):
        return None
    return state.scope(SCOPE).scope(context.function).scope(context.task)


def scopes_of(store: StateStore, function: Any) -> list[str]:
    """The ids of the tasks of a function that have left something.

    Args:
        store: What the tasks were handed scopes of.
        function: The function, or its name as in ``Lab.measure``.
    """
    name = function if isinstance(function, str) else function.__qualname__
    keys = store.scope(SCOPE).scope(name)
    return sorted({key.partition("/")[0] for key in keys})
