"""A NATS server for the tests, started as those of qstate itself are."""

from tests.servers.nats import nats_server

__all__ = ["nats_server"]
