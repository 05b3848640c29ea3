"""Plug-ins: the hooks, and how the one that serves a scheme is found.

A plug-in is a module (or object) named by an entry point of group ``qstate``. The entry's name
says when it is imported: a URL scheme, when a store of that scheme is asked for; the name of a
hook, such as ``qstate_inject``, when that hook is called.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import pluggy

from qstate.backend import Backend, StateURL, hookimpl
from qstate.errors import BackendNotFoundError, PluginError
from qstate.handler import StateHandler
from qstate.types import ValueType

__all__ = [
    "Hooks",
    "InjectionContext",
    "add_commands",
    "backend_for",
    "canonical_url",
    "distribution_of",
    "hookimpl",
    "injected",
    "operation_contexts",
    "schemes",
]

GROUP: Final = "qstate"
_hookspec = pluggy.HookspecMarker("qstate")
_loading = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionContext:
    """For whom a state is.

    Attributes:
        function: The name of the task's function, as in ``Lab.measure``.
        module: The module that it is in.
        job: The job's id; None where it runs without Ray, by ``.local()``.
        task: The task's id, the same for each attempt; None as for ``job``.
    """

    function: str
    module: str
    job: str | None = None
    task: str | None = None


class Hooks:
    """What a plug-in may implement, each marked with :data:`qstate.backend.hookimpl`."""

    @_hookspec(firstresult=True)
    def qstate_backend(self, url: StateURL, options: Mapping[str, Any]) -> Backend | None:
        """Make the backend for a URL, without I/O.

        Args:
            url: What the user gave, its query included.
            options: The query and the keywords of ``connect``, without those of the core. The
                backend refuses what it does not know, by :func:`qstate.backend.read_options`.

        Returns:
            The backend, or None where the scheme is another plug-in's.
        """

    @_hookspec(firstresult=True)
    def qstate_address(self, url: StateURL) -> StateURL | None:
        """The one form of a URL under which its store is shared and pickled: an absolute path, say.

        Returns:
            That form, or None to leave the URL as it is.
        """

    @_hookspec(firstresult=True)
    def qstate_inject(self, state: StateHandler, context: InjectionContext) -> StateHandler | None:
        """Wrap or replace what a task is handed; called where the task starts, in its worker.

        The entry point of the plug-in is named ``qstate_inject``.

        Args:
            state: What the task would be handed.
            context: The task.

        Returns:
            What it is handed instead, or None to leave that to others.
        """

    @_hookspec
    def qstate_operation(
        self, operation: str, store: str, keys: Sequence[str]
    ) -> AbstractContextManager[object] | None:
        """Give what an operation on a store shall run inside: for metrics and tracing.

        The entry point of the plug-in is named ``qstate_operation``. It is imported when a store is
        opened; where none is installed then, nothing is added to any operation.

        Args:
            operation: ``read``, ``read_data``, ``put``, ``write``, ``remove``, ``scan`` or
                ``count``: what the store asks of its backend, retries included.
            store: The address, without secrets.
            keys: The keys with their scope; of ``scan`` and ``count``, the prefix. What the store
                keeps for itself, such as locks, is left out.

        Returns:
            A context manager that is entered before and left after, and sees the error if there is
            one; or None.
        """

    @_hookspec
    def qstate_cli(self, app: Any) -> None:
        """Add commands to the command line, by ``app.command(function, name=…)``.

        The entry point of the plug-in is named ``qstate_cli``.

        Args:
            app: The ``cyclopts.App`` of the command ``qstate``.
        """

    @_hookspec
    def qstate_types(self) -> Iterable[ValueType]:
        """Types of values that the default serializer shall know.

        The entry point of the plug-in is named ``qstate_types.`` and the package whose types they
        are, so that it is imported when such a value is met; or ``qstate_types`` alone: when any
        type is met that nothing else knows.
        """
        return ()

    @_hookspec(firstresult=True)
    def qstate_serializer(self, name: str) -> Any:
        """Make the serializer for ``serializer=name``.

        The entry point of the plug-in is named ``qstate_serializer``.

        Returns:
            A :class:`qstate.serializers.Serializer`, whose number is 128 or above; None where
            another plug-in has that name.
        """


@functools.cache
def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("qstate")
    manager.add_hookspecs(Hooks)
    return manager


def schemes() -> list[str]:
    """The URL schemes of all installed plug-ins, sorted; none of them is imported for it."""
    return sorted(name for name in entry_points(group=GROUP).names if not _is_hook(name))


def canonical_url(url: StateURL) -> StateURL:
    """The form of a URL under which its store is shared and pickled.

    Raises:
        BackendNotFoundError: No plug-in serves the scheme.
    """
    return _call(url.scheme, "qstate_address", url=url) or url


def backend_for(url: StateURL, options: Mapping[str, Any]) -> Backend:
    """A new backend for a URL.

    Raises:
        BackendNotFoundError: No plug-in serves the scheme, or what it needs is not installed.
        InvalidURLError: The URL or an option means nothing to it.
    """
    backend = _call(url.scheme, "qstate_backend", url=url, options=options)
    if not isinstance(backend, Backend):
        raise BackendNotFoundError(
            f"the plug-in {_entry(url.scheme).value!r} is registered for {url.scheme}:// but gave "
            f"{type(backend).__name__} where a qstate.backend.Backend was expected"
        )
    return backend


def injected(state: Any, context: Callable[[], InjectionContext]) -> StateHandler:
    """What a task is handed, after the plug-ins that have something to say about it.

    Args:
        state: What it would be handed.
        context: Gives the task; called where there is such a plug-in.

    Raises:
        PluginError: A plug-in can't be imported, or gave something without get and set.
    """
    plugins = _implementing("qstate_inject")
    if not plugins:
        return state  # type: ignore[no-any-return]
    others = [other for other in _manager().get_plugins() if other not in plugins]
    call = _manager().subset_hook_caller("qstate_inject", others)
    handed = call(state=state, context=context())
    if handed is None:
        return state  # type: ignore[no-any-return]
    if not isinstance(handed, StateHandler):
        raise PluginError(
            f"a plug-in's qstate_inject gave {type(handed).__name__} where something with get and "
            f"set was expected; those installed are: {', '.join(map(str, plugins))}"
        )
    return handed


def operation_contexts() -> Callable[..., Sequence[Any]] | None:
    """Gives what an operation shall run inside; None where no plug-in observes operations.

    Raises:
        PluginError: A plug-in can't be imported.
    """
    plugins = _implementing("qstate_operation")
    if not plugins:
        return None
    others = [other for other in _manager().get_plugins() if other not in plugins]
    return _manager().subset_hook_caller("qstate_operation", others)


def add_commands(app: Any) -> list[PluginError]:
    """Let plug-ins add commands to the command line.

    Args:
        app: The ``cyclopts.App``.

    Returns:
        What kept some of them from it; they are left out, and the others are there.
    """
    failed = []
    for entry in entry_points(group=GROUP, name="qstate_cli"):
        try:
            with _loading:
                plugin = _loaded(entry)
            others = [other for other in _manager().get_plugins() if other is not plugin]
            _manager().subset_hook_caller("qstate_cli", others)(app=app)
        except Exception as error:  # noqa: BLE001 - whatever it is, the command line goes on
            failed.append(error if isinstance(error, PluginError) else _unusable(entry, error))
    return failed


def value_types(package: str) -> Iterator[tuple[str, ValueType]]:
    """The types that plug-ins bring for a package, each with the plug-in that brings it.

    Raises:
        PluginError: A plug-in can't be imported; a missing package is told as what to install.
    """
    for entry in _entries("qstate_types", package):
        plugin = _loaded(entry)
        for known in plugin.qstate_types():
            yield f"{entry.value} of {_distribution(entry)}", known


def serializer(name: str) -> Any:
    """A plug-in's serializer, or None where there is none of that name."""
    made = (plugin.qstate_serializer(name=name) for plugin in _implementing("qstate_serializer"))
    return next((found for found in made if found is not None), None)


def _entries(hook: str, package: str) -> list[EntryPoint]:
    found = entry_points(group=GROUP)
    return [*found.select(name=hook), *found.select(name=f"{hook}.{package}")]


def distribution_of(scheme: str) -> str:
    """Name and version of the distribution that serves a scheme."""
    distribution = _entry(scheme).dist
    return f"{distribution.name} {distribution.version}" if distribution else "unknown"


def _entry(scheme: str) -> EntryPoint:
    found = entry_points(group=GROUP, name=scheme)
    if not found or _is_hook(scheme):
        raise BackendNotFoundError(
            f"no plug-in serves {scheme}://; those installed serve: {', '.join(schemes())}"
        )
    return next(iter(found))


@functools.cache
def _load(scheme: str) -> object:
    """The plug-in that serves a scheme, imported and registered."""
    entry = _entry(scheme)
    try:
        with _loading:
            plugin = entry.load()
            if not _manager().is_registered(plugin):
                _manager().register(plugin)
    except ImportError as error:
        raise _missing(scheme, error) from error
    except Exception as error:
        raise BackendNotFoundError(
            f"the plug-in {entry.value!r} of {distribution_of(scheme)}, which serves {scheme}://, "
            f"can't be loaded: {type(error).__name__}: {error}; mend it, or uninstall it"
        ) from error
    return plugin


def _is_hook(name: str) -> bool:
    return name.startswith("qstate_")  # no URL scheme has an underscore


@functools.cache
def _implementing(hook: str) -> list[Any]:
    """The plug-ins whose entries are named after a hook, imported and registered."""
    with _loading:
        return [_loaded(entry) for entry in entry_points(group=GROUP, name=hook)]


def _loaded(entry: EntryPoint) -> Any:
    try:
        plugin = entry.load()
        if not _manager().is_registered(plugin):
            _manager().register(plugin)
    except Exception as error:
        raise _unusable(entry, error, "loaded") from error
    return plugin


def _unusable(entry: EntryPoint, error: Exception, what: str = "called") -> PluginError:
    module = (error.name or "") if isinstance(error, ImportError) else ""
    return PluginError(
        f"the plug-in {entry.value!r} of {_distribution(entry)}, which implements {entry.name}, "
        f"can't be {what}: {type(error).__name__}: {error}; "
        f"{_install(entry, module) or 'mend it, or uninstall it'}"
    )


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"


def _call(scheme: str, hook: str, **arguments: Any) -> Any:
    """Call a hook of the one plug-in that serves a scheme, so that no other can break it."""
    plugin = _load(scheme)
    others = [other for other in _manager().get_plugins() if other is not plugin]
    try:
        return _manager().subset_hook_caller(hook, others)(**arguments)
    except ImportError as error:
        raise _missing(scheme, error) from error


def _missing(scheme: str, error: ImportError) -> BackendNotFoundError:
    """A missing package, told as what to install."""
    return BackendNotFoundError(
        f"{scheme}:// needs a package that is not installed ({error}); "
        f"{_remedy(_entry(scheme), error.name or '')}"
    )


def _remedy(entry: EntryPoint, module: str) -> str:
    """What to do about a module that is missing."""
    name = entry.dist.name if entry.dist else "its plug-in"
    mend = f"install {module or 'it'}, or mend the plug-in {entry.value!r} of {name}"
    return _install(entry, module) or mend


def _install(entry: EntryPoint, module: str) -> str | None:
    """The ``pip install`` that brings a module, by the extras its distribution declares."""
    for requirement in (entry.dist.requires if entry.dist else None) or ():
        match = re.match(r"([\w.-]+).*;.*extra\s*==\s*['\"]([\w.-]+)['\"]", requirement)
        if match and match[1].lower().replace("-", "_") == module.partition(".")[0]:
            return f"install it with: pip install '{entry.dist.name}[{match[2]}]'"  # type: ignore[union-attr]
    return None


def _unlock() -> None:
    """In a forked child: another thread of the parent may have been loading."""
    global _loading
    _loading = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
