"""Reporting: a pytest plug-in that writes which store kept which law.

Loaded by ``-p qstate.testing.conformance.reporting``; ``--conformance-json=FILE`` writes the
outcomes, ``--conformance-page=FILE`` a page in Markdown, and the summary has its table too. With
``--conformance-no-dead-law`` a law that no store has kept fails the run. The outcomes travel with
the reports of pytest, so that they are those of all workers of pytest-xdist.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from qstate.testing.conformance.laws import COUNTED, NOT_APPLICABLE, Laws
from qstate.testing.conformance.page import Outcome, in_words, page, promises

PROPERTY: Final = "conformance"
"""Names the property of a report that has outcomes and counts: a law's own, or those that a test
got from a pytest which it ran, as ``--conformance-json`` has them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write, and how much to try."""
    group = parser.getgroup("conformance")
    group.addoption("--conformance-json", metavar="FILE", help="write the outcomes as JSON")
    group.addoption("--conformance-page", metavar="FILE", help="write the table as Markdown")
    group.addoption(
        "--conformance-more",
        type=int,
        default=1,
        metavar="N",
        help="try N times as many histories, cuts and random operations, other ones each time",
    )
    group.addoption(
        "--conformance-no-dead-law",
        action="store_true",
        help="fail where a law was kept by none of the stores that were run",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect."""
    if not config.pluginmanager.has_plugin("conformance outcomes"):
        config.pluginmanager.register(Outcomes(), "conformance outcomes")


class Outcomes:
    """The outcomes of a session.

    Attributes:
        all: One for each case of a law that was run.
        counts: How much was tried: histories, operations, lost answers.
        kept: The laws that a store of this session kept, those of other pytests not among them.
    """

    def __init__(self) -> None:
        self.all: list[Outcome] = []
        self.counts: Counter[str] = Counter()
        self.kept: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the outcome of a law, in the process that ran it."""
        report = yield
        kind = getattr(item, "cls", None)
        if isinstance(kind, type) and issubclass(kind, Laws) and _tells(report):
            report.user_properties.append((PROPERTY, _told_of(item, kind, report)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what was noted, in the process that tells."""
        for name, told in report.user_properties if _tells(report) else ():
            if name == PROPERTY and isinstance(told, dict):
                outcomes = [Outcome(**outcome) for outcome in told["outcomes"]]
                self.all += outcomes
                self.counts.update(told["counts"])
                if told.get("law"):
                    self.kept |= {outcome.law for outcome in outcomes if outcome.word == "kept"}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was asked for, and fail where a law is dead."""
        if hasattr(session.config, "workerinput"):
            return  # a worker of pytest-xdist has seen a part alone
        if path := session.config.getoption("conformance_json", None):
            Path(path).write_text(json.dumps(self.told(), indent=1, ensure_ascii=False))
        if path := session.config.getoption("conformance_page", None):
            Path(path).write_text(page(self.sorted(), self.counts))
        if self.dead(session.config) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Print the table where it was written, too."""
        if self.all and config.getoption("conformance_page", None):
            terminalreporter.section("conformance")
            terminalreporter.write_line(promises(self.sorted()))
        for law in self.dead(config):
            terminalreporter.write_line(f"dead law, kept by no store: {in_words(law)}", red=True)

    def told(self) -> Mapping[str, Any]:
        """Outcomes and counts, as JSON has them."""
        outcomes = [outcome._asdict() for outcome in self.sorted()]
        return {"outcomes": outcomes, "counts": dict(self.counts)}

    def sorted(self) -> list[Outcome]:
        """The outcomes by stores, and those of a store in the order of the suite."""
        order = {law: place for place, law in enumerate(_laws())}
        last = len(order)
        return sorted(
            self.all,
            key=lambda each: (order.get(each.law, last), each.law, each.store, each.case),
        )

    def dead(self, config: pytest.Config) -> list[str]:
        """The laws that no store of this session kept, if that was asked for."""
        if not config.getoption("conformance_no_dead_law", None):
            return []
        return [law for law in _laws() if law not in self.kept]


def _laws() -> list[str]:
    """The names of all laws of the suite, in its order."""
    from qstate.testing.conformance.suite import LAWS  # needs hypothesis

    return [name for kind in LAWS for name in vars(kind) if name.startswith("test_")]


def _tells(report: pytest.TestReport) -> bool:
    """Whether this phase of a test says what became of it."""
    return report.when == "call" or (report.when == "setup" and not report.passed)


def _told_of(item: pytest.Item, kind: type[Laws], report: pytest.TestReport) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for name, count in report.user_properties:
        if name.startswith(COUNTED):
            counts[name.removeprefix(COUNTED)] += int(str(count))
    outcome = _outcome(item, kind, report)
    return {"law": True, "outcomes": [outcome._asdict()], "counts": dict(counts)}


def _outcome(item: pytest.Item, kind: type[Laws], report: pytest.TestReport) -> Outcome:
    law = str(getattr(item, "originalname", item.name))
    defined = next(base for base in reversed(kind.__mro__) if law in vars(base))
    callspec = getattr(item, "callspec", None)
    word, reason = _judged(report)
    return Outcome(
        getattr(kind, "name", "") or kind.__name__.removeprefix("Test"),
        str(getattr(defined, "promise", "")) or "the author's own",
        law,
        callspec.id if callspec else "",
        word,
        reason,
    )


def _judged(report: pytest.TestReport) -> tuple[str, str]:
    declared = getattr(report, "wasxfail", None)
    if declared is not None:
        word, _, reason = str(declared).removeprefix("reason: ").partition(":")
        if report.passed:
            return "kept", f"though declared as {word}:{reason}"
        return word, reason.strip()
    if report.passed:
        return "kept", ""
    if report.skipped:
        told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = told.removeprefix("Skipped: ")
        if reason.startswith(NOT_APPLICABLE):
            return "not applicable", reason.removeprefix(NOT_APPLICABLE)
        return "skipped", reason
    return "broken", report.longreprtext.strip().rpartition("\n")[2]
