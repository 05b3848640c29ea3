"""Names and ports that exist for the processes of tests only.

A process with this folder on its ``PYTHONPATH`` finds under the names and ports that stand in the
file ``$QSTATE_TEST_NAMES`` (``{"redis:6379": "127.0.0.1:40001"}``) the addresses that stand beside
them. Sockets, servers and all that is sent are real.
"""

import json
import os
import socket

_file = os.environ.get("QSTATE_TEST_NAMES")
_resolve = socket.getaddrinfo


def _named(host, port, *args, **kwargs):
    with open(_file) as file:
        names = json.load(file)
    name = host.decode() if isinstance(host, bytes) else host
    there, colon, its_port = names.get(f"{name}:{port}", "").rpartition(":")
    return _resolve(there or host, int(its_port) if colon else port, *args, **kwargs)


if _file:
    socket.getaddrinfo = _named
