"""The store on a Redis Cluster keeps every law: of single keys, and of all where it is pinned."""

import pytest

import qstate
from qstate.testing.conformance import BackendConformance


class ClusterConformance(BackendConformance):
    """On a cluster that the tests share."""

    query = ""

    @pytest.fixture
    def store(self, redis_cluster):
        url = f"redis+cluster://{redis_cluster[0].address}{self.query}"
        with qstate.connect(url) as store:
            yield store
            for node in redis_cluster:
                node.empty()


class TestRedisCluster(ClusterConformance):
    """Keys all over the slots: one at a time."""

    name = "Redis Cluster"


class TestRedisClusterPinned(ClusterConformance):
    """All keys in one slot."""

    name = "Redis Cluster, pinned"
    query = "?hashtag=conformance"
