"""numpy's arrays and scalars, as dtype, shape and bytes; numpy is not imported to write them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

from qstate.backend import Buffer
from qstate.errors import SerializationError

if TYPE_CHECKING:
    import numpy

_SIMPLE: Final = re.compile(r"[<>|=][a-zA-Z?]\d*(\[\w+\])?\Z")


def is_array(value: Any) -> bool:
    """Whether it is an array of numpy, and no subclass of one."""
    module = sys.modules.get("numpy")
    return module is not None and type(value) is getattr(module, "ndarray", None)


def is_scalar(value: Any) -> bool:
    """Whether it is a scalar of one of numpy's own types."""
    module = sys.modules.get("numpy")
    return (
        module is not None
        and isinstance(value, getattr(module, "generic", ()))
        and type(value).__module__ == "numpy"
    )


def describe_array(array: numpy.ndarray[Any, Any]) -> tuple[list[Any], Buffer]:
    """Type, shape and order of an array, and its bytes: a view, unless it is not contiguous."""
    described = _describe(array.dtype)
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return [described, list(array.shape), "F" if fortran else "C"], _bytes_of(
        array.T if fortran else array
    )


def _bytes_of(array: numpy.ndarray[Any, Any]) -> Buffer:
    if array.nbytes == 0:
        return b""
    flat = sys.modules["numpy"].ascontiguousarray(array).reshape(-1)
    return memoryview(flat.view("u1"))


def restore_array(stored: list[Any]) -> numpy.ndarray[Any, Any]:
    """An array as a read-only view of its bytes."""
    np = _numpy()
    described, shape, order, data = stored
    kind = _dtype(described)
    data = memoryview(data).toreadonly()
    if order not in ("C", "F") or any(type(size) is not int or size < 0 for size in shape):
        raise SerializationError("an array has a shape that no array has")
    array = np.ndarray(tuple(shape), kind, data, order=order)
    if array.nbytes != data.nbytes:
        raise SerializationError("an array has more bytes than its shape says")
    return array  # type: ignore[no-any-return]


def describe_scalar(scalar: numpy.generic) -> list[Any]:
    """Type and bytes of a scalar; text keeps the zeros at its end, which arrays cut off."""
    if isinstance(scalar, str):
        return ["U", str.__str__(scalar)]
    if isinstance(scalar, bytes):
        return ["S", bytes(scalar)]
    return [_describe(scalar.dtype), scalar.tobytes()]


def restore_scalar(stored: list[Any]) -> Any:
    """A scalar of its type and bytes."""
    np = _numpy()
    described, data = stored
    if described in ("U", "S"):
        return np.str_(data) if described == "U" else np.bytes_(data)
    kind = _dtype(described)
    if kind.itemsize != len(data):
        raise SerializationError("a scalar has another size than its type")
    return np.ndarray((), kind, bytearray(data))[()]


def _describe(kind: numpy.dtype[Any]) -> Any:
    """A dtype in plain values: its text, a map for fields, a list for arrays in an array."""
    if kind.hasobject:
        raise SerializationError(
            f"no serializer for numpy arrays of objects (dtype {kind}); store a list, or an array "
            "of numbers or text"
        )
    described = _parts_of(kind)
    if _dtype(described) != kind:
        raise SerializationError(f"no serializer for numpy's dtype {kind!r}")
    return described


def _parts_of(kind: numpy.dtype[Any]) -> Any:
    if kind.subdtype is not None:
        return [_parts_of(kind.subdtype[0]), list(kind.subdtype[1])]
    if kind.names is None:
        return kind.str
    fields = [kind.fields[name] for name in kind.names]  # type: ignore[index]
    return {
        "names": list(kind.names),
        "formats": [_parts_of(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [(*field, None)[2] for field in fields],
        "itemsize": kind.itemsize,
        "aligned": kind.isalignedstruct,
    }


def _dtype(described: Any) -> numpy.dtype[Any]:
    np = _numpy()
    if isinstance(described, list):
        base, shape = described
        return np.dtype((_dtype(base), tuple(shape)))  # type: ignore[no-any-return]
    if isinstance(described, dict):
        fields = {**described, "formats": [_dtype(part) for part in described["formats"]]}
        aligned = fields.pop("aligned")
        made: numpy.dtype[Any] = np.dtype(fields, align=aligned)
        return made
    if not _SIMPLE.match(described) or np.dtype(described).hasobject:
        raise SerializationError(f"an array has a type that is not read: {described!r}")
    simple: numpy.dtype[Any] = np.dtype(described)
    return simple


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise SerializationError(
            "the value holds an array of numpy, which is not installed; install it with: "
            "pip install 'qstate[numpy]'"
        ) from error
    return numpy
