"""How deep values may be that are written, on stacks of every size."""

import pytest
from hypothesis import given, strategies as st

from qstate.errors import SerializationError
from qstate.serializers.msgpack import MessagePackSerializer
from tests.core.serializers.test_hostile import on_a_small_stack

SIZES = [256 << 10, 512 << 10, 1 << 20, 8 << 20]
LAYERS = {
    "list": lambda value: [value],
    "dict": lambda value: {"k": value},
    "tuple": lambda value: (value,),
    "set": lambda value: frozenset({value}),
}
serializer = MessagePackSerializer()


def nested(*layers):
    """One thing inside another; the innermost is told first."""
    value = 0
    for layer, times in layers:
        for _ in range(times):
            value = LAYERS[layer](value)
    return value


def there_and_back(value):
    return serializer.decode(b"".join(serializer.encode(value)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layer", ["list", "dict"])
def test_what_a_stack_has_room_for_comes_back(layer, size):
    value = nested((layer, 900 if size > 512 << 10 else 250))
    on_a_small_stack(lambda: there_and_back(value) == value or pytest.fail("it differs"), size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layer", ["tuple", "set"])
def test_extensions_are_as_deep_on_a_small_stack(layer, size):
    value = nested((layer, 31))
    on_a_small_stack(lambda: there_and_back(value) == value or pytest.fail("it differs"), size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layer", ["list", "dict"])
@pytest.mark.parametrize("each", [150, 400, 1000])
def test_lists_and_tuples_in_turns_are_an_error(layer, each, size):
    """Each alone would do; together they would overflow any stack."""
    value = nested(*[(layer, each), ("tuple", 1)] * 31)

    def write():
        with pytest.raises(SerializationError, match="nested too deeply"):
            serializer.encode(value)

    on_a_small_stack(write, size)


def test_the_error_says_what_the_stack_has_to_do_with_it():
    value = nested(("list", 400))

    def write():
        with pytest.raises(SerializationError, match=r"this thread, whose stack has 256 KiB"):
            serializer.encode(value)

    on_a_small_stack(write, 256 << 10)
    assert there_and_back(value) == value


@given(
    st.lists(st.tuples(st.sampled_from(["list", "dict", "tuple"]), st.integers(1, 300)), max_size=9)
)
def test_any_nesting_comes_back_or_is_refused(layers):
    """On the smallest stack, and nowhere another value."""
    value = nested(*layers)

    def try_it():
        try:
            data = b"".join(serializer.encode(value))
        except SerializationError as error:
            assert "nested too deeply" in str(error) or "inside one another" in str(error)
        else:
            assert serializer.decode(data) == value

    on_a_small_stack(try_it)


def test_what_is_wide_is_not_deep():
    value = {"table": [[{"row": (n, [n])} for n in range(50)] for _ in range(50)]}
    on_a_small_stack(lambda: there_and_back(value) == value or pytest.fail("it differs"))
