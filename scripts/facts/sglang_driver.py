"""
SGLang's own argument parser and checks, asked over standard input and output.

Runs in the environment that `scripts/check_facts` builds, with a release on its path, and imports
nothing of infra. It reads one request and writes one answer, both JSON:

    lines: command lines that the parser reads, as lists of words
    checks: command lines that the checks after parsing read, too; GPUs are then pretended
    fields: what of the resulting ServerArgs is told
    stubs: packages that are not to be had here; SGLang gets something without effect for them
"""

import argparse
import builtins
import importlib
import json
import logging
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

torch: Any = importlib.import_module("torch")
find = builtins.__import__


class Stub(ModuleType):
    """A module, or anything in it, that can be named and called without effect."""

    __path__: Any = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(f"{self.__name__}.{name}")

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        """As a base class it adds nothing."""
        return ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Used as a decorator it leaves the function as it is."""
        return args[0] if len(args) == 1 and callable(args[0]) else self


class H100:
    """One of 8, as torch describes it."""

    name = "NVIDIA H100 80GB HBM3"
    major, minor = 9, 0
    total_memory = 81559 * 2**20
    multi_processor_count = 132


class Refused(Exception):
    """What the parser prints before it exits."""


class Parser(argparse.ArgumentParser):
    """A parser that neither prints nor exits."""

    def error(self, message: str) -> Any:
        raise Refused(message)


def stub(packages: list[str]) -> None:
    """Let SGLang import packages that are not here; to all that ask they look installed."""
    for package in packages:
        sys.modules[package] = Stub(package)
        sys.modules[package].__spec__ = ModuleSpec(package, None)

    def found(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        top = name.partition(".")[0]
        importer = str((globals or {}).get("__name__"))
        if level or top not in packages or not importer.startswith("sglang"):
            return find(name, globals, locals, fromlist, level)
        return Stub(name if fromlist else top)

    builtins.__import__ = found


def pretend_gpus() -> None:
    """Let torch report H100s; nothing is computed on them."""
    torch.version.cuda = "12.9"
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 8
    torch.cuda.current_device = lambda: 0
    torch.cuda.get_device_name = lambda *_: H100.name
    torch.cuda.get_device_capability = lambda *_: (H100.major, H100.minor)
    torch.cuda.get_device_properties = lambda *_: H100
    torch.cuda.mem_get_info = lambda *_: (H100.total_memory, H100.total_memory)


def parser(module: Any) -> argparse.ArgumentParser:
    """SGLang's parser; its choices in an order that does not depend on the run."""
    made = Parser(add_help=False)
    made.add_argument("-h", "--help", action="store_true")
    module.ServerArgs.add_cli_args(made)
    for action in made._actions:
        if isinstance(action.choices, set | frozenset):
            action.choices = sorted(action.choices)
    return made


def flags(made: argparse.ArgumentParser) -> list[dict[str, Any]]:
    """What lines are made from, and what defaults are compared with."""
    return [
        {
            "names": action.option_strings,
            "dest": action.dest,
            "nargs": action.nargs,
            "type": getattr(action.type, "__name__", None),
            "choices": None if action.choices is None else list(action.choices),
            "default": action.default,
        }
        for action in made._actions
        if "--help" not in action.option_strings
    ]


def read(made: argparse.ArgumentParser, line: list[str]) -> dict[str, Any]:
    """What the parser makes of a command line, without defaults."""
    defaults = [(action, action.default) for action in made._actions]
    for action in made._actions:
        action.default = argparse.SUPPRESS
    try:
        return {"values": vars(made.parse_args(line))}
    except Refused as refused:
        return {"error": str(refused)}
    except Exception as crash:  # an action of SGLang's that does not catch its own errors
        return {"error": None, "crash": f"{type(crash).__name__}: {crash}"}
    finally:
        for action, default in defaults:
            action.default = default


def checked(module: Any, made: argparse.ArgumentParser, line: list[str], fields: Any) -> Any:
    """What the checks after parsing make of a command line."""
    try:
        made_of_it = module.ServerArgs.from_cli_args(made.parse_args(line))
        for check in ("resolve_once", "check_server_args"):
            getattr(made_of_it, check, lambda: None)()
        tell = getattr(made_of_it, "resolved_dict", lambda: vars(made_of_it))
        values = tell()
        return {"values": {field: values.get(field) for field in fields}}
    except ModuleNotFoundError as missing:
        return {"missing": missing.name}
    except Exception as refusal:
        return {"error": f"{type(refusal).__name__}: {refusal}"}


def warm_up(*asked: Any) -> None:
    """Import what checks import, once for all that `apart` runs; nothing else is to remain."""
    variables = dict(os.environ)
    checked(*asked)
    os.environ.clear()
    os.environ.update(variables)


def apart(*asked: Any) -> Any:
    """The answer of `checked` in a process of its own, as the checks set variables."""
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(here, "w") as answers:
            json.dump(checked(*asked), answers, default=repr)
        os._exit(0)
    os.close(here)
    with os.fdopen(there) as answers:
        told = answers.read()
    os.waitpid(child, 0)
    return json.loads(told)


def main() -> None:
    """Answer the request."""
    answers, sys.stdout = sys.stdout, sys.stderr
    request = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    # describes kernels that are not here, of torchvision's and of SGLang's
    torch.library.register_fake = lambda *_, **__: lambda function: function
    stub(request["stubs"])
    if request["checks"]:
        pretend_gpus()
    answer: dict[str, Any] = {}
    try:
        module: Any = importlib.import_module("sglang.srt.server_args")
    except ModuleNotFoundError as missing:
        answer["missing"] = missing.name
    else:
        made = parser(module)
        answer["flags"] = flags(made)
        answer["lines"] = [read(made, line) for line in request["lines"]]
        answer["checks"] = []
        for line in request["checks"][:1]:
            warm_up(module, made, line, ())
        for line in request["checks"]:
            answer["checks"].append(apart(module, made, line, request["fields"]))
            if "missing" in answer["checks"][-1]:
                break  # all the others would miss it, too
    json.dump(answer, answers, default=repr)


if __name__ == "__main__":
    main()
