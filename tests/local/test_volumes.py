"""Volumes through the real SDK and command."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import modal
import modal.exception
import pytest

from infra.local import ControlPlane

_LARGE = bytes(range(256)) * 40_000  # more than one block, not a multiple of it


@pytest.mark.parametrize("version", [None, 1, 2])
def test_files_come_back_as_they_were_put(control_plane: ControlPlane, version: int | None) -> None:
    """Contents survive byte for byte: empty, small, large, with zeros at a block's end."""
    volume = modal.Volume.from_name("cache", create_if_missing=True, version=version)
    contents = {
        "empty": b"",
        "deep/er/small.txt": b"small",
        "large": _LARGE,
        "zeros": b"a" + bytes(9 * 1024 * 1024),
    }
    with volume.batch_upload() as batch:
        for path, content in contents.items():
            batch.put_file(io.BytesIO(content), f"/{path}")
    for path, content in contents.items():
        assert b"".join(volume.read_file(path)) == content


@pytest.mark.parametrize("version", [1, 2])
def test_directories_are_listed_flat_and_deep(control_plane: ControlPlane, version: int) -> None:
    """A listing names what is there, without a leading slash; a file lists as itself."""
    volume = modal.Volume.from_name("cache", create_if_missing=True, version=version)
    assert volume.listdir("/") == []
    with volume.batch_upload() as batch:
        for path in ("a.txt", "b/c.txt", "b/d/e.txt", "b0"):
            batch.put_file(io.BytesIO(path.encode()), path)
    assert [entry.path for entry in volume.listdir("/")] == ["a.txt", "b", "b0"]
    assert [entry.path for entry in volume.listdir("/b")] == ["b/c.txt", "b/d"]
    deep = [entry.path for entry in volume.iterdir("b", recursive=True)]
    assert deep == ["b/c.txt", "b/d", "b/d/e.txt"]
    (file,) = volume.listdir("b/c.txt")
    assert (file.path, file.size, file.type.name) == ("b/c.txt", 7, "FILE")
    with pytest.raises(modal.exception.NotFoundError, match="nothing"):
        volume.listdir("nothing")


@pytest.mark.parametrize("version", [1, 2])
def test_files_are_replaced_and_removed_only_when_asked(
    control_plane: ControlPlane, version: int
) -> None:
    """No overwrite without force, no directory removed without recursive."""
    volume = modal.Volume.from_name("cache", create_if_missing=True, version=version)
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"1"), "dir/file")
    with pytest.raises(FileExistsError), volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"2"), "dir/file")
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(b"3"), "dir/file")
    assert b"".join(volume.read_file("dir/file")) == b"3"
    with pytest.raises(FileExistsError), volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(b"4"), "dir")
    with pytest.raises(modal.exception.InvalidError, match="is a directory"):
        volume.remove_file("dir")
    volume.remove_file("dir", recursive=True)
    with pytest.raises(FileNotFoundError):
        list(volume.read_file("dir/file"))
    with pytest.raises(FileNotFoundError):
        volume.remove_file("dir")


def test_copies_follow_cp(control_plane: ControlPlane) -> None:
    """Into a directory or to a new name; whole trees only when asked."""
    volume = modal.Volume.from_name("cache", create_if_missing=True, version=2)
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"1"), "a/b/file")
    volume.copy_files(["a/b/file"], "copy")
    volume.copy_files(["copy"], "a")
    with pytest.raises(modal.exception.InvalidError, match="recursive"):
        volume.copy_files(["a"], "tree")
    volume.copy_files(["a"], "tree", recursive=True)
    paths = [entry.path for entry in volume.iterdir("/tree", recursive=True)]
    assert paths == ["tree/b", "tree/b/file", "tree/copy"]
    with pytest.raises(modal.exception.InvalidError, match="into itself"):
        volume.copy_files(["a"], "a/b", recursive=True)


def test_a_path_cannot_leave_its_volume(control_plane: ControlPlane) -> None:
    """`..` is refused, not resolved."""
    volume = modal.Volume.from_name("cache", create_if_missing=True)
    with (
        pytest.raises(modal.exception.InvalidError, match="leaves the Volume"),
        volume.batch_upload() as batch,
    ):
        batch.put_file(io.BytesIO(b"1"), "a/../../b")


def test_the_command_manages_volumes(
    modal_cli: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    """`modal volume create, list, put, ls, get, rm, rename, delete`: the real command."""
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "top.txt").write_text("top")
    (tree / "deep" / "large.bin").write_bytes(_LARGE)
    assert modal_cli("volume", "create", "data").returncode == 0
    assert "already exists" in modal_cli("volume", "create", "data").stderr
    assert modal_cli("volume", "put", "data", str(tree), "/up").returncode == 0
    assert modal_cli("volume", "ls", "data", "up").stdout.split() == ["up/deep", "up/top.txt"]
    down = tmp_path / "down"
    down.mkdir()
    assert modal_cli("volume", "get", "data", "up", str(down)).returncode == 0
    assert (down / "up" / "deep" / "large.bin").read_bytes() == _LARGE
    assert modal_cli("volume", "rm", "data", "up/top.txt").returncode == 0
    assert modal_cli("volume", "ls", "data", "up").stdout.split() == ["up/deep"]
    assert modal_cli("volume", "rename", "data", "kept", "--yes").returncode == 0
    assert "kept" in modal_cli("volume", "list").stdout
    assert modal_cli("volume", "delete", "kept", "--yes").returncode == 0
    assert "not found" in modal_cli("volume", "ls", "kept").stderr
