"""What the commands show and write of a stack with secrets in clear."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
TOKEN = "hf_" + "q" * 30
KEY = "sk-" + "w" * 30
WORDS = (TOKEN, KEY, "correct horse", "battery", "hunterGGG", "tok-abc", "topsecret")
STACK = f"""
from components import ImageSpec, InferenceService, SGLang
from infra import App, Stack

service = InferenceService(
    name="chat",
    model="Qwen/Qwen3-8B-FP8",
    gpu="H100",
    image=ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").run_commands(
        "login --token {TOKEN}", "curl -H 'Authorization: Bearer tok-abc' host"
    ),
    engine=SGLang(
        api_key="{KEY}", json_model_override_args='{{"a":{{"password":"hunterGGG"}}}}'
    ),
    environment={{"DB_PASSWORD": "correct horse", "URL": "postgres://me:battery@host/db"}},
)
stack = Stack("dev", apps=[App("chat", [service])], accept=ACCEPT)
"""


@pytest.mark.parametrize("accept", [{}, {"INF100": "a rehearsal"}])
def test_no_command_shows_or_writes_a_secret(
    infra: Run, project: Path, accept: dict[str, str]
) -> None:
    """Neither the screen nor a file beside the module has it, whether or not it is accepted."""
    (project / "stacks" / "dev.py").write_text(STACK.replace("ACCEPT", repr(accept)))
    files = ("plan.json", "plan.md")
    into = ("--diff", "--json-into", files[0], "--markdown-into", files[1])
    shown = infra("plan", "stacks/dev.py", "--target", "local", *into)
    assert shown.returncode == (0 if accept else 1), shown.stderr
    assert shown.stdout.count("(secret ") >= 8
    kept = project / ".infra" / "plan.json"
    texts = [shown.stdout, shown.stderr, *((project / each).read_text() for each in files)]
    if not accept:  # else it holds the modules that an apply would deploy
        texts.append(kept.read_text())
    assert [word for word in WORDS for text in texts if word in text] == []
    refused = infra("apply")
    assert ("can't be applied" in refused.stdout) != bool(accept)


def test_what_is_tried_is_not_shown(infra: Run, project: Path) -> None:
    """Neither the variables that are given as pairs nor those that hold now."""
    (project / "stacks" / "dev.py").write_text(STACK.replace("ACCEPT", "{}"))
    tried = 'chat.environment={"API_TOKEN":"topsecret"}'
    shown = infra("plan", "stacks/dev.py", "--what-if", tried)
    assert "API_TOKEN" in shown.stdout and "DB_PASSWORD" in shown.stdout
    assert shown.stdout.count("(secret ") >= 3
    assert [word for word in WORDS if word in shown.stdout + shown.stderr] == []


def test_synth_says_that_a_module_holds_a_secret(infra: Run, project: Path) -> None:
    """The module has what the stack file has, so that is said."""
    (project / "stacks" / "dev.py").write_text(STACK.replace("ACCEPT", "{}"))
    written = infra("synth", "stacks/dev.py")
    assert written.returncode == 0
    assert "generated/dev/chat.py holds what looks like a secret, in clear" in written.stderr
    checked = infra("synth", "stacks/dev.py", "--check", "--out", "elsewhere")
    assert [word for word in WORDS if word in checked.stdout] == []
