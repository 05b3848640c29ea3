"""Types that users and plug-ins bring: found by entry point, each where it is needed."""

import subprocess
import sys

import numpy as np
import pytest

from qstate import PluginError, SerializationError, connect, register_type
from qstate.serializers import types
from qstate.serializers.msgpack import MessagePackSerializer
from tests.core.serializers.samples import Frozen, Loose, Model, Struct

serializer = MessagePackSerializer()


def there_and_back(value):
    """The value as a reader gets it."""
    return serializer.decode(b"".join(serializer.encode(value)))


class Angle:
    """A type of a user's own."""

    def __init__(self, degrees):
        self.degrees = degrees

    def __eq__(self, other):
        return type(self) is type(other) and self.degrees == other.degrees

    __hash__ = None


class Blob(Angle):
    """A subclass of it."""


@pytest.fixture(autouse=True)
def _registered(install):
    """Begin with no type known."""


def test_a_registered_type_comes_back():
    """Inside others, with what its parts are; a subclass is another type, and refused."""
    register_type(Angle, encode=lambda angle: [angle.degrees], decode=lambda parts: Angle(*parts))
    value = [Angle((1, 2)), {"k": Angle(Angle(3))}]
    assert there_and_back(value) == value
    with pytest.raises(SerializationError, match=r"no serializer for .*Blob"):
        serializer.encode(Blob(1))


def test_a_registered_type_may_send_a_buffer_without_a_copy():
    """A memoryview is a memoryview of what came."""
    register_type(Angle, encode=lambda a: memoryview(a.degrees), decode=lambda data: Angle(data))
    array = np.arange(10_000)
    found = there_and_back([Angle(array)])[0].degrees
    assert isinstance(found, memoryview)
    assert bytes(found) == array.tobytes()


def test_code_of_a_registered_type_may_use_stores():
    """It runs while a value is written, and may write one itself."""
    with connect("memory://") as store:

        def encode(angle):
            store["seen"] = [angle.degrees]
            return angle.degrees

        register_type(Angle, encode=encode, decode=Angle)
        store["k"] = [1, Angle(5), 2]
        assert store["k"] == [1, Angle(5), 2]
        assert store["seen"] == [5]


def test_an_unknown_name_says_what_to_do():
    """It names the type."""
    register_type(Angle, encode=lambda angle: angle.degrees, decode=Angle, name="nowhere.Angle")
    data = b"".join(serializer.encode(Angle(1)))
    types._by_name.clear()
    with pytest.raises(SerializationError, match=r"'nowhere\.Angle', unknown here: install"):
        serializer.decode(data)


def test_an_encoder_that_fails_is_told_with_the_path():
    """Whatever it raises."""
    register_type(Angle, encode=lambda angle: 1 / 0, decode=Angle)
    with pytest.raises(SerializationError, match=r"^\$\.k\[0\]: ZeroDivisionError"):
        serializer.encode({"k": [Angle(1)]})


def test_a_type_that_is_no_dataclass_needs_functions():
    """Both of them."""
    with pytest.raises(TypeError, match="give encode, decode"):
        register_type(Angle)
    with pytest.raises(TypeError, match="both"):
        register_type(Angle, encode=str)


def test_a_plugin_brings_types(install):
    """It is imported when a type is met that nothing else knows."""
    install("types_one")
    serializer.encode({"plain": (1, 2)})
    assert "typing_one" not in sys.modules
    import typing_one

    assert there_and_back(typing_one.Angle(5)).degrees == 5


def test_two_plugins_with_one_name_are_both_told(install):
    """Neither wins by chance."""
    install("types_one")
    install("types_two")
    with pytest.raises((PluginError, SerializationError)) as told:
        serializer.encode(Angle(1))
    assert "typing_one of typing-one 1.0" in str(told.value)
    assert "typing_two of typing-two 1.0" in str(told.value)
    assert "angles.Angle" in str(told.value)


def test_a_missing_package_is_told_with_the_extra(install):
    """When such a value is read."""
    import msgpack

    install("types_missing")
    data = msgpack.packb(msgpack.ExtType(21, msgpack.packb(["absent_package.Thing", None])))
    with pytest.raises(SerializationError, match=r"pip install 'typing-missing\[absent\]'"):
        serializer.decode(data)


def test_a_plugin_brings_a_serializer(install):
    """By the name that it answers to."""
    install("types_one")
    with connect("memory://", serializer="text") as store:
        store["k"] = (1, 2)
        assert store["k"] == "(1, 2)"
        assert store.info().serializer == "text"


def test_models_come_back():
    """With extra and private fields, and which of them were given."""
    model = Model(a=1, inner=[Model(a=2)])
    model._private = 7
    found = there_and_back([model])[0]
    assert (found, found._private) == (model, 7)
    assert found.model_fields_set == {"a", "inner"}
    assert there_and_back(Loose(a=1, b=(2,))) == Loose(a=1, b=(2,))


def test_structs_come_back():
    """Nested, with parts that msgspec itself does not know, and as keys."""
    value = Struct(1, [Frozen(gate="x", at=(1, 2)), {1: 2}])
    assert there_and_back(value) == value
    found = there_and_back(Struct(1, np.arange(3))).rest
    assert found.tolist() == [0, 1, 2]
    assert there_and_back({Frozen(gate="y"): 1}) == {Frozen(gate="y"): 1}


def test_frames_series_and_tables_come_back():
    """Index and types too, as Arrow keeps them; a column that it would change is refused."""
    import pandas as pd
    import pyarrow as pa

    frame = pd.DataFrame(
        {"x": np.arange(3.0), "s": ["a", None, "c"], "c": pd.Categorical(["u", "v", "u"])},
        index=pd.date_range("2024", periods=3, tz="Europe/Berlin"),
    )
    found, series = there_and_back([frame, frame["x"]])
    pd.testing.assert_frame_equal(found, frame, check_freq=False)
    pd.testing.assert_series_equal(series, frame["x"], check_freq=False)
    table = pa.table({"a": list(range(5000)), "b": [{"k": [1]}] * 5000})
    assert there_and_back({"t": table})["t"].equals(table)
    batch = table.to_batches()[0]
    assert there_and_back((batch,))[0].equals(batch)
    with pytest.raises(SerializationError, match="column 'o'"):
        serializer.encode(pd.DataFrame({"o": pd.Series(["a"], dtype=object)}))


def test_a_table_is_read_without_a_copy():
    """Its buffers lie in the bytes that were received."""
    import pyarrow as pa

    table = pa.table({"a": np.arange(10_000)})
    received = b"".join(serializer.encode(table))
    start = np.frombuffer(received, np.uint8).ctypes.data
    address = serializer.decode(received)["a"].chunk(0).buffers()[1].address
    assert start <= address < start + len(received)


def test_circuits_come_back():
    """By QPY; lists of them too."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    assert there_and_back([circuit, {"k": (circuit,)}]) == [circuit, {"k": (circuit,)}]


def test_a_process_that_has_not_imported_the_package_reads_them_all_the_same():
    """The plug-in is found by the name in the bytes."""
    import pandas as pd

    data = b"".join(serializer.encode(pd.DataFrame({"x": [1, 2]})))
    code = (
        "import sys\nfrom qstate.serializers.msgpack import MessagePackSerializer\n"
        "assert 'pandas' not in sys.modules\n"
        f"print(MessagePackSerializer().decode({data!r})['x'].sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
