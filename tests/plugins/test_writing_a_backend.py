"""The page on writing a backend is the LMDB plug-in, to the letter."""

import re

import pytest

from tests.plugins.conftest import PLUGINS, ROOT

PAGE = (ROOT / "docs" / "writing-a-backend.md").read_text("utf-8")
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE)


@pytest.mark.parametrize("file", ["pyproject.toml", "qstate_lmdb.py", "tests/test_conformance.py"])
def test_the_blocks_of_a_file_are_the_file(file):
    """In their order, nothing left out and nothing added but blank lines."""
    shown = [line for title, text in BLOCKS if title == file for line in text.splitlines() if line]
    there = (PLUGINS / "qstate-lmdb" / file).read_text("utf-8").splitlines()
    assert shown == [line for line in there if line]


def test_every_block_with_a_title_is_of_a_file_of_the_plugin():
    """A block that is no part of it has no title."""
    for title, _ in BLOCKS:
        assert (PLUGINS / "qstate-lmdb" / title).is_file()
