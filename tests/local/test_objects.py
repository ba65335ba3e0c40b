"""Environments, Secrets and Dicts through the real SDK and command."""

import subprocess
from collections.abc import Callable

import modal
import modal.exception
import pytest

from infra.local import ControlPlane

ModalCli = Callable[..., "subprocess.CompletedProcess[str]"]


def test_names_belong_to_an_environment(control_plane: ControlPlane) -> None:
    """The same name in two environments is two objects; an environment's end is theirs."""
    modal.Environment.objects.create("dev")
    main = modal.Volume.from_name("cache", create_if_missing=True).hydrate()
    dev = modal.Volume.from_name("cache", create_if_missing=True, environment_name="dev").hydrate()
    assert main.object_id != dev.object_id
    assert [item.name for item in modal.Environment.objects.list()] == ["main", "dev"]
    modal.Environment.objects.delete("dev")
    with pytest.raises(modal.exception.NotFoundError, match="Environment 'dev' not found"):
        modal.Volume.from_name("cache", environment_name="dev").hydrate()
    assert modal.Volume.from_name("cache").hydrate().object_id == main.object_id


def test_equal_unnamed_secrets_of_an_app_are_one(control_plane: ControlPlane) -> None:
    """`Secret.from_dict` with the same values gives the same id at the next deployment."""

    def deploy(level: str) -> list[str]:
        app = modal.App("app")
        secret = modal.Secret.from_dict({"LEVEL": level})
        app.function(serialized=True, name="work", secrets=[secret])(lambda: None)
        app.deploy()
        return modal.Function.from_name("app", "work").info().secrets

    first = deploy("debug")
    assert deploy("debug") == first
    assert deploy("info") != first


def test_dicts_keep_what_they_are_given(control_plane: ControlPlane) -> None:
    """Put, get, pop, length, contents, clear; put-if-absent says who came first."""
    entries = modal.Dict.from_name("leases", create_if_missing=True)
    entries.update(one=1, two=[2])
    assert entries.put("lease", "mine", skip_if_exists=True)
    assert not entries.put("lease", "yours", skip_if_exists=True)
    assert (entries["lease"], entries.get("nothing"), entries.len()) == ("mine", None, 3)
    assert dict(entries.items()) == {"one": 1, "two": [2], "lease": "mine"}
    assert entries.pop("lease") == "mine"
    assert not entries.contains("lease")
    entries.clear()
    assert list(entries.keys()) == []


def test_lists_are_newest_first_and_come_in_pages(control_plane: ControlPlane) -> None:
    """A list of more than one page is complete, without repeats."""
    names = [f"volume-{number}" for number in range(120)]
    for name in names:
        modal.Volume.objects.create(name)
    assert [volume.name for volume in modal.Volume.objects.list()] == names[::-1]


def test_the_command_manages_objects(modal_cli: ModalCli, control_plane: ControlPlane) -> None:
    """`modal secret`, `dict`, `environment`, `billing`: the real command."""
    assert modal_cli("secret", "create", "hub", "TOKEN=1").returncode == 0
    assert "already exists" in modal_cli("secret", "create", "hub", "TOKEN=1").stderr
    assert "hub" in modal_cli("secret", "list").stdout
    assert modal_cli("secret", "delete", "hub", "--yes").returncode == 0
    assert modal_cli("environment", "create", "dev").returncode == 0
    assert "dev" in modal_cli("environment", "list").stdout
    assert modal_cli("dict", "create", "leases", "--env", "dev").returncode == 0
    assert "leases" in modal_cli("dict", "list", "--env", "dev").stdout
    assert "leases" not in modal_cli("dict", "list").stdout
    assert '"H100": "3.9492"' in modal_cli("billing", "rates", "--json").stdout
