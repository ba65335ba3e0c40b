"""Versions: what makes one, what it holds, and that it appears whole or not at all."""

import getpass
import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import modal
import pytest
from google.protobuf.message import Message
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from infra.local import ControlPlane

Service = Callable[[], ModuleType]
StartPython = Callable[..., "subprocess.Popen[str]"]
ModalCli = Callable[..., "subprocess.CompletedProcess[str]"]
Call = Callable[[str, Message], Any]

# Dies as a laptop does when its battery ends: after all objects are created, before the publish.
_DIE_BEFORE_PUBLISH = """
import os, runpy, signal, sys
import modal.runner

async def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

modal.runner._publish_app = die
sys.argv = ["modal", "deploy", sys.argv[1]]
runpy.run_module("modal", run_name="__main__")
"""


def plain_app(name: str, gpu: str | None = None, tags: dict[str, str] | None = None) -> modal.App:
    """An App with one Function."""
    app = modal.App(name, tags=tags)
    app.function(serialized=True, name="work", gpu=gpu)(lambda: None)
    return app


def gpus(name: str) -> list[tuple[str, int]]:
    return modal.Function.from_name(name, "work").info(refresh=True).gpus


def test_deploying_the_same_again_is_no_new_version(
    control_plane: ControlPlane, service: Service
) -> None:
    """Equal definitions, classes and tags: the history stays as it is, and so do all ids."""
    service().app.deploy()
    before = modal.App.lookup("service").info()
    service().app.deploy()
    assert control_plane.calls["AppPublish"] == 2
    after = modal.App.lookup("service").info()
    assert after.lifecycle.version == 1
    assert (after.functions, after.app_id) == (before.functions, before.app_id)


@pytest.mark.parametrize("what", ["a GPU", "a tag of the App", "a deployment tag"])
def test_any_difference_is_a_new_version(control_plane: ControlPlane, what: str) -> None:
    """A changed definition, App tag, or a deployment tag makes a version."""
    plain_app("app").deploy()
    plain_app(
        "app",
        gpu="H100" if what == "a GPU" else None,
        tags={"infra-manifest": "m2"} if what == "a tag of the App" else None,
    ).deploy(tag="v2" if what == "a deployment tag" else "")
    assert modal.App.lookup("app").info().lifecycle.version == 2


def test_rollback_brings_back_definitions_and_tags(
    control_plane: ControlPlane, modal_cli: ModalCli, call: Call
) -> None:
    """A rollback is a new version with an old one's Functions and App tags; the history says so."""
    plain_app("app", gpu="H100", tags={"infra-manifest": "m1"}).deploy(tag="first")
    plain_app("app", gpu="B200:4", tags={"infra-manifest": "m2"}).deploy()
    pinned = modal.Function.from_name("app", "work", version=1)
    assert pinned.info().gpus == [("H100", 1)]
    assert gpus("app") == [("B200", 4)]
    assert modal_cli("app", "rollback", "app", "v1").returncode == 0
    assert gpus("app") == [("H100", 1)]
    assert modal.App.lookup("app").get_tags() == {"infra-manifest": "m1"}
    request = api_pb2.AppDeploymentHistoryRequest(app_id=modal.App.lookup("app").app_id)
    newest, *_ = call("AppDeploymentHistory", request).app_deployment_histories
    assert (newest.version, newest.rollback_version, newest.tag) == (3, 1, "first")
    assert newest.deployment_type == api_pb2.DEPLOYMENT_TYPE_ROLLBACK


def test_a_staged_version_is_live_only_after_its_promotion(
    control_plane: ControlPlane, modal_cli: ModalCli, call: Call
) -> None:
    """Staging adds to the history and changes nothing that lookups see."""
    plain_app("app", gpu="H100").deploy()
    staged = control_plane.requests("AppPublish")[-1]
    assert isinstance(staged, api_pb2.AppPublishRequest)
    staged.staged = True
    staged.tags["stage"] = "yes"
    call("AppPublish", staged)
    assert modal.App.lookup("app").get_tags() == {}
    assert modal.App.lookup("app").info().lifecycle.version == 1
    assert modal_cli("app", "promote", "app", "v2").returncode == 0
    assert modal.App.lookup("app").get_tags() == {"stage": "yes"}
    assert modal.App.lookup("app").info().lifecycle.version == 3


def test_a_crash_before_the_publish_changes_nothing(
    control_plane: ControlPlane, start_python: StartPython, tmp_path: Path
) -> None:
    """Functions that were created but not published are invisible; the live ones stay."""
    source = "import modal\napp = modal.App('app', tags={'n': '%s'})\n@app.function(gpu=%r)\n"
    source += "def work(): pass\n"
    module = tmp_path / "app_under_test.py"
    environ = control_plane.environ()
    module.write_text(source % (1, "H100"))
    first = start_python("-m", "modal", "deploy", str(module), environ=environ)
    assert first.wait() == 0
    before = modal.App.lookup("app").info()
    module.write_text(source % (2, "B200"))
    second = start_python("-c", _DIE_BEFORE_PUBLISH, str(module), environ=environ)
    assert second.wait() == -signal.SIGKILL
    assert control_plane.calls["FunctionCreate"] == 2
    assert modal.App.lookup("app").info() == before
    assert modal.App.lookup("app").get_tags() == {"n": "1"}
    assert gpus("app") == [("H100", 1)]


def test_a_function_that_was_never_published_is_not_found(
    control_plane: ControlPlane, start_python: StartPython, tmp_path: Path
) -> None:
    """A first deployment that dies leaves no App and no Function to look up."""
    module = tmp_path / "app_under_test.py"
    module.write_text("import modal\napp = modal.App('app')\n@app.function()\ndef f(): pass\n")
    process = start_python("-c", _DIE_BEFORE_PUBLISH, str(module), environ=control_plane.environ())
    assert process.wait() == -signal.SIGKILL
    assert control_plane.calls["FunctionCreate"] == 1
    with pytest.raises(modal.exception.NotFoundError, match="App 'app' not found"):
        modal.App.lookup("app")


def test_a_stopped_name_can_be_deployed_anew(control_plane: ControlPlane) -> None:
    """Stopping ends an App; the next deployment of its name is another App from version 1."""
    plain_app("app").deploy()
    first = modal.App.lookup("app")
    first.stop()
    with pytest.raises(modal.exception.NotFoundError):
        modal.App.lookup("app")
    assert first.info(refresh=True).lifecycle.state == modal.types.AppState.STOPPED
    plain_app("app").deploy()
    second = modal.App.lookup("app")
    assert second.app_id != first.app_id
    assert second.info().lifecycle.version == 1


def test_two_first_deployments_of_a_name_cannot_both_win(
    control_plane: ControlPlane, call: Call
) -> None:
    """Whoever publishes second is told; the first one's App stays live."""
    create = api_pb2.AppCreateRequest(description="app", app_state=api_pb2.APP_STATE_INITIALIZING)
    first, second = (
        api_pb2.AppPublishRequest(
            app_id=call("AppCreate", create).app_id,
            name="app",
            app_state=api_pb2.APP_STATE_DEPLOYED,
        )
        for _ in range(2)
    )
    call("AppPublish", first)
    with pytest.raises(GRPCError, match="deployed meanwhile") as refusal:
        call("AppPublish", second)
    assert refusal.value.status is Status.ABORTED
    assert modal.App.lookup("app").app_id == first.app_id


def test_the_history_knows_the_commit(control_plane: ControlPlane, call: Call) -> None:
    """Who reads the history finds the commit that a version was deployed from."""
    plain_app("app").deploy()
    publish = control_plane.requests("AppPublish")[-1]
    assert isinstance(publish, api_pb2.AppPublishRequest)
    publish.commit_info.CopyFrom(api_pb2.CommitInfo(vcs="git", commit_hash="a1b2c3d", dirty=True))
    publish.tags["changed"] = "yes"
    call("AppPublish", publish)
    request = api_pb2.AppDeploymentHistoryRequest(app_id=publish.app_id)
    newest, first = call("AppDeploymentHistory", request).app_deployment_histories
    assert (newest.version, newest.commit_info) == (2, publish.commit_info)
    assert (first.version, first.deployed_by) == (1, getpass.getuser())


def test_an_app_ends_with_its_silent_client(
    control_plane: ControlPlane, call: Call, tmp_path: Path
) -> None:
    """What was never published is stopped once no heartbeat comes; what is deployed lives on."""
    plain_app("deployed").deploy()
    create = api_pb2.AppCreateRequest(description="begun", app_state=api_pb2.APP_STATE_INITIALIZING)
    call("AppCreate", create)
    states = {app.description: app.state for app in call("AppList", api_pb2.AppListRequest()).apps}
    assert states["begun"] == api_pb2.APP_STATE_INITIALIZING
    with sqlite3.connect(tmp_path / "local" / "state.db") as database:
        database.execute("UPDATE apps SET heartbeat_at = heartbeat_at - 3600")
    database.close()
    states = {app.description: app.state for app in call("AppList", api_pb2.AppListRequest()).apps}
    assert states == {
        "begun": api_pb2.APP_STATE_STOPPED,
        "deployed": api_pb2.APP_STATE_DEPLOYED,
    }


def test_the_command_sees_it_all(modal_cli: ModalCli, modules: Path) -> None:
    """`modal deploy`, `app list`, `history`, `logs`, `stop`: the real command throughout."""
    service = str(modules / "service.py")
    missing = modal_cli("deploy", service)
    assert missing.returncode == 1
    assert "Secret 'hub-token' not found in environment 'main'" in missing.stderr
    assert modal_cli("secret", "create", "hub-token", "OTHER=1").returncode == 0
    assert "missing key(s): TOKEN" in modal_cli("deploy", service).stderr
    assert modal_cli("secret", "create", "hub-token", "TOKEN=hf_1", "--force").returncode == 0
    assert "App deployed" in modal_cli("deploy", service, "--tag", "one").stdout
    assert "no changes detected" in modal_cli("deploy", service).stdout
    listed = json.loads(modal_cli("app", "list", "--json").stdout)
    live = [app for app in listed if app["state"] == "deployed"]
    assert [app["description"] for app in live] == ["service"]
    (entry,) = json.loads(modal_cli("app", "history", "service", "--json").stdout)
    assert (entry["version"], entry["tag"], entry["client"]) == ("v1", "one", modal.__version__)
    assert modal_cli("app", "logs", "service", "--follow").returncode == 0
    assert modal_cli("app", "stop", "service", "--yes").returncode == 0
    assert "already stopped" in modal_cli("app", "stop", "service", "--yes").stderr
