"""StateURL: what it reads, what it writes, and what it never shows."""

import copy
import pickle
import string

import pytest
from hypothesis import given, strategies as st

from qstate import InvalidURLError, StateURL

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(string.ascii_lowercase + string.digits + "_-", min_size=1, max_size=12)
SIGNS = string.ascii_letters + string.digits + "/?#@:&%+=[] é€"
SECRETS = st.text(SIGNS, min_size=5, max_size=30).map("Zw9".__add__)
HOSTS = st.one_of(
    NAMES, TEXT.filter(lambda text: text and not set(text) & set(":[]")), st.just("fe80::1%eth0")
)
PORTS = st.none() | st.integers(1, 65535)


@st.composite
def urls(draw):
    """URLs in parts, any text in each."""
    hosts = draw(st.lists(st.tuples(HOSTS, PORTS), max_size=3))
    return StateURL(
        scheme=draw(st.sampled_from(["redis", "sqlite", "redis+cluster"])),
        username=draw(st.none() | TEXT.filter(bool)),
        password=draw(st.none() | TEXT),
        hosts=tuple(hosts),
        path=draw(st.just("") | TEXT.map(lambda text: "/" + text)),
        query=tuple(draw(st.lists(st.tuples(NAMES, TEXT), max_size=3))),
    )


@given(urls())
def test_a_url_survives_being_written_and_read(url):
    """Whatever the parts hold, the plain text gives them back."""
    assert StateURL.parse(url.plain()) == url


@given(urls())
def test_a_url_survives_pickling_and_copying(url):
    """A pickled URL is the same URL."""
    assert pickle.loads(pickle.dumps(url)) == url
    assert copy.deepcopy(url) == url
    assert hash(copy.copy(url)) == hash(url)


@given(urls())
def test_a_url_without_secrets_prints_as_what_can_be_opened(url):
    """What is printed is the URL itself where nothing in it is a secret."""
    public = StateURL(url.scheme, url.username, None, url.hosts, url.path)
    assert StateURL.parse(str(public)) == public


@given(secret=SECRETS)
def test_no_print_or_pickle_shows_the_password(secret):
    """A password is in no repr, str or pickle of its URL."""
    url = StateURL("redis", "u", secret, (("host", 1),), query=(("auth", secret),))
    for shown in (str(url), repr(url), f"{url}", f"{url!r:>200}", str([url])):
        assert secret not in shown
        assert url.plain() not in shown
    assert secret.encode() not in pickle.dumps(url)


@given(secret=SECRETS)
def test_a_url_inside_an_option_is_masked_too(secret):
    """The password of a URL given as an option is masked where the outer one is printed."""
    inner = StateURL("redis", None, secret, (("host", 1),)).plain()
    url = StateURL("actor", hosts=(("name", None),), query=(("journal", inner),))
    assert secret not in str(url)
    assert "journal=redis://:***@host:1" in str(url)


@given(st.text("ab/?#@:%+ ", min_size=1, max_size=12))
def test_a_password_that_was_not_encoded_is_not_shown(part):
    """A URL whose password holds unencoded signs is refused, or read whole, and never shown."""
    secret = f"hunter{part}2hunter"
    try:
        shown = str(StateURL.parse(f"redis://ada:{secret}@localhost:6379/0"))
    except InvalidURLError as error:
        shown = str(error)
    assert "hunter" not in shown


@pytest.mark.parametrize("name", ["password", "sentinel_password", "secret", "api_token", "pwd"])
def test_options_that_name_a_secret_are_masked(name):
    """Options are masked by their names."""
    assert str(StateURL.parse(f"redis://h?{name}=hunter2")) == f"redis://h?{name}=***"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("memory://lab", ("memory", None, None, (("lab", None),), "")),
        ("memory://", ("memory", None, None, (), "")),
        ("REDIS://Host", ("redis", None, None, (("Host", None),), "")),
        ("redis://:pw@h:6379/0", ("redis", None, "pw", (("h", 6379),), "/0")),
        ("redis://a%40b:p%2Fw@h", ("redis", "a@b", "p/w", (("h", None),), "")),
        ("redis://[::1]:6379", ("redis", None, None, (("::1", 6379),), "")),
        ("redis+sentinel://a:1,b:2/m", ("redis+sentinel", None, None, (("a", 1), ("b", 2)), "/m")),
        ("sqlite:////a/b%20c.db", ("sqlite", None, None, (), "//a/b c.db")),
        ("sqlite:///home/a@b.db", ("sqlite", None, None, (), "/home/a@b.db")),
    ],
)
def test_the_parts_of_a_url(text, parts):
    """Each part is found, decoded."""
    url = StateURL.parse(text)
    assert (url.scheme, url.username, url.password, url.hosts, url.path) == parts
    assert url.query == ()


def test_options_are_decoded_and_the_last_of_a_name_counts():
    """The query is a dict of text."""
    url = StateURL.parse("memory://a?timeout=2&empty=&name=a%26b&timeout=3")
    assert url.options == {"timeout": "3", "empty": "", "name": "a&b"}


def test_host_and_port_are_the_first():
    """A URL of one host has it at hand; one without has None."""
    url = StateURL.parse("redis+cluster://a:1,b:2")
    assert (url.host, url.port) == ("a", 1)
    assert (StateURL.parse("memory://").host, StateURL.parse("memory://").port) == (None, None)


def test_with_options_replaces_the_query():
    """Options given as None are left out."""
    url = StateURL.parse("redis://h/0?timeout=2").with_options({"db": 1, "name": None})
    assert str(url) == "redis://h/0?db=1"


def test_a_url_can_not_be_changed():
    """A URL is a value: it can be shared and used as a key."""
    url = StateURL.parse("redis://h")
    with pytest.raises(AttributeError):
        url.scheme = "memory"
    assert {url: 1}[StateURL.parse("redis://h")] == 1
    assert url != "redis://h"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis",
        "redis:/host",
        "redis:host",
        "://host",
        "1redis://host",
        "redis://host#fragment",
        "redis://host:port",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:1:2",
        "redis://[::1",
        "redis://::1",
        "redis://host/a@b",
        "redis://host?a@b=1",
        "redis://ho%ffst",
        "redis://host/\ud800",
        "redis://host?name=%ff",
        "redis://host?name=\ud800",
        b"redis://host",
        None,
        7,
    ],
)
def test_what_is_no_url_is_refused(text):
    """Each way to get a URL wrong is an InvalidURLError, which is a ValueError."""
    with pytest.raises(InvalidURLError) as caught:
        StateURL.parse(text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("localhost:6379", "it begins with 'localhost'"),
        ("redis:/localhost", "scheme://user:password@host:port/path?option=value"),
        ("redis://host:port", "a number from 1 to 65535"),
        ("redis://::1", "an IPv6 address stands in [ ]"),
        ("redis://ada:12/34@host", "in a password write / as %2F"),
    ],
)
def test_the_refusal_says_what_to_write(text, hint):
    """The message shows the form that was expected."""
    with pytest.raises(InvalidURLError) as caught:
        StateURL.parse(text)
    assert hint in str(caught.value)
