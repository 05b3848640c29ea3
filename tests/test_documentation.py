"""What the documentation shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")))
    if path.name != "writing-a-backend.md"  # its code is a distribution of its own, tested as one
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_snippets_of_a_page_print_what_it_says(page, tmp_path, monkeypatch):
    """Each Python block runs, in order, and prints the text block that follows it."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "snippet"}
    blocks = BLOCK.findall(page.read_text("utf-8"))
    for index, (language, text) in enumerate(blocks):
        if language != "python" or text.startswith("# examples/"):
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, f"{page.name}, block {index}", "exec"), names)
        follows = blocks[index + 1] if index + 1 < len(blocks) else ("", "")
        if follows[0] == "text":
            assert printed.getvalue() == follows[1]


def test_the_readme_shows_the_example_as_it_is():
    """The job in the README is examples/job_with_state.py, to the letter but for blank lines."""
    shown = next(
        text
        for _, text in BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
        if text.startswith("# examples/job_with_state.py")
    )
    example = (ROOT / "examples" / "job_with_state.py").read_text("utf-8")
    assert _code(shown)[1:] == _code(example)


@pytest.mark.parametrize("name", ["job_with_arguments.py", "run_a_job.py"])
def test_the_page_on_jobs_shows_the_examples_as_they_are(name):
    """What it shows of an example is the example, but for its docstring and blank lines."""
    shown = next(
        text
        for _, text in BLOCK.findall((ROOT / "docs" / "jobs.md").read_text("utf-8"))
        if text.startswith(f"# examples/{name}")
    )
    assert _code(shown)[1:] == _code((ROOT / "examples" / name).read_text("utf-8"))


def test_every_verb_that_the_documentation_names_exists():
    """`make` has each verb that a page tells the reader to run."""
    verbs = set(
        re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    for page in PAGES:
        named = set(re.findall(r"`?make ([a-z][a-z-]+)[ `]", page.read_text("utf-8")))
        assert named - {"alone"} <= verbs, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page):
    """Every relative link of a page is a file of the repository."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def _code(text):
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith('"""')]
