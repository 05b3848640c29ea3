"""docs/performance.md is what the results of the last run make of it."""

import json

from benchmarks import page


def test_the_page_is_made_from_the_results():
    """What stands between the page's marks is what the results give, to the letter."""
    written = page.PAGE.read_text("utf-8")
    assert page.filled(written, json.loads(page.RESULTS.read_text("utf-8"))) == written


def test_the_chart_is_shown():
    """It stands beside the page, which shows it."""
    assert f"]({page.CHART.name})" in page.PAGE.read_text("utf-8")
    assert page.CHART.read_text("utf-8").startswith("<?xml")
