"""What was deployed to a rehearsal is called under the URL that it has there."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

STACK = """
from components import ImageSpec, InferenceService, RoutingPolicy
from infra import App, Stack

def chat(name, front_door):
    return InferenceService(
        name=name,
        model="Qwen/Qwen3-8B-FP8",
        gpu="H100!",
        image=ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").entrypoint([]),
        routing=RoutingPolicy(region="us-east", target_inputs=10, front_door=front_door),
        startup_timeout=900,
    )

stack = Stack("dev", apps=[App("chats", [chat("open", "http_server"), chat("closed", "server")])])
"""
LARGE = """
from components import ImageSpec, InferenceService, Model, ModelFacts, RoutingPolicy
from infra import App, Stack

facts = ModelFacts(weight_bytes=65248815744, layers=36, heads=64, kv_heads=8, head_size=64)
stack = Stack("dev", apps=[App("chats", [InferenceService(
    name="big-chat",
    model=Model("some/Model-120B", facts=facts),
    gpu="H100!",
    image=ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").entrypoint([]),
    routing=RoutingPolicy(region="us-east", target_inputs=10),
    startup_timeout=900,
)])])
"""
# Without a stand-in the engine ends at once, each time.
FAILING = STACK.replace("lmsysorg/sglang:v0.5.11", "nvidia/cuda:12.8.1-devel-ubuntu22.04")


@pytest.fixture(name="infra")
def _infra(environ: dict[str, str], tmp_path: Path) -> Iterator[Run]:
    """Runs `infra` in a folder with a stack; a rehearsal that it has started ends with the test."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "dev.py").write_text(STACK)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", *arguments],
            cwd=tmp_path,
            env={**environ, "INFRA_SIMULATED_SPEED": "off"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    yield run
    assert run("local", "down").returncode == 0


def test_services_of_a_rehearsal(infra: Run) -> None:
    """Each is called where it answers, from no replica on, with the token that its door wants."""
    nothing = infra("probe", "stacks/dev.py", "open")
    assert "Error: .infra/local: no rehearsal is running here; " in nothing.stderr
    assert infra("local", "up", "--detach").returncode == 0
    for given, advised in [([], ""), (["--target", "local", "-e", "lab"], " --env lab")]:
        bare = infra("probe", "stacks/dev.py", *given)
        # As it stands it would be refused without a target, for there are no credentials.
        assert bare.stderr.endswith(f"run `infra apply stacks/dev.py --target local{advised}`\n")
    assert infra("plan", "stacks/dev.py").returncode == 0
    applied = infra("apply", "--yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    several = infra("probe")
    assert several.returncode == 64
    assert "2 services are deployed, and a probe starts replicas" in several.stderr
    urls = json.loads(infra("outputs", "--json").stdout)
    for name in ("open", "closed"):
        result = infra("probe", name, "--json")
        assert result.returncode == 0, result.stderr
        assert "waiting: it answers 503: modal-http: no container is ready" in result.stderr
        document = json.loads(result.stdout)
        assert document["url"] == urls[name]["value"]
        assert (document["target"], document["stack"], document["service"]) == (
            "local",
            "dev",
            name,
        )
        assert document["same_replica"] is True


def test_a_rehearsal_has_the_stacks_figures(infra: Run, tmp_path: Path) -> None:
    """The engine is as large as the stack says; the module knows nothing of it."""
    (tmp_path / "stacks" / "dev.py").write_text(LARGE)
    assert infra("local", "up", "--detach").returncode == 0
    applied = infra("apply", "stacks/dev.py", "--target", "local", "--yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    modules = [*(tmp_path / ".infra" / "modules").rglob("*.py")]
    assert modules
    assert not any("65248815744" in each.read_text() for each in modules)
    result = infra("probe", "stacks/dev.py", "big-chat", "--target", "local", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["simulated_doubts"] is None
    assert not any(turn["cut_short"] for turn in document["turns"])
    assert "mem usage=65.25 GB" in infra("local", "logs", "big-chat").stdout
    # What is listed there is what can be typed everywhere.
    assert re.search(r"^chats +big-chat +v1 +1/1 ", infra("local", "status").stdout, re.MULTILINE)


def test_who_waits_in_vain_is_told(infra: Run, tmp_path: Path) -> None:
    """A service that fails over and over is not waited for; its reason is shown."""
    (tmp_path / "stacks" / "dev.py").write_text(FAILING)
    assert infra("local", "up", "--detach").returncode == 0
    applied = infra("apply", "stacks/dev.py", "--target", "local", "--yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    result = infra("probe", "stacks/dev.py", "open", "--target", "local", "--timeout", "1h")
    assert result.returncode == 1
    assert "Error: open: it has failed 3 times in a row: replica ta-" in result.stderr
    assert "has a stand-in for sglang only where the image names its version" in result.stderr
    assert "read `infra local logs chats.Open`" in result.stderr
    assert "\nchats.Open has failed 3 times in a row: " in infra("local", "status").stdout
