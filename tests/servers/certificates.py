"""Certificates for servers of the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


def certify(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, for 127.0.0.1; return it and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={name}"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
