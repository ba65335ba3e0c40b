"""Puts the stand-in where a replica looks for SGLang."""

import shlex
import sys
from pathlib import Path

import infra

MODULES = ("launch_server", "compile_deep_gemm")

COMMAND = """\
#!/bin/sh
# Stand-in for SGLang {version}: it generates no real text, its times are modelled.
PYTHONPATH={root} exec {python} -P -m infra.local.engine {version} "$@"
"""
REFUSAL = """\
#!/bin/sh
echo "The stand-in of a rehearsal takes the place of SGLang; a service on vLLM can be planned and" \
    "deployed, and not rehearsed." >&2
exit 127
"""
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


def install(folder: Path, version: str) -> dict[str, str]:
    """
    Write the command `sglang` and the package `sglang` of that version into the folder.

    Returns:
        What to prepend: the folder for ``PATH`` and the one for ``PYTHONPATH``.
    """
    programs = folder.absolute() / "bin"
    modules = folder.absolute() / "python"
    package = modules / "sglang"
    programs.mkdir(parents=True, exist_ok=True)
    package.mkdir(parents=True, exist_ok=True)
    # The engine gets a path of its own: what the replica imports must not reach into it.
    root = Path(infra.__file__).parent.parent
    command = programs / "sglang"
    words = {"version": version, "root": str(root), "python": sys.executable}
    text = COMMAND.format(**{name: shlex.quote(word) for name, word in words.items()})
    command.write_text(text, encoding="utf-8")
    command.chmod(0o755)
    (package / "__init__.py").write_text(PACKAGE.format(version=version), encoding="utf-8")
    for name in MODULES:
        module = MODULE.format(name=name, command=str(command))
        (package / f"{name}.py").write_text(module, encoding="utf-8")
    return {"PATH": str(programs), "PYTHONPATH": str(modules)}


def refuse(folder: Path) -> None:
    """Write the command `vllm` into the folder; all it does is to say that there is no stand-in."""
    command = folder / "vllm"
    command.write_text(REFUSAL, encoding="utf-8")
    command.chmod(0o755)
