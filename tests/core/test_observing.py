"""The hook qstate_operation: plug-ins observe what stores ask of their backends."""

from __future__ import annotations

import asyncio
import sys

import pytest

from qstate import ABSENT, ConflictError, PluginError, connect
from qstate.clients import Client


@pytest.fixture
def operations(install):
    """What the plug-in has noted."""
    install("observing")
    with connect("memory://"):  # which imports it
        pass
    return sys.modules["observing"].operations


def test_a_plugin_is_told_of_each_operation(operations):
    """Of what is asked, of which store and which keys, and of how it ended."""
    with connect("memory://") as store:
        store.scope("run")["a"] = 1
        assert store.get_many(["run/a", "b"]) == {"run/a": 1}
        with pytest.raises(ConflictError):
            store.set("run/a", 2, if_version=ABSENT)
        assert list(store) == ["run/a"]
        assert len(store) == 1
        url = store.info().url
    assert operations == [
        ("put", url, ["run/a"], None),
        ("read_data", url, ["run/a", "b"], None),
        ("write", url, ["run/a"], "ConflictError"),
        ("scan", url, [""], None),
    ]


def test_awaited_operations_are_told_too(operations):
    """As those of threads are."""

    async def main():
        async with connect("memory://").aio as store:
            await store.set("a", 1)
            return await store.get("a")

    assert asyncio.run(main()) == 1
    assert [operation for operation, *_ in operations] == ["put", "read_data"]


def test_what_locks_keep_is_not_told(operations):
    """The operations are, the keys that have no name are not."""
    with connect("memory://") as store, store.lock("door"):
        pass
    assert operations
    assert {key for _, _, keys, _ in operations for key in keys} == set()


def test_without_a_plugin_a_client_is_as_its_class_has_it():
    """So what is not used costs nothing at all."""
    with connect("memory://") as store:
        store["a"] = 1
        assert not set(vars(store._client)) & set(vars(Client))


def test_one_that_cannot_be_imported_is_named(install):
    """When a store is opened, not later in some task."""
    install("observing_broken")
    with pytest.raises(PluginError, match=r"observing-broken 1\.0.*qstate_operation.*no_such"):
        connect("memory://")
