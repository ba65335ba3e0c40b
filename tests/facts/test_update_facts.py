"""Catalogues are read from the text of releases, which is never run."""

import json
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from infra.facts.flags import CATALOGUES, release
from scripts.facts import catalogue
from scripts.facts.sglang_source import options
from scripts.facts.source import Tree, UnreadableError

ROOT = Path(__file__).parent.parent.parent
CALLS = """
import argparse, json
from sglang.srt.names import BACKENDS, Names, nullable
from .names import Hash

raise SystemExit("this text is not to be run")

@dataclass
class ServerArgs:
    host: str = "127.0.0.1"
    limit: int = 10 * 1000

    @staticmethod
    def add_cli_args(parser):
        names = list(Names.known.keys())
        parser.add_argument("--model-path", "--model", type=str, required=True, help="where")
        parser.add_argument("--host", type=str, default=ServerArgs.host)
        parser.add_argument("--limit", type=int, default=ServerArgs.limit)
        parser.add_argument("--backend", type=str, choices=BACKENDS + ["none"])
        parser.add_argument("--name", type=str, choices=["auto"] + names)
        parser.add_argument("--hash", type=str, choices=[m.name.lower() for m in Hash])
        parser.add_argument("--labels", type=json.loads, default=None)
        parser.add_argument("--path", type=nullable)
        parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2])
        parser.add_argument("--fast", action="store_true", help="[Deprecated] Use --backend=fast.")
        parser.add_argument("--old", action=DeprecatedAction, error_message="use --new")
        parser.add_argument("--shared", action=argparse.BooleanOptionalAction, default=True)
        parser.add_argument("--computed", type=str, choices=computed(1))
"""
NAMES = """
from enum import IntEnum
BACKENDS = ["a", "b"]
class Names:
    known: dict = {"x": Detector, "y": Detector}
class Hash(IntEnum):
    NONE = 0
    ALL = 1
"""
FIELDS = """
from sglang.srt.names import BACKENDS

class ServerArgs:
    model_path: A[str, Arg(help="where", aliases=["--model"])]
    limit: A[Optional[int], "how many", NS("x")] = None
    tp_size: A[int, Arg(cli_name="--tensor-parallel-size")] = 1
    mode: A[Literal["null", "prefill"], Arg(help="which")] = "null"
    ports: A[Optional[List[int]], "several"] = None
    labels: A[Optional[Dict[str, str]], Arg(type_parser=json.loads)] = None
    context: A[Optional[int], Arg(type_parser=human_readable_int)] = None
    is_on: A[Optional[bool], "a switch"] = None
    prefixes: A[List[str], "several"] = dataclasses.field(default_factory=lambda: list(BACKENDS))
    paths: A[Optional[List[str]], Arg(action=LoRAPathAction, action_kwargs={"nargs": "*"})] = None
    inner: A[int, Arg(no_cli=True)] = 0
    plain: int = 0
    other: A[str, NS("x")] = ""

    @staticmethod
    def add_cli_args(parser):
        add_cli_args_from_dataclass(parser, ServerArgs)
        parser.add_argument("--gone", action=DeprecatedStoreTrueAction, new_flag="--mode")
"""


def written(folder: Path, text: str) -> Path:
    """A tree with that text as its server_args.py."""
    package = folder / "sglang" / "srt"
    package.mkdir(parents=True)
    (package / "server_args.py").write_text(text, encoding="utf-8")
    (package / "names.py").write_text(NAMES, encoding="utf-8")
    return folder


def test_calls_are_read(tmp_path: Path) -> None:
    """Each add_argument is an option; names of other modules are followed, nothing is run."""
    assert options(written(tmp_path, CALLS)) == [
        {"names": ["--model-path", "--model"], "required": True},
        {"names": ["--host"], "default": "127.0.0.1"},
        {"names": ["--limit"], "type": "int", "default": 10000},
        {"names": ["--backend"], "choices": ["a", "b", "none"]},
        {"names": ["--name"], "choices": ["auto", "x", "y"]},
        {"names": ["--hash"], "choices": ["none", "all"]},
        {"names": ["--labels"], "type": "loads"},
        {"names": ["--path"], "open": True},
        {"names": ["--sizes"], "type": "int", "nargs": "+", "default": [1, 2]},
        {"names": ["--fast"], "kind": "switch", "deprecated": "--backend=fast"},
        {"names": ["--old"], "kind": "refused", "message": "use --new"},
        {"names": ["--shared"], "kind": "boolean", "default": True},
        {"names": ["--computed"], "open": True},
    ]


def test_fields_are_read(tmp_path: Path) -> None:
    """Each annotated field with a place on the command line is an option of its type."""
    assert options(written(tmp_path, FIELDS)) == [
        {"names": ["--model-path", "--model"], "required": True},
        {"names": ["--limit"], "type": "int"},
        {"names": ["--tensor-parallel-size"], "type": "int", "default": 1},
        {"names": ["--mode"], "choices": ["null", "prefill"], "default": "null"},
        {"names": ["--ports"], "type": "int", "nargs": "+"},
        {"names": ["--labels"], "type": "loads"},
        {"names": ["--context"], "type": "human_int"},
        {"names": ["--is-on"], "kind": "switch", "default": None},
        {"names": ["--prefixes"], "nargs": "+", "default": ["a", "b"]},
        {"names": ["--paths"], "type": "lora_path", "nargs": "*"},
        {"names": ["--gone"], "kind": "switch", "deprecated": "--mode"},
    ]


@pytest.mark.parametrize(
    "text", ["unknown", "unknown()", "ServerArgs.none", "open('x')", "[len(m) for m in ['a']]"]
)
def test_what_only_a_run_would_tell_is_said_so(tmp_path: Path, text: str) -> None:
    """An expression that is no constant is unreadable, not guessed."""
    tree = Tree(written(tmp_path, f"class ServerArgs:\n    pass\nvalue = {text}"))
    module = tree.module("sglang.srt.server_args")
    _, node = module.definition("value")
    with pytest.raises(UnreadableError):
        module.value(node)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CATALOGUES.values())
def test_a_catalogue_has_one_form(name: str) -> None:
    """The shipped file is what its own content makes: the order and the layout are no choice."""
    shipped = files("infra.facts").joinpath(f"{name}.json").read_text("utf-8")
    content = json.loads(shipped)
    found = catalogue.releases(content)
    assert catalogue.text(found, source=content["source"], date=content["date"]) == shipped


def test_values_are_named_as_in_the_newest_release() -> None:
    """Of a flag with two names the key is the one that the newest release puts first."""
    before: list[dict[str, Any]] = [{"names": ["--long-size", "--size"]}, {"names": ["--gone"]}]
    after: list[dict[str, Any]] = [{"names": ["--size", "--long-size"]}]
    keyed = catalogue.keyed({"1": before, "2": after})
    assert keyed["1"][0] == {**before[0], "key": "--size"}
    assert (keyed["1"][1], keyed["2"][0]) == (before[1], after[0])


def test_defaults_are_those_of_the_release() -> None:
    """A default changes with the release; None is one, too, where a switch may be left open."""
    assert release("sglang", "0.5.6.post2").default("--log-requests-level") == 2
    assert release("sglang", "0.5.11").default("--host") == "127.0.0.1"
    assert release("sglang", "0.5.11").default("--enable-metrics") is False
    assert release("sglang", "0.5.11").default("--enable-lora") is None


def wheel(folder: Path, version: str) -> None:
    """A wheel of a release of one flag."""
    about = f"sglang-{version}.dist-info/METADATA"
    with zipfile.ZipFile(folder / f"sglang-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(zipfile.ZipInfo(about, (2027, 1, 2, 0, 0, 0)), "Name: sglang\n")
        archive.writestr("sglang/srt/server_args.py", CALLS)
        archive.writestr("sglang/srt/names.py", NAMES)


def updated(*words: str) -> "subprocess.CompletedProcess[str]":
    """The script, told to write nothing."""
    command = [sys.executable, str(ROOT / "scripts" / "update_facts"), "--check", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_release_that_is_missing_is_told(tmp_path: Path) -> None:
    """With a wheel that the catalogue lacks it is out of date, and what is open is named."""
    wheel(tmp_path, "0.9.0")
    done = updated("--from", str(tmp_path), "0.9.0")
    assert (done.returncode, done.stdout) == (
        1,
        "choices or types that the source does not tell: --computed, --path\n"
        "infra/facts/sglang_flags.json: run scripts/update_facts\n",
    )


def test_a_wheel_that_is_missing_is_told(tmp_path: Path) -> None:
    """A folder without the wheel is named, without a traceback."""
    done = updated("--from", str(tmp_path), "0.9.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"{tmp_path}: has no wheel of sglang 0.9.0"
