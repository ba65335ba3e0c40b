"""The two published services and one behind the newer front door, as they are generated."""

import asyncio
import io
import json
from pathlib import Path

import modal
import pytest
from rehearsals import Deploy, Rehearse, ask, service, started, survivors

from infra.local.replica_host import ReplicaHost

CASES = Path(__file__).parent.parent / "cases"
MODULES = {
    "Server": CASES / "seed_000" / "example_nemotron_inference.py",
    "SGLang": CASES / "seed_001" / "example_sglang_low_latency.py",
    "Qwen38b": CASES / "server_door" / "example_server_door.py",
}
VERSIONS = {"Server": "0.5.11", "SGLang": "0.5.6.post2", "Qwen38b": "0.5.20"}


def test_they_run_side_by_side(
    root: Path, deploy: Deploy, rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two replicas of each, all on port 8000: every one starts its engine and answers a chat."""
    monkeypatch.setenv("INFRA_SIMULATED_SPEED", "off")
    for name in ("huggingface-secret", "metrics-secret", "adapters-secret"):
        modal.Secret.objects.create(name, {"HF_TOKEN": "hf_x"})
    for module in MODULES.values():
        deploy(module)

    async def body(host: ReplicaHost) -> None:
        services = [service(root, class_name) for class_name in MODULES]
        assert {each.port for each in services} == {8000}
        replicas = await started(host, *services, *services)
        question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
        for replica in replicas:
            chat = io.BytesIO(json.dumps(question).encode())
            answer = await ask(replica, "/v1/chat/completions", chat)
            assert answer["choices"][0]["message"]["role"] == "assistant"
            version = VERSIONS[replica.service.class_name]
            assert any(f"SGLang {version}" in line for line in replica.last_lines)
        # An exit hook that runs ends the engine itself, which says so.
        await asyncio.gather(*(replica.stop(60) for replica in replicas))
        assert {replica.reason for replica in replicas} == {
            "it was asked to stop, and ended with exit code 0"
        }
        assert survivors(root) == []

    rehearse(body)
