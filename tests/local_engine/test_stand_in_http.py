"""The stand-in answers as SGLang does, and says that it is none."""

import json
import re

import pytest
from stand_ins import CHAT, HELLO, MODEL, Start, events

from infra.facts.flags import release
from infra.local.engine.flags import Flags
from infra.local.engine.settings import read_settings

LONG = [{"role": "user", "content": "word " * 3000}]


def test_a_stream_has_openais_form(ready: Start) -> None:
    """The role first, then text, then the reason for the end, the usage if asked for, [DONE]."""
    engine = ready()
    body = {"messages": HELLO, "model": "any", "stream": True, "max_tokens": 7}
    status, text = engine.ask(CHAT, {**body, "stream_options": {"include_usage": True}})
    assert status == 200
    first, *middle, last, usage = events(text)
    assert first["choices"][0]["delta"] == {
        "reasoning_content": None,
        "role": "assistant",
        "content": "",
    }
    deltas = [chunk["choices"][0] for chunk in middle]
    assert "".join(each["delta"]["content"] for each in deltas).startswith("This is a stand-in")
    assert len(deltas) == 7  # one for each step
    assert {each["finish_reason"] for each in deltas} == {None}
    assert last["choices"][0]["finish_reason"] == "length"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 7
    chunks = [first, *middle, last, usage]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["id"] for chunk in chunks} == {first["id"]}
    assert {chunk["model"] for chunk in chunks} == {"any"}
    assert {chunk["system_fingerprint"] for chunk in chunks} == {"infra-stand-in"}


def test_a_whole_answer_is_the_stream_at_once(ready: Start) -> None:
    """Both ways bring the same text, which ends by itself; no model named is the served one."""
    engine = ready("--served-model-name", "me")
    whole = engine.chat()
    choice = whole["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert whole["model"] == "me"
    chunks = events(engine.ask(CHAT, {"messages": HELLO, "stream": True})[1])
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == choice["message"]["content"]
    assert "not a language model" in text
    usage = whole["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_reasoning_comes_first(ready: Start) -> None:
    """With a parser the stream begins with reasoning; a request can turn it off."""
    engine = ready("--reasoning-parser", "qwen3")
    message = engine.chat()["choices"][0]["message"]
    assert message["reasoning_content"]
    assert message["content"].startswith("This is")
    chunks = events(engine.ask(CHAT, {"messages": HELLO, "stream": True})[1])
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:-1]]
    kinds = ["content" if delta.get("content") else "reasoning_content" for delta in deltas]
    assert kinds == sorted(kinds, reverse=True)
    assert len(set(kinds)) == 2
    off = engine.chat(chat_template_kwargs={"enable_thinking": False})
    assert off["choices"][0]["message"]["reasoning_content"] is None
    short = engine.chat(max_tokens=3)["choices"][0]
    assert (short["message"]["content"], short["finish_reason"]) == (None, "length")


def test_plain_completions(ready: Start) -> None:
    """Sixteen tokens by default, whole or as a stream."""
    engine = ready()
    status, text = engine.ask("/v1/completions", {"prompt": "Hello"})
    whole = json.loads(text)
    assert status == 200
    assert whole["object"] == "text_completion"
    assert whole["usage"]["completion_tokens"] == 16
    chunks = events(engine.ask("/v1/completions", {"prompt": "Hello", "stream": True})[1])
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["text"] for choice in choices) == whole["choices"][0]["text"]
    assert [choice["finish_reason"] for choice in choices][-2:] == [None, "length"]
    echoed = engine.ask("/v1/completions", {"prompt": [[1, 2]], "echo": True, "max_tokens": 1})[1]
    assert json.loads(echoed)["choices"][0]["text"] == "<1><2>This"


WRONG = [
    (CHAT, {"messages": []}, "Messages cannot be empty."),
    (CHAT, {}, "messages: "),
    (CHAT, {"messages": ["hi"]}, "messages: "),
    (CHAT, [], "JSON object"),
    (CHAT, {"messages": HELLO, "max_tokens": 0}, "max_tokens: 0"),
    (CHAT, {"messages": HELLO, "stream": "yes"}, "stream: 'yes'"),
    (CHAT, {"messages": HELLO, "n": 2}, "n: "),
    (CHAT, {"messages": HELLO, "model": 3}, "model: "),
    (CHAT, {"messages": LONG}, "is longer than the model's context length (500 tokens)."),
    (CHAT, {"messages": HELLO, "max_tokens": 490}, "maximum context length of 500 tokens"),
    ("/v1/completions", {"prompt": ""}, "Prompt cannot be empty"),
    ("/v1/completions", {"prompt": ["a", "b"]}, "prompt: "),
]


def test_a_wrong_body_is_refused(ready: Start) -> None:
    """Status 400 and an error object that says what is wrong."""
    engine = ready("--context-length", "500")
    for path, body, message in WRONG:
        status, text = engine.ask(path, body)
        assert status == 400, text
        refused = json.loads(text)
        assert (refused["object"], refused["code"]) == ("error", 400)
        assert message in refused["message"]
    assert engine.ask(CHAT, {}, {"Content-Type": "text/plain"})[0] == 400


def test_what_it_tells_of_itself(ready: Start) -> None:
    """Models, server, page; unknown paths and wrong methods are JSON errors as FastAPI's."""
    engine = ready("--tp", "2", "--api-key", "secret", "--context-length", "4096")
    key = {"Authorization": "Bearer secret"}
    assert engine.ask("/v1/models")[0] == 401
    assert engine.ask("/v1/models", headers={"Authorization": "Bearer no"})[0] == 401
    (card,) = json.loads(engine.ask("/v1/models", headers=key)[1])["data"]
    assert (card["id"], card["max_model_len"]) == (MODEL, 4096)
    assert engine.ask(f"/v1/models/{MODEL}", headers=key)[0] == 200
    assert engine.ask("/v1/models/other", headers=key)[0] == 404
    for path in ("/server_info", "/get_server_info"):
        text = engine.ask(path, headers=key)[1]
        assert "secret" not in text
        info = json.loads(text)
        assert (info["tp_size"], info["version"], info["context_length"]) == (2, "0.5.11", 4096)
    assert json.loads(engine.ask("/model_info", headers=key)[1])["model_path"] == MODEL
    assert "it generates no real text" in engine.ask("/docs", headers=key)[1]
    assert engine.ask("/nope", headers=key) == (404, '{"detail":"Not Found"}')
    assert engine.ask("/docs", {}, key) == (405, '{"detail":"Method Not Allowed"}')
    assert engine.ask("/metrics", headers=key)[0] == 404
    assert any("it generates no real text" in line for line in engine.lines)


def test_metrics_have_sglangs_names(ready: Start) -> None:
    """Each name of the list that dashboards use is there, in the format of Prometheus."""
    engine = ready("--enable-metrics", "--decode-log-interval", "1")
    engine.chat()
    status, text = engine.ask("/metrics")
    assert status == 200
    names = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    gauges = {
        *("cache_hit_rate", "spec_accept_length", "spec_accept_rate", "token_usage"),
        *("mamba_usage", "num_running_reqs", "num_queue_reqs", "gen_throughput", "utilization"),
        *("is_cuda_graph", "engine_startup_time", "engine_load_weights_time"),
    }
    histograms = {
        *("time_to_first_token_seconds", "inter_token_latency_seconds"),
        *("e2e_request_latency_seconds", "queue_time_seconds"),
    }
    assert {f"sglang:{name}" for name in gauges | histograms} <= names
    pattern = re.compile(
        r'sglang:\w+\{model_name="[^"]+"|sglang:\w+\{engine_type="unified",.*\} \S+'
    )
    assert all(pattern.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
    assert engine.metric("num_running_reqs") == 0
    assert engine.metric("gen_throughput") > 0


def test_the_times_are_those_of_the_model(ready: Start) -> None:
    """What a request is counted to have taken is what the model of time says, to the last digit."""
    flags = ("--model-path", MODEL, "--tp", "2")
    values = release("sglang", "0.5.11").parse(flags).values
    times = read_settings("SGLang", "0.5.11", Flags(values), {}).times
    engine = ready("--tp", "2", "--enable-metrics")
    usage = engine.chat(max_tokens=3)["usage"]
    count = usage["prompt_tokens"]
    first = times.prefill(count)
    rest = times.decode(1, count + 1) + times.decode(1, count + 2)
    assert engine.metric("time_to_first_token_seconds_sum") == pytest.approx(first, rel=1e-6)
    assert engine.metric("e2e_request_latency_seconds_sum") == pytest.approx(first + rest, rel=1e-6)


def test_a_conversation_reuses_what_was_computed(ready: Start) -> None:
    """The next turn computes only what is new, unless the cache is off."""
    times = {}
    for flags in ((), ("--disable-radix-cache",)):
        engine = ready("--enable-metrics", "--enable-cache-report", *flags)
        said = engine.chat(messages=LONG)
        one = engine.metric("time_to_first_token_seconds_sum")
        answer = said["choices"][0]["message"]
        more = engine.chat(messages=[*LONG, answer, {"role": "user", "content": "And now?"}])
        two = engine.metric("time_to_first_token_seconds_sum") - one
        details = more["usage"]["prompt_tokens_details"]
        cached = details["cached_tokens"] if details else 0
        before = said["usage"]["total_tokens"]
        times[flags] = (cached > before - 16, two < one)
    assert list(times.values()) == [(True, True), (False, False)]


def test_equal_requests_have_equal_metrics(ready: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting nothing is random: two engines count the same."""
    monkeypatch.setenv("SGLANG_ENABLE_JIT_DEEPGEMM", "0")  # or the second start would be warm
    texts = []
    for _ in range(2):
        engine = ready("--enable-metrics", "--speculative-algorithm", "EAGLE")
        engine.chat(messages=LONG)
        engine.chat(max_tokens=30)
        texts.append(engine.ask("/metrics")[1])
    assert texts[0] == texts[1]
