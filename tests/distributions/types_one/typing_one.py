"""A plug-in with a type of its own, by a name that another claims too."""

from qstate import ValueType
from qstate.plugins import hookimpl


class Angle:
    """Degrees."""

    def __init__(self, degrees):
        self.degrees = degrees


@hookimpl
def qstate_types():
    yield ValueType(
        kind=Angle, encode=lambda angle: angle.degrees, decode=Angle, name="angles.Angle"
    )


class Text:
    """Values as their text; it can't be told from other text."""

    name = "text"
    codec = 200

    def encode(self, value):
        return (str(value).encode(),)

    def decode(self, payload):
        return bytes(payload).decode()


@hookimpl
def qstate_serializer(name):
    return Text() if name == "text" else None
