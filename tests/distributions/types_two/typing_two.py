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
