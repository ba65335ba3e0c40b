"""Who may call, and what is answered to calls that fail."""

import time
from collections.abc import Iterator
from pathlib import Path

import modal
import modal.exception
import pytest
from modal_proto.api_grpc import ModalClientStub

from infra.local import ControlPlane
from infra.local.calls import READS, WRITES


def test_every_answered_call_exists_and_is_in_one_table() -> None:
    """The tables name calls of Modal's API only, and none twice."""
    api = {name for name in vars(ModalClientStub(None)) if name[0].isupper()}
    assert not set(READS) & set(WRITES)
    assert set(READS) | set(WRITES) <= api


def test_an_unknown_call_is_named(control_plane: ControlPlane) -> None:
    """What is not answered is UNIMPLEMENTED under its name, never faked."""
    message = "QueueGetOrCreate is not part of the local control plane"
    with pytest.raises(modal.exception.UnimplementedError, match=message):
        modal.Queue.from_name("q", create_if_missing=True).hydrate()


def test_another_token_is_refused(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only who has this plane's token may call."""
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-wrong")
    with pytest.raises(modal.exception.AuthError, match="not the local control plane's"):
        modal.Client.from_env().hello()


def test_our_own_failure_is_said_and_logged(control_plane: ControlPlane, tmp_path: Path) -> None:
    """A handler that breaks answers INTERNAL with the call's name; the traceback is in the log."""
    modal.Secret.objects.create("hub", {"TOKEN": "x"})
    (values,) = (tmp_path / "local" / "secrets").iterdir()
    values.unlink()
    with pytest.raises(modal.exception.InternalError, match="SecretUpdate failed"):
        modal.Secret.from_name("hub").hydrate().update({"TOKEN": "y"})
    assert "FileNotFoundError" in (tmp_path / "local" / "plane.log").read_text()


def test_a_failed_call_leaves_nothing_behind(control_plane: ControlPlane) -> None:
    """A call that is refused half way is rolled back and not recorded."""
    with modal.Volume.ephemeral() as volume:
        with volume.batch_upload() as batch:
            batch.put_file(Path(__file__), "/taken")
        recorded = control_plane.requests("VolumePutFiles")
        with pytest.raises(FileExistsError), volume.batch_upload() as batch:
            batch.put_file(Path(__file__), "/a")
            batch.put_file(Path(__file__), "/taken")
        assert [entry.path for entry in volume.listdir("/")] == ["taken"]
        assert control_plane.requests("VolumePutFiles") == recorded


@pytest.fixture
def slow_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A plane that waits before each answer."""
    with ControlPlane(tmp_path / "slow", delay_seconds=0.05) as plane:
        yield plane


def test_a_delay_is_waited_before_every_answer(
    slow_plane: ControlPlane, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer comes sooner than the delay that was asked for."""
    for name, value in slow_plane.environ().items():
        monkeypatch.setenv(name, value)
    start = time.monotonic()
    modal.Client.from_env().hello()
    assert time.monotonic() - start >= 0.05


def test_only_loopback_is_bound(control_plane: ControlPlane) -> None:
    """Nothing outside this machine can reach a plane."""
    assert control_plane.url.startswith("http://127.0.0.1:")
