"""The suite bites: each wrong backend fails exactly the laws that it breaks."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conformance.breaks import BREAKS, MAY_BREAK
from tests.conformance.zoo import ANIMALS, shared

HERE = Path(__file__).parent
ALONE = {name for name in ANIMALS if not BREAKS[name] or name in vars(shared)}
"""They are held to all laws, or wait for what other processes never tell: nobody waits for them."""

AT_ONCE = 14
"""How many processes share the others."""

PATIENCE = 580

pytestmark = pytest.mark.timeout(600)


class Cage:
    """Some animals, on which a pytest of their own runs the suite."""

    def __init__(self, folder, animals, more):
        self.told = folder / "outcomes.json"
        self.log = folder / "log.txt"
        command = [
            *(sys.executable, "-m", "pytest", str(HERE / "zoo_suite.py")),
            *("-p", "qstate.testing.conformance.reporting", f"--conformance-json={self.told}"),
            *("--noconftest", "--rootdir", str(folder), "-c", os.devnull, "-q", "--tb=short"),
            *("-p", "no:cacheprovider"),
        ]
        environment = {**os.environ, "QSTATE_ANIMALS": " ".join(animals), "PYTHONPATH": str(HERE)}
        if more > 1:
            environment["QSTATE_ALL_LAWS"] = "yes"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=log, stderr=log
            )

    def outcomes(self, animal):
        """Those of one animal, waited for."""
        self.process.wait(PATIENCE)
        assert self.told.exists(), (self.process.returncode, self.log.read_text()[-3000:])
        outcomes = json.loads(self.told.read_text())["outcomes"]
        return [outcome for outcome in outcomes if outcome["store"] == animal]

    def close(self):
        """End it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def zoo(request, tmp_path_factory):
    """The animals that are asked for, each with its cage; they wait for most of the time."""
    more = request.config.getoption("conformance_more", 1)
    items = [item for item in request.session.items if item.path == Path(__file__)]
    asked = [item.callspec.params["animal"] for item in items]
    together = [animal for animal in asked if animal not in ALONE]
    groups = [[animal] for animal in asked if animal in ALONE]
    groups += filter(None, (together[place::AT_ONCE] for place in range(AT_ONCE)))
    cages = [Cage(tmp_path_factory.mktemp("zoo"), group, more) for group in groups]
    yield {animal: cage for group, cage in zip(groups, cages, strict=True) for animal in group}
    for cage in cages:
        cage.close()


@pytest.mark.parametrize("animal", ANIMALS)
def test_a_backend_fails_exactly_the_laws_that_it_breaks(zoo, animal, tmp_path, request):
    """Those that are told of it, and no other; a right one fails none."""
    outcomes = zoo[animal].outcomes(animal)
    if broken_by(outcomes) - may_break(animal) != BREAKS[animal]:
        # So many at once keep each other from being in time: look again at this one alone.
        more = request.config.getoption("conformance_more", 1)
        with closing(Cage(tmp_path, [animal], more)) as cage:
            outcomes = cage.outcomes(animal)
    assert broken_by(outcomes) - may_break(animal) == BREAKS[animal]
    assert {outcome["word"] for outcome in outcomes} <= {"kept", "not applicable", "broken"}


def broken_by(outcomes):
    return {outcome["law"] for outcome in outcomes if outcome["word"] == "broken"}


def may_break(animal):
    return MAY_BREAK.get(animal, set()) - BREAKS[animal]
