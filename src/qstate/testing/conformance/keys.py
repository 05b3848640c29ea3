"""Keys: which are taken, and that two which differ in any code point are two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import pytest

from qstate.errors import InvalidKeyError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, can, needs

LONG: Final = "k" * 1023

ALIKE: Final[dict[str, Sequence[str]]] = {
    "case": ("key", "Key", "KEY", "straße", "STRASSE", "strasse", "ı", "i", "İ"),
    "accents": ("resume", "resumé", "résumé", "o", "ö", "ø", "n", "ñ"),
    "composition": ("\u00e9", "e\u0301", "\u01c6", "dž", "ﬁ", "fi", "①", "1", "\uff4b", "k"),
    "spaces": ("end", "end ", "end  ", " end", "end\t", "end\n", "end\u00a0", "en d"),
    "slashes": ("a", "a/", "/a", "/", "a//b", "a/b", "a\\b", "../a", ".", ".."),
    "patterns": ("ab", "a*", "a?", "[ab]", "a[b]", "^a", "a^b", "*", "?", "**", "{a}", "a{1}"),
    "wildcards": ("a_b", "axb", "a%", "a%b", "a__b", "%", "_", "a\\_b", "a\\%"),
    "quotes": ("'", "''", '"', "`", "a'b", ";--", "$1", ":key", "a:b", "%s", "a,b", "a|b"),
    "emoji": ("😀", "😁", "👩", "👩‍🔬", "👩🏽", "❤", "❤️", "\U0010ffff", "\uffff", "\ue000"),
    "controls": ("\x01", "\x02", "\x7f", "\x80", "\x1b[0m", "a\r", "a\n", "a\r\n", "a\u2028"),
    "invisibles": ("zero", "ze\u200bro", "\ufeffzero", "zero\u200d", "zer\u00ado", "\u202ezero"),
    "length": (LONG + "a", LONG + "b", LONG, "k" * 1000, "é" * 512, "é" * 511 + "ee"),
    "numbers": ("1", "01", "1.0", "+1", "1e0", "١", "-0", "0", "None", "nan", "true"),
}
"""Keys that some store or other would take for one another."""

REFUSED: Final[dict[str, Any]] = {
    "empty": "",
    "with_nul": "a\0b",
    "nul_first": "\0lock/x",
    "surrogate": "a\ud800",
    "too_long": "k" * 1025,
    "too_many_bytes": "é" * 513,
    "bytes": b"key",
    "number": 7,
    "nothing": None,
    "tuple": ("a", "b"),
}
"""What no store takes as a key."""

CALLS: Final[dict[str, Callable[[StateStore, Any], object]]] = {
    "get": lambda store, key: store.get(key),
    "set": lambda store, key: store.set(key, 1),
    "delete": lambda store, key: store.delete(key),
    "entry": lambda store, key: store.entry(key),
    "in": lambda store, key: key in store,
    "item": lambda store, key: store[key],
    "get_many": lambda store, key: store.get_many(["fine", key]),
    "set_many": lambda store, key: store.set_many({"fine": 1, key: 1}),
    "delete_many": lambda store, key: store.delete_many(["fine", key]),
    "setdefault": lambda store, key: store.setdefault(key, 1),
    "pop": lambda store, key: store.pop(key, None),
    "modify": lambda store, key: store.modify(key, lambda value: value, 1),
    "increment": lambda store, key: store.increment(key),
    "touch": lambda store, key: store.touch(key, None),
    "scope": lambda store, key: store.scope(key),
    "transaction": lambda store, key: store.transact(lambda tx: tx.set(key, 1)),
}


class KeyLaws(Laws):
    """What a key is."""

    promise: ClassVar[str] = "Keys"

    @pytest.mark.parametrize("group", ALIKE)
    def test_keys_that_differ_in_any_code_point_are_two_keys(
        self, store: StateStore, group: str
    ) -> None:
        """Case, accents, trailing spaces, pattern characters: nothing is folded."""
        keys = ALIKE[group]
        for key in keys:
            store[key] = f"value of {key!r}"
        assert {key: store.get(key) for key in keys} == {key: f"value of {key!r}" for key in keys}
        assert sorted(store) == sorted(keys)

    def test_removing_a_key_leaves_those_that_look_like_it(self, store: StateStore) -> None:
        """One removal, one key."""
        left = {key for group in ALIKE.values() for key in group}
        for key in sorted(left):
            store[key] = 1
        for group in ALIKE.values():
            for key in set(group[::2]) & left:
                assert store.delete(key), key
                left.discard(key)
            assert set(store) == left, group

    def test_keys_that_look_alike_stay_apart_in_a_batch(self, store: StateStore) -> None:
        """As one they are written, read and removed as they are singly."""
        needs(store, "several_keys")
        keys = sorted({key for group in ALIKE.values() for key in group})
        values = {key: number for number, key in enumerate(keys)}
        store.set_many(values)
        assert store.get_many(keys) == values
        assert store.delete_many(keys[::2]) == len(keys[::2])
        assert set(store) == set(keys[1::2])

    def test_a_key_has_at_most_1024_bytes_with_its_scope(self, store: StateStore) -> None:
        """The longest is taken everywhere; one byte more is refused."""
        scope = store.scope("s" * 500)
        scope["k" * 523] = 1
        assert list(store) == ["s" * 500 + "/" + "k" * 523]
        with pytest.raises(InvalidKeyError):
            scope["k" * 524] = 1

    def test_what_is_no_key_is_refused_before_anything_is_written(self, store: StateStore) -> None:
        """Empty, too long, NUL, a lone surrogate, not a ``str``: ``InvalidKeyError``."""
        single = () if can(store).several_keys else ("set_many", "delete_many")
        for name in sorted(CALLS.keys() - set(single)):
            for what, key in REFUSED.items():
                with pytest.raises(InvalidKeyError):
                    CALLS[name](store, key)
                    pytest.fail(f"{name} takes a key that is refused: {what}")
        assert list(store) == []
