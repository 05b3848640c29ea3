"""A suite of an author whose store is not done; test_reporting.py runs it."""

from typing import ClassVar

import pytest
import zoo

from qstate import StateStore
from qstate.testing.conformance import BackendConformance


class Unfinished(BackendConformance):
    """It folds case, and a few laws are looked at alone."""

    @pytest.fixture
    def store(self):
        with StateStore(zoo.url_of("FoldsCase")) as store:
            yield store


class TestOld(Unfinished):
    name = "old"
    known_failures: ClassVar = {
        "test_keys_that_differ_in_any_code_point_are_two_keys": "future: a column to mend",
        "test_it_is_a_mapping": "unsupported: it is, though",
    }


class TestNew(Unfinished):
    name = "new"
