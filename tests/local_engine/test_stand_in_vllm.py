"""The stand-in for vLLM: its own flags, its own answers, the same modelled engine."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from stand_ins import CHAT, HELLO, MODEL, StandIn, Start, events

from infra.facts.flags import release
from infra.local.engine.flags import Flags
from infra.local.engine.settings import Settings, read_settings
from infra.local.engine.time_model import Speculation

MTP = {"method": "mtp", "num_speculative_tokens": 2}
EAGLE3 = {"method": "eagle3", "model": "org/draft", "num_speculative_tokens": 3}


def settings(*flags: str, gpu: str = "H100", version: str = "0.33.0") -> Settings:
    """What these flags ask for."""
    parsed = release("vllm", version).parse(["--model", MODEL, *flags])
    assert parsed.error is None
    return read_settings("vLLM", version, Flags(parsed.values), {"INFRA_SIMULATED_GPU": gpu})


def test_it_serves(serve_vllm: Start) -> None:
    """A whole chat and a stream, as a generated module asks for them."""
    engine = serve_vllm("--tensor-parallel-size", "2", "--max-model-len", "8K")
    assert engine.ask("/health") == (200, "")
    assert json.loads(engine.ask("/version")[1]) == {"version": "0.33.0"}
    card = json.loads(engine.ask("/v1/models")[1])["data"][0]
    assert (card["id"], card["max_model_len"]) == (MODEL, 8192)
    whole = engine.chat(max_tokens=20)
    assert whole["model"] == MODEL
    assert whole["system_fingerprint"] == "infra-stand-in"
    text = engine.chat()["choices"][0]["message"]["content"]
    assert text.startswith("This is a stand-in for vLLM and not a language model")
    stream = events(engine.ask(CHAT, {"messages": HELLO, "stream": True})[1])
    pieces = [each["choices"][0]["delta"].get("content") or "" for each in stream]
    assert "".join(pieces) == text
    assert any("This is a stand-in for vLLM 0.33.0" in line for line in engine.lines)
    assert engine.ask("/server_info")[0] == engine.ask("/metrics")[0] == 404


def test_only_what_is_served_is_found(serve_vllm: Start) -> None:
    """Another model is refused; the first of the served ones answers to each of their names."""
    engine = serve_vllm("--served-model-name", "chat", "chat-8b")
    status, text = engine.ask(CHAT, {"messages": HELLO, "model": MODEL})
    assert status == 404
    assert json.loads(text)["error"] == {
        "message": f"The model `{MODEL}` does not exist.",
        "type": "NotFoundError",
        "param": None,
        "code": 404,
    }
    for named in ({"model": "chat"}, {"model": "chat-8b"}, {}):
        assert engine.chat(**named)["model"] == "chat"
    assert json.loads(engine.ask(CHAT, {"messages": []})[1])["error"]["code"] == 400


def test_each_key_opens_it(serve_vllm: Start) -> None:
    """A key is wanted under /v1 alone; any of several will do."""
    engine = serve_vllm("--api-key", "one", "two")
    assert engine.ask("/version")[0] == 200
    assert engine.ask("/v1/models") == (401, '{"error":"Unauthorized"}')
    for key, status in (("one", 200), ("two", 200), ("three", 401)):
        assert engine.ask("/v1/models", headers={"Authorization": f"Bearer {key}"})[0] == status


def test_it_thinks_under_its_own_word(serve_vllm: Start) -> None:
    """The reasoning is in `reasoning`, whole as well as in pieces."""
    engine = serve_vllm("--reasoning-parser", "qwen3")
    message = engine.chat()["choices"][0]["message"]
    assert message["reasoning"].startswith("A model would think here.")
    assert "reasoning_content" not in message
    stream = events(engine.ask(CHAT, {"messages": HELLO, "stream": True})[1])
    pieces = [each["choices"][0]["delta"].get("reasoning") or "" for each in stream]
    assert "".join(pieces) == message["reasoning"]


@pytest.mark.parametrize("flags", [(), ("--enable-prompt-tokens-details",)])
def test_cached_tokens_are_told_if_asked_for(serve_vllm: Start, flags: tuple[str, ...]) -> None:
    """Without its flag vLLM does not say what its prefix cache had."""
    engine = serve_vllm(*flags)
    first, second = (_cached(engine) for _ in range(2))
    assert first == 0
    assert (second > 0) == bool(flags)


def _cached(engine: StandIn) -> int:
    usage = engine.chat(messages=[{"role": "user", "content": "Hello " * 100}])["usage"]
    return (usage["prompt_tokens_details"] or {"cached_tokens": 0})["cached_tokens"]


@pytest.mark.parametrize(
    ("flags", "read", "expected"),
    [
        ((), lambda it: (it.port, it.max_running, it.chunk), (8000, 1024, 8192)),
        ((), lambda it: it.times.memory_fraction, 0.92),
        ((), lambda it: (it.kernel_cache, it.context_length), (None, None)),
        (("--gpu-memory-utilization", "0.5"), lambda it: it.times.memory_fraction, 0.5),
        (("--max-num-seqs", "16"), lambda it: it.max_running, 16),
        (("--max-num-seqs", "16"), lambda it: max(it.times.graph_sizes), 32),
        (("--max-num-batched-tokens", "4k"), lambda it: it.chunk, 4000),
        (("--max-model-len", "32K"), lambda it: it.context_length, 32768),
        (("--max-model-len", "auto"), lambda it: it.context_length, None),
        (("-tp", "4"), lambda it: it.times.tp, 4),
        (("--enforce-eager",), lambda it: it.times.graph_sizes, ()),
        (("--no-enforce-eager",), lambda it: max(it.times.graph_sizes), 512),
        (("--max-cudagraph-capture-size", "64"), lambda it: max(it.times.graph_sizes), 64),
        (("--cudagraph-capture-sizes", "1", "24"), lambda it: max(it.times.graph_sizes), 24),
        (
            ("--compilation-config", '{"cudagraph_capture_sizes": [1, 2, 4]}'),
            lambda it: max(it.times.graph_sizes),
            4,
        ),
        (
            ("--spec-method", "ngram", "--spec-tokens", "3"),
            lambda it: it.times.speculation.draft_tokens,
            4,
        ),
        (
            ("--speculative-config.method", "ngram", "-sc.num-speculative-tokens", "3"),
            lambda it: it.times.speculation.draft_tokens,
            4,
        ),
        (("--kv-cache-dtype", "fp8"), lambda it: it.times.kv_width, 1.0),
        (("--no-enable-prefix-caching",), lambda it: it.flags.has("--disable-radix-cache"), True),
        (("--enable-prefix-caching",), lambda it: it.flags.has("--disable-radix-cache"), False),
    ],
)
def test_flags_that_have_an_effect(
    flags: tuple[str, ...], read: Callable[[Settings], Any], expected: Any
) -> None:
    """They change the modelled engine, from vLLM's own defaults."""
    assert read(settings(*flags)) == expected


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ("L40S", (256, 2048)),
        ("A100-80GB", (256, 2048)),
        ("H200", (1024, 8192)),
        ("B200", (1024, 16384)),
    ],
)
def test_defaults_depend_on_the_gpu(gpu: str, expected: tuple[int, int]) -> None:
    """A large GPU runs more requests at once and takes longer passes; an A100 does not."""
    found = settings(gpu=gpu)
    assert (found.max_running, found.chunk) == expected


@pytest.mark.parametrize(
    ("config", "method", "tokens"),
    [
        (MTP, "MTP", 3),
        (EAGLE3, "EAGLE3", 4),
        ({**EAGLE3, "method": "draft_model"}, "STANDALONE", 4),
        ({"method": "ngram", "num_speculative_tokens": 5}, "NGRAM", 6),
    ],
)
def test_speculation(config: Mapping[str, Any], method: str, tokens: int) -> None:
    """One object says how it drafts; a pass verifies the drafted tokens and one more."""
    found = settings("--speculative-config", json.dumps(config)).times
    assert isinstance(found.speculation, Speculation)
    assert (found.speculation.method, found.speculation.draft_tokens) == (method, tokens)
    assert max(found.graph_sizes) == 512 // tokens
