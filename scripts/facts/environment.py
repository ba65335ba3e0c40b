"""A throw-away environment in which a release's own parser runs without a GPU."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from infra.errors import InfraError
from scripts.facts.wheels import Wheel, download, pip, unpack

DRIVER = Path(__file__).with_name("sglang_driver.py")
MEMORY = 81559  # MiB of an H100, as nvidia-smi tells it
# What the releases import before they parse a command line or check it. PyTorch is the one that
# can be had without CUDA, whichever a release names.
PACKAGES = (
    *("torch==2.13.0", "torchvision", "triton", "xgrammar", "compressed-tensors"),
    *("msgspec", "orjson", "pyzmq", "numpy", "requests", "aiohttp", "fastapi", "uvicorn"),
    *("uvloop", "psutil", "pydantic", "packaging", "pillow", "setproctitle", "pybase64"),
    *("partial_json_parser", "interegular", "ipython", "tqdm", "einops", "prometheus-client"),
    *("dill", "sentencepiece", "gguf", "nvidia-ml-py"),
)
# What must be of the version that the release names; such packages are laid over the others.
PINNED = ("transformers", "openai")


def pinned(wheel: Wheel) -> list[str]:
    """The packages whose versions the release names and this environment keeps to."""
    return sorted(
        each for each in wheel.requires if each.partition("==")[0] in PINNED and "==" in each
    )


@attrs.frozen(kw_only=True)
class Answer:
    """
    What a release said.

    Attributes:
        flags: What its parser declares.
        lines: For each line its values or its error.
        checks: The same of the checks after parsing.
        stubs: The packages that were stubbed for it.
    """

    flags: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    stubs: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Environment:
    """
    A virtual environment with what releases of SGLang import.

    Attributes:
        folder: Where it is, and the releases beside it.
    """

    folder: Path

    @classmethod
    def build(cls, folder: Path) -> "Environment":
        """
        Set it up, or take the one that is there.

        Raises:
            InfraError: pip does not get a package.
        """
        made = cls(folder=folder)
        ready = folder / "ready"
        if not ready.exists():
            print(f"installing {PACKAGES[0]} and what SGLang imports (2 GB)", file=sys.stderr)
            venv.create(folder / "venv", with_pip=True, clear=True)
            pip("install", "--quiet", *PACKAGES, python=made.python)
            smi = folder / "bin" / "nvidia-smi"
            smi.parent.mkdir(exist_ok=True)
            smi.write_text(f"#!/bin/sh\necho {MEMORY}\n", encoding="utf-8")
            smi.chmod(0o755)
            ready.touch()
        return made

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "venv" / "bin" / "python"

    def release(self, version: str) -> Wheel:
        """
        A release, unpacked.

        Raises:
            InfraError: pip does not get it.
        """
        folder = self.folder / "wheels"
        if not list(folder.glob(f"sglang-{version}-*.whl")):
            download("sglang", version, folder)
        return unpack("sglang", version, folder, self.folder / "unpacked")

    def ask(
        self,
        wheel: Wheel,
        *,
        lines: Sequence[Sequence[str]] = (),
        checks: Sequence[Sequence[str]] = (),
        fields: Sequence[str] = (),
    ) -> Answer:
        """
        Let the release read command lines; see `sglang_driver` for the words.

        Packages that are not to be had here are found by failing: each is stubbed and the request
        repeated.

        Raises:
            InfraError: The release does not run here.
        """
        stubs = ["flashinfer"] if checks else []  # asked for by name, and missed by no import
        request = {"lines": lines, "checks": checks, "fields": fields}
        while True:
            told = self._told(wheel, {**request, "stubs": stubs})
            refused = (told, *told.get("checks", ()))
            missing = next((each["missing"] for each in refused if "missing" in each), None)
            if missing is None:
                return Answer(**told, stubs=tuple(stubs))
            package = str(missing).partition(".")[0]
            if package in stubs:
                raise InfraError(f"SGLang {wheel.version} does not run here: it needs {missing}")
            stubs.append(package)

    def _told(self, wheel: Wheel, request: dict[str, Any]) -> dict[str, Any]:
        overlay = self._overlay(wheel)
        done = subprocess.run(
            [str(self.python), str(DRIVER)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.defpath}",
                "HOME": str(self.folder),
                "HF_HUB_OFFLINE": "1",
                "PYTHONPATH": f"{wheel.tree}:{overlay}",
            },
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InfraError(f"SGLang {wheel.version} does not run here: {last}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def _overlay(self, wheel: Wheel) -> Path:
        """A folder with the packages whose versions the release names."""
        named = pinned(wheel)
        folder = self.folder / "overlay" / "-".join(named)
        if not folder.exists():
            partial = folder.with_name("partial")
            shutil.rmtree(partial, ignore_errors=True)
            pip("install", "--quiet", "--target", str(partial), *named, python=self.python)
            partial.rename(folder)
        return folder
