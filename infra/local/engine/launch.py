"""From an engine's command line to a running stand-in, or to argparse's complaint."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence

from infra.facts.flags import Release, release
from infra.local.engine.clock import SPEED, read_speed
from infra.local.engine.compilation import compile_kernels
from infra.local.engine.flags import Flags, at_least
from infra.local.engine.settings import Settings, read_settings
from infra.local.engine.vllm import VLLM

SERVE = "serve"
LAUNCH_SERVER = "sglang.launch_server"
COMPILE = "sglang.compile_deep_gemm"
# What the first word's own code takes before the flags are parsed.
BEFORE = {SERVE: "--model-type", COMPILE: "--timeout"}
# Since this release the name in argparse's messages is the same however it was started.
NAMED = "0.5.11"
# Since this release `sglang serve MODEL` is allowed.
POSITIONAL = "0.5.20"


def launch(engine: str, version: str, words: Sequence[str]) -> int:
    """Run `sglang WORDS...`, one of its modules by name, or `vllm WORDS...`; the exit code."""
    return _vllm(version, words) if engine == "vllm" else _sglang(version, words)


def _sglang(version: str, words: Sequence[str]) -> int:
    form, *arguments = words or [""]
    if form not in (LAUNCH_SERVER, COMPILE):
        _check_subcommand("sglang", (SERVE, "version"), words)
    if form == "version":
        print(f"sglang version: {version}")
        return 0
    known = release("sglang", version)
    program = _program(form, known.version)
    arguments = [*_without(BEFORE.get(form), arguments)]
    bare = bool(arguments) and not arguments[0].startswith("-")
    if form == SERVE and bare and at_least(known.version, POSITIONAL):
        arguments.insert(0, "--model-path")
    usage = f"{program} [-h] --model-path MODEL_PATH [...]"
    settings, speed = _read("SGLang", known, program, usage, arguments)
    if form == COMPILE:
        return asyncio.run(compile_kernels(settings, speed))
    return _serve(settings, speed)


def _vllm(version: str, words: Sequence[str]) -> int:
    known = release("vllm", version)
    if words[:1] in (["-v"], ["--version"]):
        print(known.version)
        return 0
    _check_subcommand("vllm", (SERVE,), words)
    arguments = [*words[1:]]
    if arguments and not arguments[0].startswith("-"):
        # It goes before a --model, wherever that stands.
        arguments = [*arguments[1:], "--model", arguments[0]]
    elif default := known.default("--model"):
        arguments = ["--model", str(default), *arguments]
    program = "vllm serve"
    return _serve(*_read(VLLM, known, program, f"{program} [model_tag] [options]", arguments))


def _read(
    engine: str, known: Release, program: str, usage: str, arguments: Sequence[str]
) -> tuple[Settings, float | None]:
    """What is asked for, and at which speed; exit where there is nothing to run."""
    if "-h" in arguments or "--help" in arguments:
        print(f"usage: {usage}", *known.names(), sep="\n  ")
        sys.exit(0)
    parsed = known.parse(arguments)
    error, speed = parsed.error, None
    try:
        speed = read_speed(os.environ.get(SPEED, ""))
    except ValueError as problem:
        error = error or str(problem)
    if error is not None:
        print(f"usage: {usage}", f"{program}: error: {error}", sep="\n", file=sys.stderr)
        sys.exit(2)
    if known.notice:
        print(f"stand-in: {known.notice}", file=sys.stderr)
    return read_settings(engine, known.version, Flags(parsed.values), os.environ), speed


def _serve(settings: Settings, speed: float | None) -> int:
    # aiohttp is slow to load, so a refusal does without it; it reads all certificates at once,
    # which takes a third of its time, and nothing here talks TLS.
    os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = os.devnull
    from infra.local.engine.run import serve

    return asyncio.run(serve(settings, speed))


def _check_subcommand(program: str, names: Sequence[str], words: Sequence[str]) -> None:
    """Exit as the engine does if the first word is none that it knows."""
    parser = argparse.ArgumentParser(prog=program)
    known = parser.add_subparsers(dest="subcommand", required=True)
    for name in names:
        known.add_parser(name, add_help=False)
    parser.parse_args(words[:1])


def _program(form: str, version: str) -> str:
    """The name in argparse's messages."""
    if form == COMPILE:
        return "compile_deep_gemm.py"
    if at_least(version, NAMED):
        return "sglang serve"
    return "launch_server.py" if form == LAUNCH_SERVER else "sglang"


def _without(flag: str | None, arguments: Sequence[str]) -> Iterator[str]:
    """The arguments but for one flag with its value."""
    rest = iter(arguments)
    for word in rest:
        if word == flag:
            next(rest, None)
        elif flag is None or not word.startswith(f"{flag}="):
            yield word
