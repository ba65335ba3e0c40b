"""The stand-in takes SGLang's command line and refuses it in SGLang's words."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.engine import install
from infra.runtime.engine import start_engine, wait_ready

SERVE = ("sglang", "serve")
MODULE = (sys.executable, "-m", "sglang.launch_server")
KERNELS = (sys.executable, "-m", "sglang.compile_deep_gemm")


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("version", "program", "prefix"),
    [
        ("0.5.6.post2", SERVE, "sglang"),
        ("0.5.6.post2", MODULE, "launch_server.py"),
        ("0.5.11", SERVE, "sglang serve"),
        ("0.5.11", MODULE, "sglang serve"),
        ("0.5.11", KERNELS, "compile_deep_gemm.py"),
    ],
)
def test_an_unknown_flag_ends_it_as_argparse_does(
    installed: Callable[[str], None], version: str, program: tuple[str, ...], prefix: str
) -> None:
    """Exit code 2, the usage and the release's own message, however it was started."""
    installed(version)
    result = run(*program, "--model-path", "org/model", "--no-such-flag", "1")
    assert result.returncode == 2
    assert result.stdout == ""
    usage, message = result.stderr.splitlines()
    assert usage.startswith(f"usage: {prefix} [-h] --model-path")
    assert message == f"{prefix}: error: unrecognized arguments: --no-such-flag 1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tp", "2"], "the following arguments are required: --model-path/--model"),
        (["--model-path", "m", "--tp", "two"], "invalid int value: 'two'"),
        (["--model-path", "m", "--tp"], "expected one argument"),
        (["--model-path", "m", "--cuda-graph-m", "8"], "ambiguous option: --cuda-graph-m"),
    ],
)
def test_what_argparse_says(
    installed: Callable[[str], None], arguments: list[str], message: str
) -> None:
    """Missing, malformed and ambiguous arguments are refused in argparse's words."""
    installed("0.5.20")
    result = run(*SERVE, *arguments)
    assert result.returncode == 2
    assert message in result.stderr.splitlines()[-1]


def test_a_flag_is_refused_by_the_release_that_dropped_it(
    installed: Callable[[str], None],
) -> None:
    """The catalogue is that of the installed version: a flag that is gone is ambiguous now."""
    installed("0.5.20")
    result = run(*SERVE, "--model-path", "m", "--cuda-graph-max-bs", "8")
    assert result.stderr.endswith(
        "error: ambiguous option: --cuda-graph-max-bs could match"
        " --cuda-graph-max-bs-decode, --cuda-graph-max-bs-prefill\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the following arguments are required: subcommand"),
        (("serv",), "argument subcommand: invalid choice: 'serv'"),
    ],
)
def test_a_wrong_first_word_is_refused(
    installed: Callable[[str], None], words: tuple[str, ...], message: str
) -> None:
    """`sglang` itself needs a subcommand that it knows."""
    result = run("sglang", *words)
    assert result.returncode == 2
    assert message in result.stderr


def test_version_and_help(installed: Callable[[str], None]) -> None:
    """They are answered without starting anything."""
    installed("0.5.6.post2")
    assert run("sglang", "version").stdout == "sglang version: 0.5.6.post2\n"
    assert "--speculative-num-steps" in run(*SERVE, "--help").stdout


def test_a_wrong_speed_is_refused(
    installed: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A speed that is no factor ends it before it starts, by the variable's name."""
    monkeypatch.setenv("INFRA_SIMULATED_SPEED", "-3")
    result = run(*SERVE, "--model-path", "m")
    assert result.returncode == 2
    assert "INFRA_SIMULATED_SPEED: it is '-3'" in result.stderr


def test_the_package_says_its_version(installed: Callable[[str], None]) -> None:
    """What imports `sglang` to ask for its version gets it."""
    installed("0.5.18")
    result = run(sys.executable, "-c", "import sglang; print(sglang.__version__)")
    assert result.stdout == "0.5.18\n"


def test_any_folder_will_do(tmp_path: Path) -> None:
    """Blanks and quotes in a path are no shell's business, and a second time changes nothing."""
    folder = tmp_path / "a b's $(c)"
    first = install(folder, {"sglang": "0.5.11"})
    assert install(folder, {"sglang": "0.5.11"}) == first
    command = str(Path(first["PATH"], "sglang"))
    assert run(command, "version").stdout == "sglang version: 0.5.11\n"
    environ = {**os.environ, "PYTHONPATH": first["PYTHONPATH"]}
    result = subprocess.run([*MODULE, "--no"], env=environ, capture_output=True, check=False)
    assert result.returncode == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serve", "m", "--no-such-flag"], "unrecognized arguments: --no-such-flag"),
        (["serve", "m", "--max-num-seqs", "many"], "invalid int value: 'many'"),
        (["serve", "m", "--port"], "expected one argument"),
        (["serv", "m"], "argument subcommand: invalid choice: 'serv'"),
    ],
)
def test_what_argparse_says_of_vllm(
    installed: Callable[..., None], words: list[str], message: str
) -> None:
    """The flags are those of its own release."""
    installed("0.33.0", "vllm")
    result = run("vllm", *words)
    assert result.returncode == 2
    assert message in result.stderr.splitlines()[-1]
    assert result.stderr.startswith("usage: vllm")


def test_version_and_help_of_vllm(installed: Callable[..., None]) -> None:
    """They are answered without starting anything."""
    installed("0.31.0", "vllm")
    assert run("vllm", "--version").stdout == "0.31.0\n"
    assert "--speculative-config" in run("vllm", "serve", "--help").stdout


@pytest.mark.parametrize(("there", "other"), [("sglang", "vllm"), ("vllm", "sglang")])
def test_an_image_without_the_engine(
    installed: Callable[..., None], there: str, other: str
) -> None:
    """A container whose image names another engine fails at once, with the reason in its error."""
    installed("0.33.0", there)
    process, last_lines = start_engine([other, "serve", "org/model"])
    said = f"exit code 127(.|\n)*has a stand-in for {other} only where the image names its version"
    with pytest.raises(RuntimeError, match=said):
        wait_ready(process, last_lines, "http://127.0.0.1:9/health", timeout=30)
