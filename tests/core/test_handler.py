"""StateHandler: the least that a task may be handed."""

from qstate import StateHandler


class Notes:
    """Ten lines of a user's own."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = value


def test_a_small_class_of_ones_own_is_a_handler():
    """Anything with get and set will do."""
    assert isinstance(Notes(), StateHandler)


def test_every_store_is_a_handler(store):
    """A StateStore can be handed to a task."""
    assert isinstance(store, StateHandler)


def test_what_lacks_set_is_no_handler():
    """A dict is none: it has get, but not set."""
    assert not isinstance({}, StateHandler)


def test_a_task_written_for_a_handler_runs_with_either(store):
    """What uses get and set alone does not see which handler it has."""

    def task(state):
        state.set("steps", (state.get("steps") or 0) + 1)
        return state.get("steps")

    assert task(Notes()) == task(store) == 1
