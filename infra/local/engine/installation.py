"""Puts the stand-in where a replica looks for its engine."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import infra

MODULES = ("launch_server", "compile_deep_gemm")

COMMAND = """\
#!/bin/sh
# Stand-in for {engine} {version}: it generates no real text, its times are modelled.
PYTHONPATH={root} exec {python} -P -m infra.local.engine {engine} {version} "$@"
"""
REFUSAL = """\
#!/bin/sh
echo "A rehearsal has a stand-in for {engine} only where the image names its version: by" \
    "{image}:TAG as its base, or by pip_install('{engine}==VERSION'), or uv's." >&2
exit 127
"""
IMAGES = {"sglang": "lmsysorg/sglang", "vllm": "vllm/vllm-openai"}
PACKAGE = '''\
"""Stand-in for SGLang {version}: it generates no real text, its times are modelled."""

__version__ = {version!r}
'''
MODULE = '''\
"""Stand-in for sglang.{name}, run by the Python that has what it needs."""

import os
import sys

if __name__ == "__main__":
    os.execv({command!r}, [{command!r}, "sglang.{name}", *sys.argv[1:]])
'''


def install(folder: Path, versions: Mapping[str, str]) -> dict[str, str]:
    """
    Write the commands `sglang` and `vllm` into the folder, and the package `sglang`.

    Args:
        folder: Where to; it is made.
        versions: By ``sglang`` or ``vllm``, those that the image has; the other one's command says
            that there is no stand-in for it.

    Returns:
        What to prepend: the folder for ``PATH`` and the one for ``PYTHONPATH``.
    """
    programs = folder.absolute() / "bin"
    modules = folder.absolute() / "python"
    programs.mkdir(parents=True, exist_ok=True)
    modules.mkdir(exist_ok=True)
    # The engine gets a path of its own: what the replica imports must not reach into it.
    root = Path(infra.__file__).parent.parent
    for engine, image in IMAGES.items():
        command = programs / engine
        version = versions.get(engine)
        words = {"version": version or "", "root": str(root), "python": sys.executable}
        quoted = {name: shlex.quote(word) for name, word in words.items()}
        text = COMMAND if version else REFUSAL
        command.write_text(text.format(engine=engine, image=image, **quoted), encoding="utf-8")
        command.chmod(0o755)
    if version := versions.get("sglang"):
        _package(modules / "sglang", version, programs / "sglang")
    return {"PATH": str(programs), "PYTHONPATH": str(modules)}


def _package(folder: Path, version: str, command: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text(PACKAGE.format(version=version), encoding="utf-8")
    for name in MODULES:
        module = MODULE.format(name=name, command=str(command))
        (folder / f"{name}.py").write_text(module, encoding="utf-8")
