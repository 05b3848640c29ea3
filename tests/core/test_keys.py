"""Keys: which a store takes, told before anything is sent, and that each is a key of its own."""

import pytest
from hypothesis import given, strategies as st

from qstate import InvalidKeyError, keys

VALID = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
FITTING = VALID.filter(lambda key: len(key.encode()) <= 1024)

NO_KEYS = [
    "",
    "\0",
    "a\0",
    "\0qstate",
    "\ud800",
    "a\udfff",
    "a" * 1025,
    "é" * 513,
    None,
    1,
    b"a",
    ("a",),
    ["a"],
    1.5,
]


def shortly(value):
    """The beginning of a value's repr, to name a test."""
    return repr(value)[:20]


CALLS = {
    "get": lambda store, key: store.get(key),
    "set": lambda store, key: store.set(key, 1),
    "set if_version": lambda store, key: store.set(key, 1, if_version=b"v" * 16),
    "delete": lambda store, key: store.delete(key),
    "delete if_version": lambda store, key: store.delete(key, if_version=b"v" * 16),
    "entry": lambda store, key: store.entry(key),
    "get_many": lambda store, key: store.get_many(["a", key]),
    "delete_many": lambda store, key: store.delete_many(["a", key]),
    "[]": lambda store, key: store[key],
    "[]=": lambda store, key: store.__setitem__(key, 1),
    "del": lambda store, key: store.__delitem__(key),
    "in": lambda store, key: key in store,
    "setdefault": lambda store, key: store.setdefault(key, 1),
    "pop": lambda store, key: store.pop(key, None),
    "touch": lambda store, key: store.touch(key, 1),
    "modify": lambda store, key: store.modify(key, lambda value: value, 1),
    "increment": lambda store, key: store.increment(key),
    "scope": lambda store, key: store.scope(key),
    "/": lambda store, key: store / key,
}


@given(key=FITTING)
def test_every_valid_key_comes_back(store, key):
    """What was written under a key is read under it, and the scan gives the key as it was."""
    store.clear(everything=True)
    store[key] = "value"
    assert store[key] == "value"
    assert list(store) == [key]


@given(key=FITTING, other=FITTING)
def test_two_keys_are_one_only_if_they_are_equal(store, key, other):
    """Keys are compared by code point: no folding, no normalization, no trimming."""
    store.clear(everything=True)
    store[key] = 1
    assert (other in store) == (key == other)


@pytest.mark.parametrize("key", NO_KEYS, ids=shortly)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_key_is_refused_by_every_call(open_trial, call, key):
    """A key no store takes is an InvalidKeyError, and the backend sees nothing of it."""
    store, backend = open_trial()
    with pytest.raises(InvalidKeyError):
        CALLS[call](store, key)
    assert not backend.calls


@pytest.mark.parametrize("key", [key for key in NO_KEYS if not isinstance(key, list)], ids=shortly)
def test_set_many_refuses_what_is_no_key(open_trial, key):
    """One key that no store takes, and nothing of the batch is written."""
    store, backend = open_trial()
    with pytest.raises(InvalidKeyError):
        store.set_many({"a": 1, key: 2})
    assert not backend.calls


@pytest.mark.parametrize("prefix", [key for key in NO_KEYS if key != ""], ids=shortly)
def test_a_scan_refuses_a_prefix_that_no_key_has(open_trial, prefix):
    """A prefix keeps the rules of keys, except that it may be empty."""
    store, backend = open_trial()
    with pytest.raises(InvalidKeyError):
        store.scan(prefix)
    assert not backend.calls


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "at least one character"),
        ("a\0b", "no NUL character; 'a\\x00b' does"),
        ("\ud800", "lone surrogate"),
        ("é" * 513, "at most 1024 bytes of UTF-8 with its scope"),
        (7, "a key is a str, not int; use str(7)"),
    ],
)
def test_the_refusal_says_which_rule_was_broken(store, key, message):
    """The message names the rule, and the error has the key where it is text."""
    with pytest.raises(InvalidKeyError) as caught:
        store[key] = 1
    assert message in str(caught.value)
    assert caught.value.key == (key if isinstance(key, str) else None)


def test_a_key_is_measured_with_its_scope(store):
    """The limit is that of the joined key, in bytes."""
    longest = "k" * 1024
    store[longest] = 1
    assert store[longest] == 1
    with pytest.raises(InvalidKeyError):
        store.scope("run")[longest] = 1
    store.scope("run")["k" * 1020] = 2
    assert store["run/" + "k" * 1020] == 2


def test_a_subclass_of_str_is_the_text_it_is(store):
    """A key of a class derived from str is the plain text, to the backend too."""

    class Name(str):
        __slots__ = ()

        def __str__(self):
            return "something else"

    store[Name("energy")] = 1
    assert store["energy"] == 1
    assert [type(key) for key in store] == [str]


@given(FITTING)
def test_join_gives_the_text_behind_the_prefix(key):
    """A joined key is prefix and key, and no more."""
    assert keys.join("", key) == key
