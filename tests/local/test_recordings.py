"""What the plane records of the calls it gets."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import modal
import modal.exception
import pytest

from infra.local import ControlPlane


def test_a_deployment_is_recorded_as_the_sdk_sent_it(
    control_plane: ControlPlane, service: Callable[[], ModuleType]
) -> None:
    """Image steps, build Functions and definitions can be asserted on, in order."""
    service().app.deploy()
    images: list[Any] = control_plane.requests("ImageGetOrCreate")
    commands = [command for request in images for command in request.image.dockerfile_commands]
    assert "FROM example/engine:v1" in commands
    assert "ENTRYPOINT []" in commands
    (build,) = [request for request in images if request.image.HasField("build_function")]
    assert "def download" in build.image.build_function.definition
    creates: list[Any] = control_plane.requests("FunctionCreate")
    (engine,) = [request for request in creates if request.function.function_name == "Engine.*"]
    assert engine.function.http_config.port == 8000
    methods = [type(request).__name__ for request in control_plane.requests()]
    assert methods.index("AppCreateRequest") < methods.index("AppPublishRequest")
    assert methods[-1] == "AppPublishRequest"


def test_lookups_are_not_recorded(control_plane: ControlPlane) -> None:
    """Only what asks for a change is kept: reading leaves no trace."""
    modal.Volume.objects.create("cache")
    recorded = control_plane.requests()
    modal.Volume.from_name("cache").hydrate()
    with pytest.raises(modal.exception.NotFoundError):
        modal.Secret.from_name("nothing").hydrate()
    assert control_plane.requests() == recorded
    assert control_plane.calls["VolumeGetOrCreate"] == 2


def test_a_secret_value_is_only_in_a_file_of_its_owner(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Values never reach the database or its journal; their file is readable by the owner only."""
    modal.Secret.objects.create("hub", {"TOKEN": "hf_first_value"})
    modal.Secret.from_name("hub").hydrate().update({"TOKEN": "hf_second_value", "MORE": "x"})
    files = [path for path in (tmp_path / "local").rglob("*") if path.is_file()]
    holding = [path for path in files if b"hf_second_value" in path.read_bytes()]
    assert [path.parent.name for path in holding] == ["secrets"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    assert not [path for path in files if b"hf_first_value" in path.read_bytes()]
    modal.Secret.objects.delete("hub")
    assert not holding[0].exists()
