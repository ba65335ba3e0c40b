"""From SGLang's command line to a running stand-in, or to argparse's complaint."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence

from infra.facts.flags import release
from infra.local.engine.clock import SPEED, read_speed
from infra.local.engine.compilation import compile_kernels
from infra.local.engine.flags import Flags, at_least
from infra.local.engine.settings import read_settings

SERVE = "serve"
LAUNCH_SERVER = "sglang.launch_server"
COMPILE = "sglang.compile_deep_gemm"
# What the first word's own code takes before the flags are parsed.
BEFORE = {SERVE: "--model-type", COMPILE: "--timeout"}
# Since this release the name in argparse's messages is the same however it was started.
NAMED = "0.5.11"
# Since this release `sglang serve MODEL` is allowed.
POSITIONAL = "0.5.20"


def launch(version: str, words: Sequence[str]) -> int:
    """Run `sglang WORDS...`, or one of its modules by name; the exit code."""
    form, *arguments = words or [""]
    if form not in (LAUNCH_SERVER, COMPILE):
        _check_subcommand(words)
    if form == "version":
        print(f"sglang version: {version}")
        return 0
    known = release("sglang", version)
    program = _program(form, known.version)
    arguments = [*_without(BEFORE.get(form), arguments)]
    bare = bool(arguments) and not arguments[0].startswith("-")
    if form == SERVE and bare and at_least(known.version, POSITIONAL):
        arguments.insert(0, "--model-path")
    if "-h" in arguments or "--help" in arguments:
        print(_usage(program), *known.names(), sep="\n  ")
        return 0
    parsed = known.parse(arguments)
    error = parsed.error
    try:
        speed = read_speed(os.environ.get(SPEED, ""))
    except ValueError as problem:
        error = error or str(problem)
    if error is not None:
        print(_usage(program), f"{program}: error: {error}", sep="\n", file=sys.stderr)
        return 2
    if known.notice:
        print(f"stand-in: {known.notice}", file=sys.stderr)
    settings = read_settings(known.version, Flags(parsed.values), os.environ)
    if form == COMPILE:
        return asyncio.run(compile_kernels(settings, speed))
    # aiohttp is slow to load, so a refusal does without it; it reads all certificates at once,
    # which takes a third of its time, and nothing here talks TLS.
    os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = os.devnull
    from infra.local.engine.run import serve

    return asyncio.run(serve(settings, speed))


def _check_subcommand(words: Sequence[str]) -> None:
    """Exit as SGLang does if the first word is none that it knows."""
    parser = argparse.ArgumentParser(prog="sglang")
    known = parser.add_subparsers(dest="subcommand", required=True)
    for name in (SERVE, "version"):
        known.add_parser(name, add_help=False)
    parser.parse_args(words[:1])


def _program(form: str, version: str) -> str:
    """The name in argparse's messages."""
    if form == COMPILE:
        return "compile_deep_gemm.py"
    if at_least(version, NAMED):
        return "sglang serve"
    return "launch_server.py" if form == LAUNCH_SERVER else "sglang"


def _usage(program: str) -> str:
    return f"usage: {program} [-h] --model-path MODEL_PATH [...]"


def _without(flag: str | None, arguments: Sequence[str]) -> Iterator[str]:
    """The arguments but for one flag with its value."""
    rest = iter(arguments)
    for word in rest:
        if word == flag:
            next(rest, None)
        elif flag is None or not word.startswith(f"{flag}="):
            yield word
