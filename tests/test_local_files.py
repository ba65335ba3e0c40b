"""What is in the files that images are given is part of the stack."""

import os
from pathlib import Path

import pytest

from infra.project import open_project

STACK = """
from components import ImageSpec, InferenceService
from infra import Stack

image = ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").add_local_dir("files", "/files")
service = InferenceService(name="a", model="Qwen/Qwen3-8B-FP8", gpu="H100", image=image)
stack = Stack("dev", services=[service])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What an image is given, below a folder that is called like Python's caches."""
    place = tmp_path / "__pycache__" / "project"
    (place / "files" / "inner" / "__pycache__").mkdir(parents=True)
    (place / "dev.py").write_text(STACK)
    (place / "files" / "inner" / "run.sh").write_text("exit 0")
    monkeypatch.chdir(place)
    return place / "files"


def fingerprint() -> str:
    """The App's, as a plan compares it."""
    (artifact,) = open_project(Path("dev.py")).artifacts
    return artifact.manifest.fingerprint


def test_what_a_container_would_see_is_a_change(folder: Path) -> None:
    """Names, contents and what can be run, wherever the folder stands."""
    run, seen = folder / "inner" / "run.sh", [fingerprint()]
    run.write_text("exit 1")
    seen.append(fingerprint())
    run.chmod(0o755)
    seen.append(fingerprint())
    run.rename(folder / "run.sh")
    seen.append(fingerprint())
    assert len({*seen}) == len(seen)


def test_what_differs_by_machine_is_no_change(folder: Path) -> None:
    """Neither a umask nor the bytecode that a run leaves behind."""
    run, before = folder / "inner" / "run.sh", fingerprint()
    (folder / "inner" / "__pycache__" / "run.pyc").write_text("bytecode")
    for mode in (0o600, 0o664):
        run.chmod(mode)
        assert fingerprint() == before
    run.chmod(0o700)
    before = fingerprint()
    run.chmod(0o775)
    os.utime(run, (1, 1))
    assert fingerprint() == before
