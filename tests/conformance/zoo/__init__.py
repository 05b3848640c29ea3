"""The zoo: a few right backends, and many that are wrong in one way each.

Each says in its docstring what is wrong with it; breaks.py, which laws that breaks: those and no
other must fail on it.
"""

import inspect
import itertools
import os

from qstate.backend import hookimpl

from . import expiry, keys, reads, right, scans, shared, watching, writes

ANIMALS = {
    name: kind
    for group in (right, shared, writes, reads, keys, scans, expiry, watching)
    for name, kind in inspect.getmembers(group, inspect.isclass)
    if kind.__module__ == group.__name__ and hasattr(kind, "check") and name != "Folded"
}

_numbers = itertools.count()
_homes = {}


def url_of(name):
    """A new address of an animal."""
    return f"zoo://{name}/{os.getpid()}-{next(_numbers)}"


@hookimpl
def qstate_backend(url, options):
    """The animal that a URL names; one for each address."""
    if str(url) not in _homes:
        name = next(name for name in ANIMALS if name.lower() == url.host.lower())
        animal = _homes[str(url)] = ANIMALS[name]()
        if isinstance(animal, shared.SharedBackend):
            animal.keep_in(name + url.path.replace("/", "-"))
    return _homes[str(url)]
