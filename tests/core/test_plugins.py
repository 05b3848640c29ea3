"""Plug-ins: found by entry point like anyone's, and told by name where they fail."""

import sys

import pytest

from qstate import BackendNotFoundError, InvalidURLError, StateStore, connect, plugins
from tests.core.threads import at_once


@pytest.fixture
def all_installed(install):
    """Every miniature distribution at once: sound, broken, and lacking an extra."""
    for name in ("plain", "broken", "extra"):
        install(name)


def refusal(url):
    """What is said when a store is opened that can't be."""
    with pytest.raises(BackendNotFoundError) as caught:
        connect(url)
    return str(caught.value)


def test_a_third_party_store_is_found_by_its_entry_point(install):
    """An installed distribution serves its scheme, and nothing had to be told to qstate."""
    install("plain")
    with connect("plain://shelf") as store:
        store["energy"] = -1.137
        assert dict(store) == {"energy": -1.137}
        assert store.info().plugin == "plain-store 1.0"


def test_schemes_are_known_without_importing_anything(all_installed):
    """The list of schemes is read from the distributions' metadata."""
    assert {"plain", "trial", "broken", "ledger", "redis", "sqlite"} <= set(plugins.schemes())
    assert plugins.schemes() == sorted(plugins.schemes())
    assert not {"plain_store", "broken_store", "ledger_store"} & set(sys.modules)


def test_only_the_plugin_asked_for_is_imported(all_installed):
    """Another scheme's module stays out of the process."""
    connect("plain://shelf").close()
    assert "plain_store" in sys.modules
    assert not {"trial_store", "filed_store", "faint_store"} & set(sys.modules)


def test_an_unknown_scheme_names_the_known_ones(all_installed):
    """A mistyped scheme is told with those that would do."""
    message = refusal("rediss+typo://ada:hunter2@host")
    assert message.startswith("no plug-in serves rediss+typo://; those installed serve: ")
    assert "plain" in message
    assert "redis" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("scheme", ["ledger", "lazyledger"])
def test_a_missing_extra_is_told_with_its_pip_install(all_installed, scheme):
    """The message has the command, whether the driver is imported at once or later."""
    message = refusal(f"{scheme}://a")
    assert message.startswith(f"{scheme}:// needs a package that is not installed")
    assert message.endswith("install it with: pip install 'ledger-store[ledger]'")


def test_a_missing_module_of_no_extra_is_told_with_its_plugin(all_installed):
    """Where no extra brings it, the module and the distribution are named."""
    message = refusal("gone://a")
    assert "no_such_module_of_broken_store" in message
    assert "broken-store" in message


@pytest.mark.parametrize(
    ("scheme", "reason"),
    [("broken", "RuntimeError: the laboratory is closed"), ("misspelt", "address")],
)
def test_a_plugin_that_fails_to_load_is_reported_by_name(all_installed, scheme, reason):
    """What went wrong is told with plug-in, distribution and scheme; the error is the cause."""
    with pytest.raises(BackendNotFoundError) as caught:
        connect(f"{scheme}://a")
    for part in (f"{scheme}_store", "broken-store 0.1", f"{scheme}://", reason):
        assert part in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_plugin_that_gives_no_backend_is_reported(all_installed):
    """What a hook returns is checked once, when the store is opened."""
    message = refusal("faint://a")
    assert "'faint_store'" in message
    assert "gave str where a qstate.backend.Backend was expected" in message


def test_a_broken_plugin_breaks_no_other(all_installed):
    """After each failure another store opens and works, however the broken one meddles."""
    for scheme in ("broken", "faint", "gone", "misspelt", "ledger", "lazyledger"):
        refusal(f"{scheme}://a")
        with connect("plain://shelf") as store:
            store["a"] = scheme
            assert store["a"] == scheme


def test_a_plugin_that_is_mended_is_found_without_a_restart(install):
    """A failure is not remembered: what is installed later serves at once."""
    assert "no plug-in serves plain://" in refusal("plain://shelf")
    install("plain")
    connect("plain://shelf").close()


def test_threads_that_load_one_plugin_at_once_all_get_it(install):
    """Loading is done once, and no thread sees it half done."""
    install("plain")
    at_once(8, lambda number: connect(f"plain://shelf{number}").close())


def test_an_option_the_backend_does_not_know_is_refused(install):
    """The message names the option and those known; nothing is opened."""
    install("plain")
    with pytest.raises(InvalidURLError) as caught:
        StateStore("plain://shelf?color=red", timeout=1)
    assert "unknown option 'color'; known here: colour, timeout" in str(caught.value)


def test_keywords_and_query_are_options_alike(install):
    """An option may stand in the URL or in the call; the call wins."""
    install("plain")
    for store in (connect("plain://a?colour=red"), connect("plain://a", colour="red")):
        store.close()
    with pytest.raises(InvalidURLError, match="timeout"):
        connect("plain://a?timeout=2", timeout="soon")
