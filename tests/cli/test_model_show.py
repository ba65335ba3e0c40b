"""`infra model show`: what is known of a model, where it comes from, and what is no model."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., "CompletedProcess[str]"]
CONFIG = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 7, "hidden_size": 64}


@pytest.fixture
def stack(project: Path) -> str:
    """A stack that says how large its model is."""
    path = project / "stacks" / "dev.py"
    given = 'Model("acme/L", revision="a" * 40, facts=ModelFacts(weight_bytes=12_345))'
    text = path.read_text().replace('"Qwen/Qwen3-8B-FP8"', given)
    path.write_text(f"from components import Model, ModelFacts\n{text}")
    return "stacks/dev.py"


def lines(done: "CompletedProcess[str]") -> list[list[str]]:
    """The words of each line that was printed."""
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_a_stack_s_own_figures_are_shown(infra: Run, stack: str) -> None:
    """With a stack, what its plans know; without, only what everybody knows."""
    told = lines(infra("model", "show", "acme/L", "--stack", stack))
    assert ["weight_bytes", "12,345", "bytes", "the", "stack"] in told
    refused = infra("model", "show", "acme/L")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Error: acme/L: nothing is known of it; a model that comes with infra, was pulled or is "
        "described by a stack (--stack FILE) is allowed; run `infra model pull acme/L`\n"
    )


def test_a_stack_loads_what_it_loads(infra: Run, stack: str) -> None:
    """A model or a revision that a stack does not load is told with those that it does."""
    for words, said in (
        (["acme/M"], "acme/M: stacks/dev.py loads no such model; one of acme/L is allowed; "),
        (["acme/L", "--revision", "b"], f"acme/L: stacks/dev.py loads it at {'a' * 40}; "),
    ):
        refused = infra("model", "show", *words, "--stack", stack)
        assert (refused.returncode, refused.stdout) == (64, "")
        assert refused.stderr.startswith(f"Error: {said}")


def test_a_config_json_is_shown(infra: Run, project: Path) -> None:
    """A file's figures, and none that its name would tell."""
    (project / "config.json").write_text(json.dumps(CONFIG))
    told = lines(infra("model", "show", "config.json"))
    assert told[0] == ["config.json"]
    assert ["layers", "7"] in [line[:2] for line in told]
    assert not any("pull" in line for line in told)
    refused = infra("model", "show", "config.json", "--revision", "main")
    assert refused.returncode == 64
    assert "config.json: is a file; " in refused.stderr


def test_a_file_that_describes_no_model(infra: Run) -> None:
    """Another file, or one that is not there, is an error and no empty list."""
    for name, so in (("stacks/dev.py", "can't be read ("), ("config.json", "is not there; ")):
        refused = infra("model", "show", name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"{name}: {so}" in refused.stderr
