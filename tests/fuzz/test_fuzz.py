"""A short run of the fuzzer; `make fuzz RUNS=…` does long ones."""

import importlib.util
import re
import subprocess
import sys

import pytest

RUNS = 20_000


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="not applicable: no atheris for this Python"
)
def test_hostile_bytes_are_a_value_or_an_error(tmp_path):
    """Nothing else comes out of twenty thousand inputs that were chosen to get far."""
    command = [sys.executable, "-m", "tests.fuzz", tmp_path / "corpus", f"-runs={RUNS}", "-seed=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    assert int(re.search(r"Done (\d+) runs", done.stderr)[1]) >= RUNS


def test_the_seeds_are_read():
    """What the fuzzer begins with leads to values, from each depth at which bytes may enter."""
    from tests.fuzz.target import seeds, try_bytes

    for seed in seeds():
        try_bytes(seed)
    assert len(seeds()) > 80
