"""qstate: pluggable state stores for jobs on Ray.

Pick a store by URL, let a decorator hand it to the task, read it from a notebook while the job
runs, swap it in a test. Names are imported when first used, so that ``import qstate`` stays light.

Example:
    >>> import qstate
    >>> store = qstate.connect("memory://docs")
    >>> version = store.set("energy", -1.137)
    >>> store.get("energy")
    -1.137
    >>> store.clear(everything=True)
"""

from __future__ import annotations

import lazy_loader

# The names stand in __init__.pyi, once for type checkers and for this.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
