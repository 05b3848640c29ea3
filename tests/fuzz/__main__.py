"""Coverage-guided fuzzing of what reads values: `python -m tests.fuzz FOLDER -runs=N`.

Whatever the bytes, what comes out is a value or a SerializationError, in bounded time and memory.
The first byte of an input says how far inside the rest is put: hostile bytes may have a right
checksum, and even be encrypted under a right key. FOLDER keeps what led somewhere new, and
begins with the golden files. What follows is libFuzzer's.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["qstate.serializers", "qstate.entries"]):
    from tests.fuzz.target import try_bytes, write_seeds

LIMITS = ["-max_len=8192", "-timeout=30", "-rss_limit_mb=2000"]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_seeds(folder)
    atheris.Setup([*sys.argv[:2], f"-artifact_prefix={folder}-", *LIMITS, *sys.argv[2:]], try_bytes)
    atheris.Fuzz()
