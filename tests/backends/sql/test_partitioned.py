"""PostgreSQL: a table that was partitioned by hash, as a store for very many keys is."""

from __future__ import annotations

import pytest

import qstate

AGAIN = """
SELECT pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = 'qstate'::regclass AND NOT indisprimary
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'qstate'::regclass
"""


@pytest.fixture
def store(postgres_server):
    """A store whose table was made anew in four partitions, with its index and triggers."""
    with qstate.connect(postgres_server.url, timeout=30) as store, postgres_server.client() as raw:
        store["a"] = 1
        statements = [row[0] for row in raw.execute(AGAIN).fetchall()]
        raw.execute("ALTER TABLE qstate RENAME TO plain")
        raw.execute("DROP INDEX qstate_expires_at")
        raw.execute("CREATE TABLE qstate (LIKE plain, PRIMARY KEY (key)) PARTITION BY HASH (key)")
        for number in range(4):
            raw.execute(
                f"CREATE TABLE qstate_{number} PARTITION OF qstate "
                f"FOR VALUES WITH (MODULUS 4, REMAINDER {number})"
            )
        for statement in statements:
            raw.execute(statement)
        raw.execute("INSERT INTO qstate SELECT * FROM plain")
        raw.execute("DROP TABLE plain")
        yield store
        raw.execute("DROP TABLE qstate")
    postgres_server.empty()


def test_it_is_a_store_like_any_other(store):
    """With scans, several keys, transactions, locks and watching."""
    names = [f"key/{number:02}" for number in range(50)]
    store.set_many(dict.fromkeys(names, 0))
    assert list(store.scan("key/")) == names
    assert store.increment("key/00") == 1
    with store.transaction() as transaction:
        transaction["key/01"] = transaction["key/00"] + 1
    with store.watch("key/") as changes:
        store["key/02"] = 3
        assert changes.next(timeout=30).key == "key/02"
    with store.lock("key"):
        assert store.get_many(names[:3]) == {"key/00": 1, "key/01": 2, "key/02": 3}
    assert store.delete_many(["a", *names]) == 51
