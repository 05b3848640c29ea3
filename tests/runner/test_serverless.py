"""QuantumServerless and its providers, as they are configured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qstate import ComputeResource, Program, Provider, ProviderNotFoundError, QuantumServerless

DOCKER = {"name": "docker", "compute_resource": {"name": "docker", "host": "localhost"}}


def test_local_comes_first_and_the_last_is_selected():
    """The provider local is always there; the last one configured is the selected one."""
    assert repr(QuantumServerless()) == "<QuantumServerless | providers [local]>"
    serverless = QuantumServerless({"providers": [DOCKER, {**DOCKER, "name": "lab"}]})
    assert repr(serverless) == "<QuantumServerless | providers [local, docker, lab]>"
    assert [provider.name for provider in serverless.providers()] == ["local", "docker", "lab"]
    assert serverless.selected.name == "lab"


def test_local_itself_can_be_configured():
    """A configured provider of the name local takes the place of the given one."""
    local = {"name": "local", "compute_resource": {"name": "mine", "resources": {"qpu": 1}}}
    serverless = QuantumServerless({"providers": [DOCKER, local]})
    assert repr(serverless) == "<QuantumServerless | providers [local, docker]>"
    assert serverless.selected.compute_resource.resources == {"qpu": 1}


def test_defaults_of_a_compute_resource():
    """Ports are those that Ray has by itself; without a host it is this machine."""
    resource = ComputeResource.from_dict({"name": "docker"})
    assert resource == ComputeResource("docker", None, 10001, 8265, {}, None)
    assert Provider("here").compute_resource.host is None


def test_providers_are_added_and_selected():
    """add_provider() adds, set_provider() selects, by name or by the provider itself."""
    serverless = QuantumServerless()
    serverless.add_provider(Provider("lab", ComputeResource("lab", "10.0.0.1")))
    assert serverless.selected.name == "local"
    assert serverless.set_provider("lab").selected.compute_resource.host == "10.0.0.1"
    assert serverless.set_provider(Provider("cloud")).selected.name == "cloud"


HERE = Program(entrypoint=Path(__file__).name, working_dir=Path(__file__).parent)


@pytest.mark.parametrize(
    "use",
    [
        lambda serverless: serverless.set_provider("lab"),
        lambda serverless: serverless.provider("lab"),
        lambda serverless: serverless.context("lab"),
        lambda serverless: serverless.run_program(HERE, provider="lab"),
    ],
)
def test_an_unknown_provider_is_told_with_those_known(use):
    """A name that nobody configured is an error that names those that are."""
    with pytest.raises(ProviderNotFoundError, match=r"no provider 'lab'.*: local, docker"):
        use(QuantumServerless({"providers": [DOCKER]}))


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"provider": []}, ValueError, "unknown 'provider'; known here: providers"),
        ({"providers": {}}, TypeError, "'providers' is a list"),
        ({"providers": [{"nmae": "x"}]}, ValueError, "Provider: unknown 'nmae'.*name"),
        ({"providers": [{}]}, ValueError, "Provider: 'name' is missing"),
        ({"providers": ["lab"]}, TypeError, "Provider: settings are a mapping, not str"),
        (
            {"providers": [{"name": "x", "compute_resource": {"name": "x", "port": 1}}]},
            ValueError,
            "ComputeResource: unknown 'port'; known here: name, host, port_interactive",
        ),
        ("lab", TypeError, "a configuration is a mapping, not str"),
    ],
)
def test_a_wrong_configuration_names_what_is_wrong(config, error, message):
    """An unknown key is told with those known, a missing name and a wrong type as what they are."""
    with pytest.raises(error, match=message):
        QuantumServerless(config)


def test_a_configuration_is_read_from_json_and_toml(tmp_path):
    """load_configuration() reads both, told apart by their suffixes."""
    (tmp_path / "a.json").write_text(json.dumps({"providers": [DOCKER]}))
    (tmp_path / "b.toml").write_text(
        '[[providers]]\nname = "docker"\n'
        '[providers.compute_resource]\nname = "docker"\nhost = "localhost"\n'
    )
    for name in ("a.json", "b.toml"):
        serverless = QuantumServerless.load_configuration(tmp_path / name)
        assert serverless.selected.compute_resource == ComputeResource("docker", "localhost")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", r"a\.json: Expecting"),
        ("a.toml", "= 1", r"a\.toml: Invalid statement"),
        ("a.yaml", "", r"a\.yaml: a configuration ends in \.json or \.toml"),
        (
            "a.json",
            '{"providers": [{"name": "x", "hots": 1}]}',
            r"a\.json: Provider: unknown 'hots'",
        ),
        ("a.json", "[1]", r"a\.json: a configuration is a mapping, not list"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, name, text, message):
    """An error in a configuration file names the file and what is wrong in it."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        QuantumServerless.load_configuration(tmp_path / name)


def test_a_missing_file_is_missing(tmp_path):
    """A configuration file that isn't there is a FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        QuantumServerless.load_configuration(tmp_path / "none.json")
