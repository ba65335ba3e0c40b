"""Whole services, as they are generated, answer chats through their routers."""

import asyncio
import json
from typing import Any

import aiohttp
from daemons import ROOT, Daemon, get

from infra.local.router import REPLICA
from infra.runtime.client import event_data

CASES = ROOT / "tests" / "cases"
MODULES = {
    "example-nemotron-inference.Server": CASES / "seed_000" / "example_nemotron_inference.py",
    "example-sglang-low-latency.SGLang": CASES / "seed_001" / "example_sglang_low_latency.py",
    "example-server-door.Qwen38b": CASES / "server_door" / "example_server_door.py",
}
QUESTION = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, "max_tokens": 20}


def secrets(daemon: Daemon) -> None:
    """Those that the services ask for."""
    for name in ("huggingface-secret", "metrics-secret", "adapters-secret"):
        daemon.modal("secret", "create", name, "HF_TOKEN=none")


def proxy_headers(daemon: Daemon) -> dict[str, str]:
    """What a server wants to see."""
    environ = daemon.environ()
    return {
        "Modal-Key": environ["MODAL_PROXY_TOKEN_ID"],
        "Modal-Secret": environ["MODAL_PROXY_TOKEN_SECRET"],
    }


def chat(
    url: str, headers: dict[str, str], session: str | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """The replica that answered, and the events of its stream up to the one that ends it."""

    async def ask() -> tuple[str, list[dict[str, Any]]]:
        sticky = {"Modal-Session-ID": session} if session else {}
        async with (
            aiohttp.ClientSession(url, headers=headers | sticky) as client,
            client.post("/v1/chat/completions", json=QUESTION) as response,
        ):
            assert response.status == 200, await response.text()
            events = [each async for each in event_data(response.content.iter_any())]
            assert events.pop() == "[DONE]"
            return response.headers[REPLICA], [json.loads(event) for event in events]

    return asyncio.run(ask())


def test_they_run_side_by_side(daemon: Daemon) -> None:
    """Two replicas of each of three, all on port 8000 of their own: every one streams a chat."""
    secrets(daemon)
    headers = proxy_headers(daemon)
    for module in MODULES.values():
        daemon.modal("deploy", str(module))
    functions = {}
    for name in MODULES:
        app, _, service = name.partition(".")
        functions[name] = f"""
info = modal.App.lookup({app!r}).info()
if {service!r} in info.servers:
    scaler = modal.Server.from_id(info.servers[{service!r}]).autoscaler
else:
    scaler = modal.Function.from_id(info.functions[{service + ".*"!r}]).autoscaler
scaler.update(min_containers=2)
"""
    daemon.python("\n".join(["import modal", *functions.values()]))
    answered = {}
    for name in MODULES:
        url = daemon.ready(name, 2)
        # Without a session they take turns.
        answers = [chat(url, headers) for _ in range(4)]
        answered[name] = {replica for replica, _ in answers}
        assert all(each["object"] == "chat.completion.chunk" for each in answers[0][1])
        assert {chat(url, headers, "mine")[0] for _ in range(4)} < answered[name]
    assert [len(replicas) for replicas in answered.values()] == [2, 2, 2]
    assert len(set.union(*answered.values())) == 6
    assert get(daemon.service("example-server-door.Qwen38b").url)[0] == 401


def test_a_service_on_vllm(daemon: Daemon) -> None:
    """It is rehearsed as one on SGLang is: the generated module starts `vllm serve` and answers."""
    daemon.modal("deploy", str(CASES / "vllm" / "example_vllm.py"))
    name = "example-vllm.Qwen38b"
    headers = proxy_headers(daemon)
    assert get(f"{daemon.service(name).url}/health", headers)[0] == 503
    _, events = chat(daemon.ready(name, 1), headers)
    assert {each["system_fingerprint"] for each in events} == {"infra-stand-in"}
    pieces = [each["choices"][0]["delta"].get("content") or "" for each in events]
    assert "".join(pieces).startswith("This is a stand-in for vLLM and not")


def test_the_dev_stack_starts_with_the_first_request(daemon: Daemon) -> None:
    """Nothing runs until somebody asks; then the generated modules serve."""
    secrets(daemon)
    for module in sorted((ROOT / "stacks" / "generated" / "dev").glob("*.py")):
        daemon.modal("deploy", str(module))
    for service in daemon.status().services:
        assert service.ready == service.wanted == 0
        assert get(f"{service.url}/health")[0] == 503
        url = daemon.ready(service.name, 1)
        replica, events = chat(url, {})
        assert {each["system_fingerprint"] for each in events} == {"infra-stand-in"}
        assert replica in daemon.modal("container", "list")
    listed = json.loads(daemon.modal("app", "list", "--json"))
    assert [each["tasks"] for each in listed] == ["1", "1"]
