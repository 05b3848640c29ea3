"""Where a store is: by URL, by a name that is resolved where it is used, or by default."""

import os
import pickle

import pytest

from qstate import InvalidURLError, StateStore, addresses, connect


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def user_config(tmp_path_factory, monkeypatch):
    """The user's configuration folder of qstate, empty."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    (folder / "qstate").mkdir()
    return folder / "qstate"


def configure(folder, text):
    """Write a qstate.toml."""
    (folder / "qstate.toml").write_text(text, "utf-8")


def url_of(name):
    """The URL that a name has here, as text."""
    return str(addresses.resolve(name)[0])


def test_a_variable_names_a_store(here, monkeypatch):
    """QSTATE_STORE_LAB is the store called lab."""
    monkeypatch.setenv("QSTATE_STORE_LAB", "redis://lab:1/0")
    assert url_of("lab") == "redis://lab:1/0"


@pytest.mark.parametrize("name", ["my-lab", "my.lab", "my lab", "My_Lab"])
def test_the_variable_of_a_name_has_underscores(here, monkeypatch, name):
    """What no variable's name can have is an underscore in it."""
    monkeypatch.setenv("QSTATE_STORE_MY_LAB", "redis://lab")
    assert url_of(name) == "redis://lab"


def test_a_file_in_the_working_directory_names_stores(here):
    """[stores.lab] of qstate.toml has the URL."""
    configure(here, '[stores.lab]\nurl = "redis://lab:1/0"\n[stores.home]\nurl = "sqlite:///h"')
    assert (url_of("lab"), url_of("home")) == ("redis://lab:1/0", "sqlite:///h")


def test_a_file_in_the_users_folder_names_stores(here, user_config):
    """The user's configuration folder serves every working directory."""
    configure(user_config, '[stores.lab]\nurl = "redis://user"')
    assert url_of("lab") == "redis://user"


def test_the_nearest_configuration_wins(here, user_config, monkeypatch):
    """First the variable, then the working directory, then the user's folder."""
    configure(user_config, '[stores.lab]\nurl = "redis://user"\n[stores.other]\nurl = "redis://o"')
    configure(here, '[stores.lab]\nurl = "redis://here"')
    assert url_of("lab") == "redis://here"
    assert url_of("other") == "redis://o"
    monkeypatch.setenv("QSTATE_STORE_LAB", "redis://variable")
    assert url_of("lab") == "redis://variable"


def test_other_settings_of_a_named_store_are_its_options(here, install):
    """What stands beside the URL is given to the backend."""
    install("plain")
    configure(here, '[stores.lab]\nurl = "plain://lab"\ncolour = "red"\ntimeout = 2')
    connect("lab").close()
    configure(here, '[stores.lab]\nurl = "plain://lab"\ncolor = "red"')
    with pytest.raises(InvalidURLError, match="unknown option 'color'"):
        connect("lab")


def test_an_unknown_name_is_told_with_the_places_to_configure_it(here, user_config):
    """The message has the variable and both files."""
    with pytest.raises(InvalidURLError) as caught:
        connect("lab")
    for part in ("'lab'", "QSTATE_STORE_LAB", "[stores.lab]", str(here), str(user_config)):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[stores",
        "stores = 1",
        "[stores]\nlab = 'redis://h'",
        "[stores.lab]\nport = 1",
        "[stores.lab]\nurl = 1",
        "[stores.lab]\nurl = ''",
    ],
)
def test_a_configuration_that_means_nothing_is_told_with_its_file(here, text):
    """A mistake in the file is an error that names the file or shows what is wrong."""
    configure(here, text)
    with pytest.raises(InvalidURLError) as caught:
        connect("lab")
    assert "qstate.toml" in str(caught.value) or "scheme://" in str(caught.value)


def test_a_configuration_that_is_no_text_is_told_with_its_file(here):
    """Bytes that are no UTF-8 are told as a mistake in the file."""
    (here / "qstate.toml").write_bytes(b"\xff\xfe[stores]")
    with pytest.raises(InvalidURLError, match=r"qstate\.toml"):
        connect("lab")


def test_a_named_store_travels_as_its_name(here, install, tmp_path, monkeypatch):
    """No address and no secret is in the pickle; the receiver resolves the name for itself."""
    install("plain")
    monkeypatch.setenv("QSTATE_STORE_LAB", f"filed://ada:hunter2@{tmp_path}/first")
    with connect("lab") as store:
        travelling = pickle.dumps(store.scope("run"))
        assert b"hunter2" not in travelling
        assert b"filed" not in travelling
        assert b"lab" in travelling
        assert repr(store) == "<StateStore | lab>"
    monkeypatch.setenv("QSTATE_STORE_LAB", f"filed://{tmp_path}/second")
    arrived = pickle.loads(travelling)
    arrived["a"] = 1
    arrived.close()
    with StateStore(f"filed://{tmp_path}/second") as second:
        assert dict(second) == {"run/a": 1}


def test_a_named_store_is_resolved_in_the_process_that_uses_it(
    here, install, tmp_path, monkeypatch, run_python
):
    """Another process with another configuration opens another address under the same name."""
    install("plain")
    (tmp_path / "mine").write_bytes(b"")
    monkeypatch.setenv("QSTATE_STORE_LAB", f"filed://{tmp_path}/mine")
    with connect("lab") as store:
        (tmp_path / "pickle").write_bytes(pickle.dumps(store))
        store["who"] = "parent"
        monkeypatch.setenv("QSTATE_STORE_LAB", f"filed://{tmp_path}/theirs")
        code = (
            "import pickle, sys\n"
            "store = pickle.load(open(sys.argv[1], 'rb'))\n"
            "store['who'] = 'child'\n"
            "print(dict(store), store)"
        )
        shown = run_python(code, tmp_path / "pickle")
        assert shown == "{'who': 'child'} <StateStore | lab>"
        assert store["who"] == "parent"


def test_the_default_is_what_the_variable_says(monkeypatch, here, install):
    """QSTATE_URL is the store of connect() without an address; it may be a name."""
    install("plain")
    monkeypatch.setenv("QSTATE_URL", "plain://shelf")
    with connect() as store:
        assert store.info().url == "plain://shelf"
    monkeypatch.setenv("QSTATE_STORE_LAB", "plain://lab")
    monkeypatch.setenv("QSTATE_URL", "lab")
    with connect() as store:
        assert store.info().url == "plain://lab"


def test_the_default_is_else_a_file_of_this_user(monkeypatch):
    """Without the variable it is an SQLite file in the user's data folder."""
    monkeypatch.setenv("XDG_DATA_HOME", "/home/ada/data")
    assert addresses.default() == "sqlite:////home/ada/data/qstate/state.db"


@pytest.mark.parametrize("folder", ["a b", "50%41", "what?", "number #1", "a@b", "é"])
def test_the_default_survives_any_folder(monkeypatch, folder):
    """Signs that mean something in a URL mean a folder's name here."""
    monkeypatch.setenv("XDG_DATA_HOME", f"/home/{folder}")
    url, options = addresses.resolve(addresses.default())
    assert url.path == f"//home/{folder}/qstate/state.db"
    assert (options, url.options) == ({}, {})


@pytest.mark.parametrize("address", ["", "lab/a", "lab:1", "/tmp/a", "redis:/h"])
def test_what_is_neither_url_nor_name_is_refused(address):
    """The message shows the form of a URL."""
    with pytest.raises(InvalidURLError, match="scheme://"):
        connect(address)


def test_nothing_is_read_to_resolve_a_url(here):
    """A URL is its own address, whatever is configured."""
    configure(here, "[stores")
    assert url_of("redis://h") == "redis://h"
    assert os.listdir(here) == ["qstate.toml"]
