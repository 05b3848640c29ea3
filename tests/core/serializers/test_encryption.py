"""Encryption: what was altered or moved does not open, and no key is ever shown."""

import base64
import itertools
import os
import pickle
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, strategies as st

import qstate
from qstate import InvalidKeyError, Keys, SerializationError, StateError
from qstate.serializers import frame
from qstate.serializers.codec import ValueCodec
from qstate.serializers.compression import Compressor
from qstate.serializers.encryption import Cipher
from qstate.serializers.transformation import Transformation

SECRET = b"Zw9-a-key-of-32-bytes-for-tests!"
OLDER = b"0123456789abcdef"
KEYS = Keys(current="new", keys={"new": SECRET, "old": OLDER})
TEXT = base64.urlsafe_b64encode(SECRET).decode()


def encrypting(keys=KEYS, compressor=None):
    """A codec that encrypts."""
    return ValueCodec("msgpack", Transformation(compressor, Cipher(keys)))


def written(value, key="run/a", codec=None, writer=b""):
    """The bytes of an encrypted value."""
    return b"".join((codec or encrypting()).encode(value, writer, key))


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("value", [None, {"k": (1, 2)}, "secret " * 2000])
@pytest.mark.parametrize("name", [None, "zstd", "lz4"])
def test_a_value_comes_back(size, value, name):
    """Under keys of each size, compressed or not."""
    codec = encrypting(Keys(current="k", keys={"k": bytes(size)}), name and Compressor(name))
    data = written(value, "run/a", codec, b"who")
    assert codec.decode(memoryview(data), "a", "run/") == (value, b"who")
    assert b"secret" not in data


def test_the_bytes_are_aes_gcm_as_documented():
    """Another program opens them with the key, by docs/wire-format.md alone."""
    data = written("text", "run/é", writer=b"who")
    assert data[:6] == b"\xc1q\x01\x01\x04\x03"
    assert data[14:17] == b"who"
    assert data[17:21] == b"\x03new"
    nonce, sealed = data[21:33], data[33:]
    bound = b"qstate value 1\0" + data[:6] + data[14:21] + "run/é".encode()
    assert AESGCM(SECRET).decrypt(nonce, sealed, bound) == b"\xa4text"


def test_each_write_has_a_nonce_of_its_own():
    """The same value twice is not the same bytes."""
    assert len({written("same")[18:30] for _ in range(1000)}) == 1000


@pytest.mark.parametrize("key", ["run/b", "run-2/a", "a", "", "RUN/a"])
def test_a_value_that_was_moved_does_not_open(key):
    """To another key, or into another scope."""
    with pytest.raises(SerializationError, match="another name or in another scope"):
        encrypting().decode(written(1), key)


def with_checksum(data):
    """The frame with a right checksum, as anyone can make it."""
    head = data[: frame.HEADER_SIZE - 8]
    checksum = frame._checksum(head + data[frame.HEADER_SIZE :]).to_bytes(8)
    return head + checksum + data[frame.HEADER_SIZE :]


@pytest.mark.parametrize("mask", [1, 0x80, 0xFF])
def test_nothing_can_be_altered(mask):
    """No byte of header, writer, key's name, nonce, text or tag, though the checksum is right."""
    codec = encrypting()
    data = written({"k": 1}, "a", writer=b"\x81\xa3job\xa1j")
    assert with_checksum(data) == data
    for position in itertools.chain(range(6), range(14, len(data))):
        altered = bytearray(data)
        altered[position] ^= mask
        with pytest.raises(SerializationError):
            codec.decode(with_checksum(bytes(altered)), "a")


@given(st.data())
def test_whatever_is_made_of_two_values_opens_only_as_one_of_them(data):
    """Cut and joined anywhere, with a right checksum."""
    first, second = written("first", "a"), written("second, longer", "a")
    left = data.draw(st.integers(14, len(first)))
    right = data.draw(st.integers(14, len(second)))
    made = with_checksum(first[:left] + second[right:])
    try:
        value, _ = encrypting().decode(made, "a")
    except SerializationError:
        return
    assert value in ("first", "second, longer")
    assert made in (first, second)


def test_what_is_not_encrypted_is_refused():
    """Else whoever can write to the store could have tasks read what they like."""
    plain = b"".join(ValueCodec("msgpack").encode(1))
    packed = b"".join(ValueCodec("msgpack", Transformation(Compressor("zstd"))).encode(bytes(5000)))
    for data in (plain, packed, b'{"plain": "json"}'):
        with pytest.raises(SerializationError, match="not encrypted"):
            encrypting().decode(data, "a")


def test_without_keys_the_error_names_the_key():
    """And says which option is missing."""
    with pytest.raises(SerializationError, match=r"under the key 'new': open .* encrypt="):
        ValueCodec("msgpack").decode(written(1), "run/a")


def test_an_older_key_reads_and_one_that_is_gone_is_named():
    """Rotation: what stands under it is read as long as it is given."""
    older = encrypting(Keys(current="old", keys={"old": OLDER}))
    data = written("before", "a", older)
    assert encrypting().decode(data, "a")[0] == "before"
    newer = encrypting(Keys(current="new", keys={"new": SECRET}))
    with pytest.raises(SerializationError, match="'old', which is not among those given"):
        newer.decode(data, "a")


def test_a_wrong_key_of_the_same_name_does_not_open():
    """It is told like an alteration, since it can't be told from one."""
    other = encrypting(Keys(current="new", keys={"new": bytes(32)}))
    with pytest.raises(SerializationError, match="that key is another one here"):
        other.decode(written(1), "run/a")


def test_keys_come_from_a_callable():
    """It is asked once for a name, and says by LookupError that it knows none."""
    asked = []

    def find(name):
        asked.append(name)
        return {"new": SECRET, "old": TEXT}[name]

    codec = encrypting(Keys(current="new", keys=find))
    for _ in range(3):
        assert codec.decode(written(1, "a", codec), "a")[0] == 1
    with pytest.raises(SerializationError, match="'gone'"):
        gone = encrypting(Keys(current="gone", keys={"gone": SECRET}))
        codec.decode(written(1, "a", gone), "a")
    assert asked == ["new", "gone"]


@pytest.mark.parametrize(
    "given_as",
    [
        Keys(current="n", keys={"n": SECRET}),
        {"current": "n", "keys": {"n": TEXT}},
        {"current": "n", "keys": {"n": SECRET}.__getitem__},
        "env:QSTATE_TEST_KEYS",
        "file:keys",
    ],
    ids=["Keys", "mapping", "callable", "variable", "file"],
)
def test_every_form_of_encrypt_will_do(given_as, monkeypatch, tmp_path):
    """In a call, or as text that a URL or qstate.toml has room for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys").write_text(f"n:{TEXT}\nold:{'A' * 43}=\n")
    monkeypatch.setenv("QSTATE_TEST_KEYS", f"n:{TEXT}, old:{'A' * 43}=")
    with qstate.connect("memory://", encrypt=given_as) as store:
        store["a"] = [1]
        assert store["a"] == [1]
        assert store.info().encryption == "n"


def test_a_named_store_finds_its_keys_where_it_is_opened(monkeypatch, tmp_path):
    """`encrypt = "env:…"` in qstate.toml: the keys are in no file, and travel nowhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_KEYS", f"n:{TEXT}")
    (tmp_path / "qstate.toml").write_text(
        '[stores.lab]\nurl = "memory://enc-lab"\nencrypt = "env:LAB_KEYS"\ncompress = "zstd"\n'
    )
    with qstate.connect("lab") as store:
        store["a"] = "text"
        assert store["a"] == "text"
        assert TEXT.encode() not in pickle.dumps(store)
        assert len(pickle.dumps(store)) < 250
    with qstate.connect("memory://enc-lab?encrypt=env:LAB_KEYS") as store:
        assert "LAB_KEYS" not in repr(store)


@pytest.mark.parametrize(
    "given_as",
    [
        TEXT,
        SECRET,
        "env:NO_SUCH_VARIABLE",
        "file:/no/such/file",
        7,
        {},
        {"n": SECRET},
        {"current": "n", "keys": {}},
        {"current": "n", "keys": {"n": SECRET[:-1]}},
        {"current": "n", "keys": {"n": TEXT[:-4]}},
        {"current": "n", "keys": {"n": "no base64 " + TEXT}},
        {"current": "n", "keys": {"n": None}},
        {"current": "n", "keys": TEXT},
        {"current": "a,b", "keys": {"a,b": SECRET}},
        {"current": "", "keys": {"": SECRET}},
        {"current": "n" * 65, "keys": {"n" * 65: SECRET}},
        {"current": "\0", "keys": {"\0": SECRET}},
        {"current": "n", "keys": {}.__getitem__},
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(given_as):
    """When the store is opened; what may have been a key is in no message."""
    with pytest.raises(StateError) as caught:
        qstate.connect("memory://", encrypt=given_as)
    assert not isinstance(caught.value, InvalidKeyError)
    for shown in (str(caught.value), repr(caught.value), repr(caught.value.__dict__)):
        assert TEXT[:10] not in shown
        assert "Zw9" not in shown


def test_no_key_is_ever_shown():
    """In no repr, error or pickle of keys or of a store that has them."""
    with qstate.connect("memory://", encrypt=KEYS) as store:
        store["a"] = 1
        shown = [repr(KEYS), str(KEYS), repr(store), repr(store.info()), repr(store / "run")]
        shown += [pickle.dumps(thing).decode("latin-1") for thing in (KEYS, store, store / "run")]
        with pytest.raises(StateError) as caught, qstate.connect(store._address) as other:
            other["a"]
        shown.append(str(caught.value))
    for text in shown:
        for key in (SECRET, OLDER, TEXT.encode()):
            assert key.decode() not in text
            assert repr(key) not in text


def test_keys_travel_with_a_store():
    """Its pickle has them, encoded."""
    with qstate.connect("memory://", encrypt=KEYS, compress="lz4") as store:
        store["a"] = "text" * 1000
        with pickle.loads(pickle.dumps(store)) as arrived:
            assert arrived["a"] == "text" * 1000
    assert pickle.loads(pickle.dumps(KEYS)).find("old") == OLDER


def test_options_of_a_url_travel_with_a_memory_store(monkeypatch):
    """Its address is another one for other processes; what it was opened with stays."""
    monkeypatch.setenv("QSTATE_TEST_KEYS", f"n:{TEXT}")
    address = "memory://enc-travels?encrypt=env:QSTATE_TEST_KEYS&compress=lz4&timeout=3"
    with qstate.connect(address) as store:
        store["a"] = "text" * 1000
        with pickle.loads(pickle.dumps(store)) as arrived:
            assert (arrived["a"], arrived.info().encryption) == ("text" * 1000, "n")


def test_a_missing_extra_is_named_when_a_store_is_opened(monkeypatch):
    """Before anything is written."""
    module = "cryptography.hazmat.primitives.ciphers.aead"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StateError, match=r"'qstate\[encryption\]'"):
        qstate.connect("memory://", encrypt=KEYS)


def test_a_value_too_large_for_one_message_is_refused(monkeypatch):
    """GCM takes at most 2 GiB here."""
    monkeypatch.setattr("qstate.serializers.encryption._LARGEST", 100)
    with pytest.raises(SerializationError, match="split it"):
        written(bytes(200))


def test_nonces_come_from_the_system(monkeypatch):
    """A user's seeded random numbers have no say in them."""
    asked = []
    true = os.urandom
    monkeypatch.setattr(os, "urandom", lambda size: asked.append(size) or true(size))
    written(1)
    assert asked == [12]
