"""The stand-in loads, becomes ready, serves many, and leaves without cutting anyone off."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stand_ins import CHAT, HELLO, Start, events, eventually

from infra.runtime import client, engine

ENDLESS = {"messages": HELLO, "stream": True, "ignore_eos": True}


@pytest.mark.parametrize("module", [False, True])
def test_a_generated_modules_own_functions_work(start: Start, module: bool) -> None:
    """Readiness, warm-up and the streaming client do with it what they do with SGLang."""
    stand_in = start("--tp", "2", module=module)
    health = f"{stand_in.url}/health"
    engine.wait_ready(stand_in.process, stand_in.lines, health, timeout=60)
    engine.warm_up(stand_in.process, stand_in.lines, health, "any", timeout=60)
    asyncio.run(client.probe(stand_in.url, HELLO, timeout=60))
    assert engine.ask_engine(health, 60)[0] == 200
    engine.stop_engine(stand_in.process, grace_period=30)
    assert stand_in.process.returncode == 0


def test_the_caller_reads_what_it_is(ready: Start) -> None:
    """What the caller is answered says that it is a stand-in."""
    # Not as printed: the engine's own log is printed beside it, from another thread.
    stand_in = ready()

    async def answer() -> str:
        async with aiohttp.ClientSession(base_url=stand_in.url) as session:
            return await client.stream_chat(session, HELLO)

    assert "This is a stand-in for SGLang" in asyncio.run(answer())


def test_it_is_not_ready_while_it_loads(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 for health and chats until the weights are there; SIGTERM ends it meanwhile."""
    monkeypatch.setenv("INFRA_SIMULATED_SPEED", "1")
    stand_in = start(model="org/Model-900000B")
    assert eventually(lambda: _reachable(stand_in.url))
    assert stand_in.ask("/health") == (503, "")
    status, text = stand_in.ask(CHAT, {"messages": HELLO})
    assert (status, json.loads(text)["message"]) == (503, "The engine is loading.")
    stand_in.process.terminate()
    assert stand_in.process.wait(timeout=60) == 0


def test_health_changes_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 503 first and 200 for good from then on."""
    monkeypatch.setenv("INFRA_SIMULATED_SPEED", "50")
    monkeypatch.setenv("SGLANG_ENABLE_JIT_DEEPGEMM", "0")
    stand_in = start()
    assert eventually(lambda: _reachable(stand_in.url))
    statuses = [stand_in.ask("/health")[0]]
    while 200 not in statuses:
        statuses.append(stand_in.ask("/health")[0])
    statuses += [stand_in.ask("/health_generate")[0], stand_in.ask("/health")[0]]
    assert statuses == [503] * (len(statuses) - 3) + [200] * 3


def test_a_start_fills_the_cache_of_kernels(start: Start, tmp_path: Path) -> None:
    """Compiling ahead leaves the cache warm, and the start says so."""
    command = [sys.executable, "-m", "sglang.compile_deep_gemm", "--model", "org/M-8B-FP8"]
    done = subprocess.run([*command, "--timeout", "9"], capture_output=True, text=True, check=True)
    assert "Kernels compilation finished successfully." in done.stdout
    cache = tmp_path / "home" / ".cache" / "deep_gemm"
    assert len(list(cache.iterdir())) == 1
    stand_in = start(model="org/M-8B-FP8").wait_ready()
    assert any(f"DeepGEMM kernels: 5 s with {cache}" in line for line in stand_in.lines)


def test_many_at_once(ready: Start) -> None:
    """Sixty-four callers get each of their answers whole; no more run than may, the rest wait."""
    stand_in = ready(
        *("--enable-metrics", "--max-running-requests", "16", "--decode-log-interval", "1"),
        *("--log-level-http", "warning"),
    )

    async def call(session: aiohttp.ClientSession) -> set[str]:
        answers = set()
        for _ in range(3):
            async with session.post(CHAT, json={"messages": HELLO, "stream": True}) as response:
                chunks = events(await response.text())
            text = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
            answers.add("".join(text))
        return answers

    async def call_all() -> list[set[str]]:
        async with aiohttp.ClientSession(stand_in.url) as session:
            return await asyncio.gather(*(call(session) for _ in range(64)))

    answers = set.union(*asyncio.run(call_all()))
    assert len(answers) == 1
    assert stand_in.metric("num_requests_total") == 64 * 3
    assert stand_in.metric("num_aborted_requests_total") == 0
    assert stand_in.metric("num_running_reqs") == 0
    assert stand_in.metric("queue_time_seconds_sum") > 0
    running = [
        int(line.partition("#running-req: ")[2].partition(",")[0])
        for line in stand_in.lines
        if "Decode batch" in line
    ]
    assert 1 < max(running) <= 16


def test_a_client_that_goes_away_frees_its_place(
    ready: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request is dropped in the middle, and the next one runs in its place."""
    monkeypatch.setenv("INFRA_SIMULATED_SPEED", "100")
    monkeypatch.setenv("SGLANG_ENABLE_JIT_DEEPGEMM", "0")
    stand_in = ready("--enable-metrics", "--max-running-requests", "1")
    with _stream(stand_in.url, max_tokens=10**7) as response:
        assert response.readline().startswith(b"data: ")
    assert eventually(lambda: stand_in.metric("num_aborted_requests_total") == 1)
    assert stand_in.chat()["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_under_way_is_finished(
    ready: Start, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Told to stop, it refuses what is new, completes what it has begun, and exits with 0."""
    monkeypatch.setenv("INFRA_SIMULATED_SPEED", "20")
    monkeypatch.setenv("SGLANG_ENABLE_JIT_DEEPGEMM", "0")
    stand_in = ready("--skip-server-warmup", model="org/Model-0.001B")
    with _stream(stand_in.url, max_tokens=20_000) as response:
        beginning = response.readline()
        stand_in.process.send_signal(number)
        assert eventually(lambda: not _reachable(stand_in.url))
        text = (beginning + response.read()).decode()
    *_, last = events(text)
    assert last["choices"][0]["finish_reason"] == "length"
    assert stand_in.process.wait(timeout=60) == 0


def test_a_taken_port_ends_it(ready: Start) -> None:
    """A second engine on the same port says so and fails."""
    stand_in = ready()
    port = stand_in.url.rpartition(":")[2]
    command = ["sglang", "serve", "--model-path", "org/M-8B", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert f"('127.0.0.1', {port})" in result.stderr


def _reachable(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=60):
            return True
    except urllib.error.HTTPError as answered:
        answered.close()
        return True
    except OSError:
        return False


@contextlib.contextmanager
def _stream(url: str, **fields: Any) -> Any:
    """An endless stream, as it comes."""
    body = json.dumps({**ENDLESS, **fields}).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url + CHAT, body, headers)) as response:
        yield response
