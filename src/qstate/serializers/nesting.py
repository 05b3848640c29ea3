"""Depth: how many things inside one another may be written, by the stack that the thread has.

MessagePack's packer calls itself for each list and dict, and the writer for each extension, on the
stack of the thread that writes. The packer alone refuses more than 1,023 lists inside one another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

from qstate.errors import SerializationError

MOST: Final = 4000
"""Levels in all, of what is counted, where the stack is ample."""

EXTENSION: Final = 6
"""Levels of lists whose room on the stack an extension takes: measured, 2.7 KiB to 0.45."""

_AMPLE: Final = 6 << 20
_A_LEVEL: Final = 1 << 10  # twice what was measured, as the caller's own calls take some
_UNKNOWN: Final = 1 << 20
_NESTING: Final = {list, dict}
_known: Final = threading.local()


def room() -> int | None:
    """How many levels this thread's stack has room for; None: for more than is ever asked."""
    size = _stack()
    return None if size >= _AMPLE else size // _A_LEVEL


def check(value: Any, left: int) -> int:
    """How many levels are left after those of the lists and dicts in a value.

    Raises:
        SerializationError: There are more of them.
    """
    deepest = 0
    path: list[Iterator[Any]] = [iter((value,))]
    while path:
        for part in path[-1]:
            if type(part) not in _NESTING:
                continue
            deepest = max(deepest, len(path))
            if deepest > left:
                raise SerializationError(_told())
            inside = part.values() if type(part) is dict else part
            if not _NESTING.isdisjoint(map(type, inside)):
                path.append(iter(inside))
                break
        else:
            path.pop()
    return left - deepest


def _told() -> str:
    size = _stack()
    if size >= _AMPLE:
        return "nested too deeply"
    return (
        f"nested too deeply for this thread, whose stack has {size >> 10:,} KiB; write it from "
        "another one, such as the main thread"
    )


def _stack() -> int:
    """Bytes of this thread's stack, as far as the system tells."""
    try:
        size: int = _known.size
    except AttributeError:
        size = _known.size = _of_main() if _is_main() else _of_thread()
    return size


def _is_main() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def _of_main() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return _UNKNOWN
    limit = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return _AMPLE if limit == resource.RLIM_INFINITY else limit


def _of_thread() -> int:
    import ctypes  # it takes some milliseconds, and the main thread does without

    try:
        system, size = ctypes.CDLL(None), ctypes.c_size_t()
        thread = ctypes.c_void_p(threading.get_ident())
        if hasattr(system, "pthread_get_stacksize_np"):
            system.pthread_get_stacksize_np.restype = ctypes.c_size_t
            return int(system.pthread_get_stacksize_np(thread))
        attributes = ctypes.create_string_buffer(256)
        if system.pthread_getattr_np(thread, attributes):
            return _UNKNOWN
        system.pthread_attr_getstacksize(attributes, ctypes.byref(size))
        system.pthread_attr_destroy(attributes)
    except (AttributeError, OSError, TypeError):  # a system that has neither
        return _UNKNOWN
    return size.value
