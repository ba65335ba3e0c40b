"""The plan by which a replica's first process starts it."""

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.blobs import Blobs
from infra.local.blueprints import Blueprint, VolumeMount
from infra.local.engine import install, model_figures
from infra.local.folders import Folders
from infra.local.services import ServiceVersion
from infra.local.visible_files import HOME, package_folders, visible_files

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Settings of the stand-in, for who rehearses and not for who deploys.
_PASSED_ON = "INFRA_SIMULATED_"


def plan(
    blueprint: Blueprint,
    service: ServiceVersion,
    task_id: str,
    folders: Folders,
    blobs: Blobs,
    models: Path,
    volumes: Mapping[str, Path],
    hidden: tuple[Path, ...],
) -> dict[str, Any]:
    """Install what the replica needs in its folders; what to start there, and how."""
    programs = folders.scratch / "programs"
    programs.mkdir()
    _name_python(programs / "python")
    paths = install(programs / "engine", blueprint.recipe.engines)
    paths["PATH"] = os.pathsep.join((str(programs), paths["PATH"]))
    figures = programs / models.name
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(models, figures)
    uploads = [
        (Path(file.path), blobs.path(file.sha256_hex), file.mode) for file in blueprint.files
    ]
    root = folders.scratch / "root"
    root.mkdir()
    if not folders.is_isolated:
        _copy(uploads, root)
    return {
        "port": service.port,
        "socket": str(folders.socket),
        "root": str(root) if folders.is_isolated else None,
        "entries": visible_files(
            blueprint,
            own=folders.own,
            programs=programs,
            uploads=uploads,
            volumes=[_mounted(mount, volumes[mount.volume_id]) for mount in blueprint.volumes],
            hidden=hidden,
        ),
        "command": [sys.executable, "-m", "modal._container_entrypoint"],
        "folder": (blueprint.recipe.folder if folders.is_isolated else None) or str(folders.home),
        "environment": _environment(blueprint, service, task_id, folders, paths, figures),
    }


def _mounted(mount: VolumeMount, volume: Path) -> tuple[Path, Path, bool]:
    folder = volume / mount.folder
    folder.mkdir(parents=True, exist_ok=True)
    return Path(mount.path), folder, mount.read_only


def _name_python(program: Path) -> None:
    """An image's Python answers to this name; not every system's does."""
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)


def _copy(uploads: list[tuple[Path, Path, int]], root: Path) -> None:
    """Without a root folder of its own the module finds only what lies beside it."""
    for path, content, mode in uploads:
        if path.is_relative_to(HOME):
            target = root / path.relative_to(HOME)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(content, target)
            target.chmod(mode)


def _environment(
    blueprint: Blueprint,
    service: ServiceVersion,
    task_id: str,
    folders: Folders,
    paths: Mapping[str, str],
    figures: Path,
) -> dict[str, str]:
    of_image = blueprint.environment
    python_path = [
        paths["PYTHONPATH"],
        str(folders.home),
        of_image.get("PYTHONPATH", ""),
        *package_folders(),
    ]
    path = [paths["PATH"], str(Path(sys.prefix) / "bin"), of_image.get("PATH", _SYSTEM_PATH)]
    return {
        "HOME": str(folders.home),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        f"{_PASSED_ON}GPU": service.gpu,
        model_figures.VARIABLE: str(figures),
        **{name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)},
        **of_image,
        "PATH": os.pathsep.join(filter(None, path)),
        "PYTHONPATH": os.pathsep.join(filter(None, python_path)),
        "MODAL_CONTAINER_ARGUMENTS_PATH": str(folders.seen(folders.arguments)),
        "MODAL_CLOUD_PROVIDER": "CLOUD_PROVIDER_UNSPECIFIED",
        "MODAL_ENVIRONMENT": service.environment_name,
        "MODAL_IMAGE_ID": blueprint.function.image_id,
        "MODAL_IS_REMOTE": "1",
        "MODAL_REGION": next(iter(service.compute_regions), "local"),
        "MODAL_SERVER_URL": f"unix://{folders.seen(folders.plane)}",
        "MODAL_TASK_ID": task_id,
    }
