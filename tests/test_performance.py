"""The page on performance is what was measured."""

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command_line, measuring, page, paper, report


def test_the_page_is_made_from_the_results():
    """No figure of its tables was written by hand, or is of another run."""
    data = json.loads(page.RESULTS.read_text("utf-8"))
    assert page.PAGE.read_text("utf-8") == page.filled(page.PAGE.read_text("utf-8"), data)


def test_the_chart_is_made_from_the_results(tmp_path):
    """The same results make the same chart."""
    results = report.from_json(json.loads(page.RESULTS.read_text("utf-8")))
    for name in ("one.svg", "two.svg"):
        report.chart(results, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    for result in results:
        if result.target is not None:
            assert f"<!-- {result.title} -->" in page.CHART.read_text("utf-8")


def test_a_page_without_a_place_for_the_results_is_refused():
    """It would otherwise stay as it is, and nobody would notice."""
    data = report.as_json([])
    with pytest.raises(ValueError, match=f"{Path('docs') / 'performance.md'} has no place"):
        page.filled("# Performance\n", data)


def test_what_is_computed_shows_its_arithmetic():
    """The figures in it are those that were measured."""
    memory = measuring.counted(
        "Redis, memory of a key with the small value",
        "bytes",
        {"MEMORY USAGE": 200.0, "used_memory, its share": 256.0},
    )
    text = paper.computed([memory])
    assert "| 10⁹ keys × 200 bytes | 200 GB |" in text
    assert "| 256 GB ÷ 32 GB | 8 |" in text
    assert "| 32 GB ÷ 256 bytes | 125 million |" in text


def test_the_slower_subject_has_the_greater_ratio():
    """Subjects are measured in turns, and compared with the first."""

    def work(size):
        return measuring.repeated(str(size), lambda: sum(range(size)))

    group = measuring.Group("sums", [work(100), work(10_000)], rounds=3, seconds=0.001)
    one, other = measuring.measure(group).measurements
    assert one.ratio == 1
    assert other.ratio > 1


def test_a_benchmark_that_fails_loses_no_other(tmp_path, monkeypatch, capsys):
    """The results of the others are written, and it is named at the end."""
    for name in ("RESULTS", "PAGE", "CHART"):
        monkeypatch.setattr(page, name, tmp_path / name.lower())
    marks = ("machine", "promises", "paper", "tables")
    page.PAGE.write_text("".join(f"<!-- {mark} -->\n\n<!-- end -->\n" for mark in marks))

    def run(command, _):
        name, file = command[3], Path(command[4].removeprefix("--json="))
        if name != "failing":
            report.write_json([measuring.counted(name, "bytes", {"each": 42.0})], file)
        return name != "failing"

    monkeypatch.setattr(command_line, "_ends_well", run)
    assert command_line._record(["one", "failing", "other"], None) == 1
    written = report.from_json(json.loads(page.RESULTS.read_text("utf-8")))
    assert [result.title for result in written] == ["one", "other"]
    assert "**other**" in page.PAGE.read_text("utf-8")
    assert "not measured to their end: failing" in capsys.readouterr().err
