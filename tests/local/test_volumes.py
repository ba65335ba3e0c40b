"""Volumes through the real SDK and command."""

import io

import modal
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
