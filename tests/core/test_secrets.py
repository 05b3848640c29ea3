"""No password of a URL or of an option is ever shown."""

import gc
import logging
import pickle
import string
import traceback

import pytest
from hypothesis import given, strategies as st

from qstate import (
    BackendNotFoundError,
    StateError,
    StateStore,
    StateURL,
    connect,
)

SIGNS = string.ascii_letters + string.digits + "/?#@:&%+=[]é"
SECRETS = st.text(SIGNS, min_size=5, max_size=24).map("Zw9".__add__)


def failures(store):
    """What different errors of a store show, tracebacks and pickles of errors included."""
    calls = [
        lambda: store["missing"],
        lambda: store.set("", 1),
        lambda: store.set("a", object()),
        lambda: store.set("a", 1, if_version=b"v" * 16),
        lambda: store.clear(),
        lambda: StateStore(store._address, unknown="option"),
        lambda: StateStore(store._address, timeout="soon"),
        lambda: StateStore(store._address, serializer="yaml"),
        lambda: StateStore(str(store._address.plain()).replace("filed:", "no-such:")),
        lambda: (store.close(), store.get("a")),
    ]
    for call in calls:
        with pytest.raises(StateError) as caught:
            call()
        yield str(caught.value)
        yield repr(caught.value)
        yield "".join(traceback.format_exception_only(caught.value))
        yield pickle.dumps(caught.value).decode("latin-1")


@given(secret=SECRETS)
def test_no_password_is_ever_shown(install, tmp_path, caplog, secret):
    """In no repr, text, pickle, error or log is the password of a URL or of an option."""
    install("plain")
    caplog.set_level(logging.DEBUG)
    url = StateURL("filed", "u", secret, (("host", None),), str(tmp_path / "s"))
    store = StateStore(url.plain(), password=secret)
    scope = store / "run"
    shown = [repr(store), str(store), f"{scope}", repr(store.info()), repr(store.items())]
    shown += [pickle.dumps(thing).decode("latin-1") for thing in (store, scope, store.info())]
    shown += failures(store)
    shown.append(caplog.text)
    scope.close()
    for text in shown:
        assert secret not in text.replace(str(tmp_path), "")


def test_an_option_with_a_secret_travels(filed, tmp_path):
    """Encoded in the pickle, and the same on arrival."""
    with StateStore(f"filed://{tmp_path}/state", password="hunter2 of mine") as store:
        travelling = pickle.dumps(store)
        assert b"hunter2" not in travelling
        arrived = pickle.loads(travelling)
        arrived["a"] = 1
        assert store["a"] == 1
        arrived.close()


def test_an_unknown_scheme_shows_no_password():
    """Not even where nothing could be opened."""
    with pytest.raises(BackendNotFoundError) as caught:
        connect("no-such://ada:hunter2@host")
    assert "hunter2" not in str(caught.value)
    gc.collect()
