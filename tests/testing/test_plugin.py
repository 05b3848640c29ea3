"""The pytest plug-in, as the tests of a user meet it: each in a pytest of its own."""

from __future__ import annotations

import os
import sys

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester):
    """Runs tests in a process of its own; the plug-in is found by its entry point."""

    def run_tests(tests, *arguments, **environment):
        pytester.makepyfile(tests)
        pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider")
        for name, value in environment.items():
            pytester._monkeypatch.setenv(name, value)
        return pytester.runpytest_subprocess("-v", *arguments, timeout=200)

    return run_tests


TWO_TESTS = """
    def test_first(state_store):
        assert dict(state_store) == {}
        state_store["a"] = 1

    def test_second(state_store):
        assert dict(state_store) == {}
        state_store["a"] = 2
"""


def test_a_store_is_fresh_and_empty_for_each_test(run):
    """Without any choice it is in memory."""
    shown = run(TWO_TESTS + "\n        assert 'memory://' in repr(state_store)")
    shown.assert_outcomes(passed=2)


def test_nothing_is_imported_before_a_fixture_is_used(run):
    """A project that has qstate installed, and does not use it in a test, pays nothing."""
    shown = run(
        """
        import sys

        def test_nothing(request):
            assert request.config.pluginmanager.has_plugin("qstate")
            loaded = {name for name in sys.modules if name.split(".")[0] in ("qstate", "ray",
                "redis", "sqlalchemy", "numpy", "qstate_backends")}
            assert loaded <= {"qstate", "qstate.testing", "qstate.testing.plugin"}, loaded
        """
    )
    shown.assert_outcomes(passed=1)


def test_an_option_chooses_the_store(run, tmp_path):
    """Each test has a scope of its own there; nothing else in the store is touched."""
    import qstate

    url = f"sqlite:///{tmp_path / 'state.db'}"
    with qstate.connect(url) as store:
        store["of someone else"] = 1
        run(TWO_TESTS, f"--qstate-url={url}").assert_outcomes(passed=2)
        assert dict(store) == {"of someone else": 1}


def test_several_stores_run_a_test_once_for_each(run, tmp_path):
    """By the option given twice; the ids of the tests tell which, without passwords."""
    urls = ["--qstate-url=memory://", f"--qstate-url=sqlite:///{tmp_path}/state.db"]
    shown = run(TWO_TESTS, *urls)
    shown.assert_outcomes(passed=4)
    shown.stdout.fnmatch_lines(["*::test_first[[]memory://[]] PASSED*", "*test_first[[]sqlite:*"])


def test_a_variable_chooses_stores(run, tmp_path):
    """QSTATE_TEST_URL has one URL or several, apart by spaces; the option wins over it."""
    both = f"memory:// sqlite:///{tmp_path}/state.db"
    run(TWO_TESTS, QSTATE_TEST_URL=both).assert_outcomes(passed=4)
    run(TWO_TESTS, "--qstate-url=memory://", QSTATE_TEST_URL=both).assert_outcomes(passed=2)


def test_a_marker_chooses_the_store_of_a_test(run, tmp_path):
    """It wins over the option; a list runs the test once for each; a name is resolved."""
    shown = run(
        f"""
        import pytest

        @pytest.mark.qstate(url="sqlite:///{tmp_path}/state.db")
        def test_one(state_store):
            assert state_store.info().url.startswith("sqlite://")

        @pytest.mark.qstate(url=["memory://", "lab"])
        def test_each(state_store):
            state_store["a"] = 1

        def test_other(state_store):
            assert state_store.info().url.startswith("memory://")
        """,
        "--qstate-url=memory://",
        QSTATE_STORE_LAB=f"sqlite:///{tmp_path}/lab.db",
    )
    shown.assert_outcomes(passed=4)
    shown.stdout.fnmatch_lines(["*test_each[[]lab[]] PASSED*"])


def test_a_marker_without_a_url_is_told(run):
    """A misspelt marker is an error that says how it is written."""
    shown = run(
        """
        import pytest

        @pytest.mark.qstate("memory://")
        def test_one(state_store):
            pass
        """
    )
    assert shown.ret != 0
    assert "@pytest.mark.qstate takes url=" in shown.stdout.str() + shown.stderr.str()


def test_no_password_is_shown(run):
    """Neither in the ids of tests nor where a store that does not answer fails them."""
    urls = [f"--qstate-url=redis://:hunter2@127.0.0.1:{port}/0?timeout=0.5" for port in (1, 2)]
    shown = run("def test_one(state_store): pass", "--setup-show", *urls)
    shown.assert_outcomes(errors=2)
    assert "StoreUnavailableError" in shown.stdout.str()
    assert "hunter2" not in shown.stdout.str() + shown.stderr.str()


def test_a_test_may_close_its_store(run):
    """What it wrote is removed all the same."""
    shown = run(
        """
        def test_one(state_store):
            with state_store:
                state_store["a"] = 1
        """
    )
    shown.assert_outcomes(passed=1)


def test_help_and_markers_tell_of_it(run):
    """pytest --help has the option, pytest --markers the marker."""
    assert "--qstate-url=URL" in run("", "--help").stdout.str()
    assert "@pytest.mark.qstate(url=...)" in run("", "--markers").stdout.str()


@pytest.mark.skipif(sys.platform == "win32", reason="not applicable: Ray runs on Linux and macOS")
def test_a_small_ray_for_the_session(run, no_ray):
    """Jobs of a project are tested with both fixtures, nested tasks too."""
    shown = run(
        """
        import qstate
        from qstate import StateStore, get, override, remote

        production = qstate.connect("redis://no-such-host.invalid:6379")

        @remote(state=production)
        def inner(state, seed):
            state["inner"] = seed

        @remote(state=production)
        def outer(state, seed):
            state["outer"] = seed
            get(inner(seed))

        def test_job(ray_session, state_store):
            with override(state_store):
                get(outer(42))
            assert dict(state_store) == {"inner": 42, "outer": 42}

        def test_again(ray_session):
            import ray

            assert ray.cluster_resources()["CPU"] == 2
        """,
        RAY_TMPDIR=os.environ["RAY_TMPDIR"],
    )
    shown.assert_outcomes(passed=2)
