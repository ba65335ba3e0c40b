"""The model of time: published figures come out, and each cause works in its direction."""

import re
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.facts.flags import release
from infra.local.engine import time_model
from infra.local.engine.flags import Flags
from infra.local.engine.settings import Settings, read_settings
from infra.local.engine.time_model import GPUS, TimeModel
from infra.local.engine.weights import Weights

LLAMA = ("--model-path", "meta-llama/Llama-3.1-8B-Instruct")
EAGLE3 = (
    *("--speculative-algorithm", "EAGLE3", "--speculative-draft-model-path", "org/draft"),
    *("--speculative-num-steps", "5", "--speculative-eagle-topk", "8"),
    *("--speculative-num-draft-tokens", "32"),
)
DOCS = Path(__file__).parents[2] / "docs" / "stand_in.md"


def settings(*flags: str, version: str = "0.5.11", **environ: str) -> Settings:
    """The engine of a command line, on one H100 unless the environment says otherwise."""
    parsed = release("sglang", version).parse(flags)
    assert parsed.error is None
    environ = {"INFRA_SIMULATED_GPU": "H100", **environ}
    return read_settings("SGLang", version, Flags(parsed.values), environ)


def speed(times: TimeModel, batch: int = 1) -> float:
    """Tokens per second of one request."""
    return times.accepted_tokens / times.decode(batch)


def test_published_speeds_come_out() -> None:
    """SGLang's documentation: Llama-3.1-8B on one H100, plain and with EAGLE-3."""
    assert speed(settings(*LLAMA).times) == pytest.approx(158.34, rel=0.05)
    assert speed(settings(*LLAMA, *EAGLE3).times) == pytest.approx(373.25, rel=0.10)


def test_speculation_pays_off_until_the_batch_is_large() -> None:
    """A pass that verifies drafts yields several tokens, but costs more the more requests run."""
    plain, drafting = settings(*LLAMA).times, settings(*LLAMA, *EAGLE3).times
    assert drafting.accepted_tokens > 3
    assert speed(drafting) > 2 * speed(plain)
    assert speed(drafting, 256) / speed(plain, 256) < speed(drafting) / speed(plain)


def test_more_gpus_are_faster_but_not_in_proportion() -> None:
    """Tensor parallelism divides the reading and keeps a part of it for talking."""
    one, four = settings(*LLAMA).times, settings(*LLAMA, "--tp-size", "4").times
    assert one.decode(1) / 4 < four.decode(1) < one.decode(1) / 2
    assert four.load() == one.load()


def test_a_cached_prefix_is_not_computed() -> None:
    """A prompt whose beginning is in the cache costs what is left of it."""
    times = settings(*LLAMA).times
    assert times.prefill(100, 7900) < times.prefill(8000) / 3


def test_a_batch_beyond_the_graphs_decodes_eagerly() -> None:
    """Above the largest captured batch size every step is launched from Python."""
    few = settings(*LLAMA, "--cuda-graph-max-bs", "8").times
    many = settings(*LLAMA, "--cuda-graph-max-bs", "64").times
    assert few.decode(8) == many.decode(8)
    assert few.decode(9) > many.decode(9) + 0.01
    assert few.capture() < many.capture()
    assert settings(*LLAMA, "--disable-cuda-graph").times.capture() == 0


def test_a_mixture_of_experts_reads_what_its_tokens_need() -> None:
    """One token reads the active weights; many read all of them, and no more."""
    times = settings("--model-path", "nvidia/Nemotron-550B-A55B-NVFP4").times
    one = times.forward(1, 0) * times.bandwidth
    assert one == pytest.approx(times.weights.active * times.weights.width, rel=0.05)
    dense = attrs.evolve(times, weights=attrs.evolve(times.weights, active=times.weights.total))
    assert times.forward(2000, 0) < dense.forward(2000, 0)


@given(
    batch=st.integers(1, 512),
    more=st.integers(1, 512),
    context=st.integers(0, 10**6),
    gpu=st.sampled_from(sorted(GPUS)),
    tp=st.sampled_from([1, 2, 4, 8]),
)
def test_more_work_never_takes_less_time(
    batch: int, more: int, context: int, gpu: str, tp: int
) -> None:
    """Decoding and prefilling grow with tokens and context, on every GPU."""
    times = attrs.evolve(settings(*LLAMA, *EAGLE3).times, gpu=GPUS[gpu], tp=tp)
    assert 0 < times.decode(batch, context) <= times.decode(batch + more, context + more)
    assert 0 < times.prefill(batch, context) < times.prefill(batch + more, context)


@given(steps=st.integers(-5, 60), topk=st.integers(-5, 60), tokens=st.integers(-5, 200))
def test_a_step_yields_at_least_one_token(steps: int, topk: int, tokens: int) -> None:
    """Whatever the flags say, the engine moves on, and not by more than it verifies."""
    flags = {
        "--speculative-algorithm": "EAGLE3",
        "--speculative-num-steps": str(steps),
        "--speculative-eagle-topk": str(topk),
        "--speculative-num-draft-tokens": str(tokens),
    }
    times = read_settings("SGLang", "0.5.11", Flags(flags), {}).times
    assert times.speculation is not None
    assert 1 <= times.accepted_tokens <= max(times.speculation.draft_tokens, 1)
    assert times.decode(1) > 0


@pytest.mark.parametrize(
    ("name", "total", "active", "width"),
    [
        ("Qwen/Qwen3-8B-FP8", 8e9, 8e9, 1.0),
        ("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4", 550e9, 55e9, 0.5625),
        ("Qwen/Qwen3-30B-A3B", 30e9, 3e9, 2.0),
        ("Qwen/Qwen3-0.6B", 0.6e9, 0.6e9, 2.0),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", 360e6, 360e6, 2.0),
        ("/models/Llama-3.3-70B-AWQ/", 70e9, 70e9, 0.5625),
    ],
)
def test_a_name_tells_the_size(name: str, total: float, active: float, width: float) -> None:
    """Parameters, active parameters and the stored format stand in the names of models."""
    assert Weights.of(name) == Weights(total=total, active=active, width=width)


def test_what_is_assumed_is_said() -> None:
    """A model without a size in its name, an unknown GPU and a public address are remarks."""
    found = settings("--model-path", "org/secret", "--host", "0.0.0.0", INFRA_SIMULATED_GPU="TPU")
    assert found.host == "127.0.0.1"
    assert len(found.remarks) == 2 + len(found.doubts)
    assert found.doubts[0].startswith("the size of 'org/secret' is not known: ")
    known = ("--model-path", "Qwen/Qwen3-8B-FP8")  # with figures that come with infra
    assert settings(*known, INFRA_SIMULATED_GPU="H100!:2").remarks == ()


def test_the_seeds_speculation_is_read_as_sglang_reads_it() -> None:
    """With one candidate SGLang verifies a token more than it drafts; without a draft it is MTP."""
    found = settings(
        *LLAMA,
        *("--speculative-algorithm", "EAGLE", "--speculative-num-steps", "5"),
        *("--speculative-eagle-topk", "1", "--speculative-num-draft-tokens", "5"),
    ).times.speculation
    assert found is not None
    assert (found.method, found.steps, found.draft_tokens) == ("MTP", 5, 6)
    assert settings(*LLAMA, *EAGLE3).max_running == 48


def test_kernels_are_compiled_once(tmp_path: Path) -> None:
    """An FP8 model on Hopper needs its kernels; where they are kept, the next start is faster."""
    flags = ("--model-path", "Qwen/Qwen3-8B-FP8")
    cache = tmp_path / "kernels"
    cold = settings(*flags, SGLANG_DG_CACHE_DIR=str(cache))
    assert cold.times.kernels == time_model.KERNELS_COLD
    cache.mkdir()
    (cache / "kernel").touch()
    warm = settings(*flags, SGLANG_DG_CACHE_DIR=str(cache))
    assert warm.times.kernels == time_model.KERNELS_WARM
    for other in ({"SGLANG_ENABLE_JIT_DEEPGEMM": "0"}, {"INFRA_SIMULATED_GPU": "L40S"}):
        assert settings(*flags, **other).kernel_cache is None
    assert settings(*LLAMA).kernel_cache is None


@pytest.mark.parametrize(
    ("version", "folder"),
    [("0.5.17", ".cache/deep_gemm"), ("0.5.18", ".cache/sglang/deep_gemm")],
)
def test_the_kernel_cache_is_where_the_release_has_it(version: str, folder: str) -> None:
    """Without a variable it is in the home folder, from 0.5.18 on in another place."""
    found = settings("--model-path", "m-8B-FP8", version=version, HOME="/home/me")
    assert found.kernel_cache == Path("/home/me", folder)


def test_the_documentation_has_every_constant() -> None:
    """docs/stand_in.md lists each figure of the model with its value, and no other."""
    text = DOCS.read_text("utf-8").partition("## Figures")[2]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", text, re.MULTILINE)
    constants = {
        name: f"{value:g}" for name, value in vars(time_model).items() if isinstance(value, float)
    }
    for name in ("WARMUP_TOKENS", "LEAST_KV_TOKENS"):
        constants[name] = str(getattr(time_model, name))
    assert dict(rows) == constants
    for method, chance in time_model.ACCEPTANCE.items():
        assert f"| {method} | {chance:g} |" in text
    for name, gpu in GPUS.items():
        row = f"| {name} | {gpu.memory / 1e9:g} | {gpu.bandwidth / 1e12:g} | {gpu.flops / 1e12:g} |"
        assert row in text
