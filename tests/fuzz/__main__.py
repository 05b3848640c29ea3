"""Coverage-guided fuzzing of what reads values: `python -m tests.fuzz CORPUS -runs=N`.

Whatever the bytes, what comes out is a value or a SerializationError, in bounded time and memory.
The first byte of an input says how far inside the rest is put: hostile bytes may have a right
checksum, and even be encrypted under a right key. libFuzzer's options follow the corpus.
"""

import sys

import atheris

with atheris.instrument_imports(include=["qstate.serializers", "qstate.entries"]):
    from tests.fuzz.target import try_bytes


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_bytes)
    atheris.Fuzz()
