"""The comparison with an engine's own parser finds what differs, and only that."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.facts.flags import release, versions
from scripts.facts.agreement import defaults_disagree, lines_disagree
from scripts.facts.lines import KINDS, Line, lines
from scripts.facts.speculation import disagreements, settings

ROOT = Path(__file__).parent.parent.parent
DRIVER = ROOT / "scripts" / "facts" / "sglang_driver.py"
CHECKED = json.loads((ROOT / "docs" / "checked.json").read_text(encoding="utf-8"))
KNOWN = release("sglang", "0.5.11")
FLAGS = [
    {"names": ["--model-path", "--model"], "dest": "model_path", "nargs": None, "type": "str"},
    {"names": ["--tensor-parallel-size", "--tp-size"], "dest": "tp", "nargs": None, "type": "int"},
    {"names": ["--enable-metrics"], "dest": "enable_metrics", "nargs": 0, "type": None},
    {"names": ["--mem-fraction-static"], "dest": "mem", "nargs": None, "type": "float"},
    {"names": ["--lora-paths"], "dest": "lora", "nargs": "*", "type": "str"},
]
FLAGS = [{"choices": None, "default": None, **each} for each in FLAGS]
# A release of an engine in four lines, and what of PyTorch the driver touches.
SERVER_ARGS = """
import os
import sgl_kernel.gemm
from sgl_kernel import matmul

class ServerArgs:
    @staticmethod
    def add_cli_args(parser):
        parser.add_argument("--size", type=int, default=1, choices={2, 1})
        parser.add_argument("--json", type=str, action=Crashing)

    @classmethod
    def from_cli_args(cls, args):
        made = cls()
        made.size = args.size
        return made

    def check_server_args(self):
        if "SEEN" in os.environ:
            raise ValueError("a check has seen what another one has set")
        os.environ["SEEN"] = "1"
        if self.size == 2:
            raise ValueError("2 is too many")
        self.size = 7

import argparse
class Crashing(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        assert values != "{}", "no name"
        setattr(namespace, self.dest, values)
"""
TORCH = """
class version: cuda = None
class cuda: pass
class library: pass
"""


def asked(folder: Path, **request: Any) -> Any:
    """What the driver answers to a request about the release above."""
    (folder / "sglang" / "srt").mkdir(parents=True, exist_ok=True)
    (folder / "sglang" / "srt" / "server_args.py").write_text(SERVER_ARGS, encoding="utf-8")
    (folder / "torch.py").write_text(TORCH, encoding="utf-8")
    request = {"lines": [], "checks": [], "fields": [], "stubs": ["sgl_kernel"], **request}
    done = subprocess.run(
        [sys.executable, str(DRIVER)],
        input=json.dumps(request),
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_driver_lets_the_release_read(tmp_path: Path) -> None:
    """Values without defaults, the parser's own error, or a crash: each line gets its answer."""
    told = asked(tmp_path, lines=[["--size", "1"], ["--si", "9"], ["--json", "{}"], []])
    assert told["flags"][0] == {
        "names": ["--size"],
        "dest": "size",
        "nargs": None,
        "type": "int",
        "choices": [1, 2],
        "default": 1,
    }
    read, refused, crashed, empty = told["lines"]
    assert (read, empty) == ({"values": {"size": 1}}, {"values": {}})
    assert refused["error"].startswith("argument --size: invalid choice: 9 (choose from ")
    assert crashed["crash"] == "AssertionError: no name"


def test_the_driver_lets_the_release_check(tmp_path: Path) -> None:
    """Each check has its own process, and tells the values that result or why there are none."""
    told = asked(tmp_path, checks=[["--size", "1"], ["--size", "2"], []], fields=["size", "no"])
    assert told["checks"] == [
        {"values": {"size": 7, "no": None}},
        {"error": "ValueError: 2 is too many"},
        {"values": {"size": 7, "no": None}},
    ]


def test_the_driver_names_what_is_missing(tmp_path: Path) -> None:
    """What the release imports and nobody has is named, and not stubbed unasked."""
    assert asked(tmp_path, stubs=[]) == {"missing": "sgl_kernel"}


def test_lines_are_of_every_kind() -> None:
    """A thousand lines hold every kind of fault, the same ones for the same seed."""
    made = lines(FLAGS, ["--of-old"], count=1000, seed="a")
    assert {kind for line in made for kind in line.kinds} == set(KINDS)
    assert made == lines(FLAGS, ["--of-old"], count=1000, seed="a")
    assert made != lines(FLAGS, ["--of-old"], count=1000, seed="b")


MODEL = ("--model-path", "m")


@pytest.mark.parametrize(
    ("words", "answer", "told"),
    [
        (("--tp-size", "2"), {"values": {"model_path": "m", "tp": 2}}, None),
        (("--mem", "0.80"), {"values": {"model_path": "m", "mem": 0.8}}, None),
        (("--lora-paths",), {"values": {"model_path": "m", "lora": []}}, None),
        (("--lora-paths", "{}"), {"crash": "AssertionError: no name"}, None),
        (("--nope",), {"error": "unrecognized arguments: --nope"}, None),
        (
            ("--tp-size", "2"),
            {"values": {"model_path": "m", "tp": 3}},
            "--tp-size: the engine reads 3, the catalogue '2'",
        ),
        (
            ("--tp-size", "2"),
            {"values": {"model_path": "m", "tp": 2, "more": 1}},
            "more: the engine reads 1, the catalogue nothing",
        ),
        (
            ("--tp-size", "2"),
            {"error": "no"},
            "the engine refuses it: no\n  the catalogue accepts it",
        ),
        (
            ("--nope",),
            {"values": {"model_path": "m"}},
            "the engine accepts it\n  the catalogue refuses it: unrecognized arguments: --nope",
        ),
        (
            ("--nope",),
            {"error": "another reason"},
            "the engine refuses it: another reason\n  the catalogue refuses it: unrecognized "
            "arguments: --nope",
        ),
    ],
)
def test_lines_that_differ_are_told(
    words: tuple[str, ...], answer: dict[str, Any], told: str | None
) -> None:
    """Acceptance, the reason of a refusal and the values that are read must be the same."""
    line = Line(words=(*MODEL, *words), kinds=("as declared",))
    found = list(lines_disagree(KNOWN, FLAGS, [line], [answer]))
    assert found == ([] if told is None else [f"{json.dumps(list(line.words))}\n  {told}"])


def test_defaults_that_differ_are_told() -> None:
    """A default of the catalogue's must be the engine's; one that it leaves open need not."""
    flags = [{"names": ["--host"], "default": "::"}, {"names": ["--device"], "default": "cuda"}]
    assert list(defaults_disagree(KNOWN, flags)) == ["--host: the default is '::', not '127.0.0.1'"]


def test_settings_that_differ_are_told(tmp_path: Path) -> None:
    """A service that one side refuses, or numbers that run as others, are disagreements."""
    made = settings("0.5.11", count=100, seed="1", folder=tmp_path)
    refused = [{"error": "ValueError: no"}] * len(made)
    started: list[dict[str, Any]] = [
        {
            "values": {
                f"speculative_{name}": each.flags.get(f"speculative_{name}")
                for name in ("num_steps", "eagle_topk", "num_draft_tokens")
            }
        }
        for each in made
    ]
    told = [list(disagreements(made, answers)) for answers in (refused, started)]
    assert all(told)
    assert all("SGLang: ValueError: no\n  rules: nothing" in each for each in told[0])
    assert sum("SGLang: starts" in each for each in told[1]) == len(made) - len(told[0])


def test_the_last_result_is_whole() -> None:
    """Four releases or more, 2000 lines or more each, and nothing on which both disagree."""
    assert set(CHECKED) <= set(versions("sglang"))
    assert {versions("sglang")[0], versions("sglang")[-1]} <= set(CHECKED)
    assert len(CHECKED) >= 4
    for result in CHECKED.values():
        assert result["lines"] >= 2000
        assert 0 < result["lines_refused"] < result["lines"]
        assert result["lines_disagree"] == result["settings_disagree"] == 0
