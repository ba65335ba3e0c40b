"""The stand-in has the model's figures that the plan has, and says where it has none."""

import json
import re
from pathlib import Path

import pytest
from stand_ins import CHAT, HELLO, Start

from components import VLLM, ImageSpec, InferenceService, Model, ModelFacts, RoutingPolicy, SGLang
from components.engine import Engine as Component
from infra import Stack
from infra.facts.flags import release
from infra.facts.gpus import gpu
from infra.local.engine import model_figures
from infra.local.engine.flags import Flags
from infra.local.engine.settings import Settings, read_settings
from infra.local.engine.time_model import LEAST_KV_TOKENS
from infra.lower import lower
from infra.rules import subjects

EIGHT = ModelFacts(weight_bytes=16_060_522_240, layers=32, heads=32, kv_heads=8, head_size=128)
LATENT = ModelFacts(
    weight_bytes=688_586_727_753, layers=61, heads=128, latent_size=576, quantization="fp8"
)
# A name that tells too much: 120e9 parameters of two bytes fit on no H100.
SMALL = ModelFacts(
    weight_bytes=65_248_815_744,
    layers=36,
    heads=64,
    kv_heads=8,
    head_size=64,
    parameters=117 * 10**9,
)
BIG = "some/Model-120B"
PLAIN = {"layers": 36, "heads": 64, "kv_heads": 8, "head_size": 64}  # 73,728 bytes a token


def settings(
    folder: Path, name: str, engine: Component, on: str, facts: ModelFacts | None
) -> tuple[Settings, int | None]:
    """A service's stand-in, and the tokens for which its plan says that there is room."""
    package, title = ("vllm", "vLLM") if isinstance(engine, VLLM) else ("sglang", "SGLang")
    version = "0.11.2" if package == "vllm" else "0.5.18"
    image = "vllm/vllm-openai" if package == "vllm" else "lmsysorg/sglang"
    made = InferenceService(
        name="chat",
        model=Model(name, facts=facts),
        gpu=on,
        image=ImageSpec.from_registry(f"{image}:v{version}").entrypoint([]),
        engine=engine,
        routing=RoutingPolicy(region="us-east", target_inputs=8),
    )
    (subject,) = subjects(lower(Stack("dev", services=[made]), "dev"), is_strict=False)
    words = [word for each in subject.service.arguments for word in (each.flag, *each.values)]
    known = release(package, version)
    memory = made.estimate(subject).memory
    notes = " ".join(memory.notes) if memory else ""
    room = re.search(r"room for ([\d,]+) tokens in all", notes)
    model_figures.keep(folder, {name: facts or ModelFacts()})
    environ = {
        "INFRA_SIMULATED_GPU": on,
        model_figures.VARIABLE: str(folder / model_figures.FILE),
    }
    words = ["--model", name, *words] if package == "vllm" else words  # which says it before them
    found = read_settings(title, version, Flags(known.parse(words).values), environ)
    return found, int(room[1].replace(",", "")) if room else None


def leaving(room: int) -> ModelFacts:
    """A model whose weights leave so many bytes in nine tenths of an H100."""
    h100 = gpu("H100")
    assert h100 and h100.capacity
    return ModelFacts(weight_bytes=int(h100.capacity * 0.9) - room, **PLAIN)


@pytest.mark.parametrize(
    ("name", "engine", "on", "facts"),
    [
        ("some/Model-8B", SGLang(mem_fraction_static=0.85), "L4", EIGHT),
        ("some/Model-8B", SGLang(mem_fraction_static=0.8), "H100!:2", EIGHT),
        ("some/Model-8B", SGLang(mem_fraction_static=0.8, kv_cache_dtype="fp8_e4m3"), "L4", EIGHT),
        ("some/Model", SGLang(mem_fraction_static=0.8), "H200:8", LATENT),
        (BIG, VLLM(), "H100", SMALL),
    ],
)
def test_the_room_is_the_plans(
    tmp_path: Path, name: str, engine: Component, on: str, facts: ModelFacts
) -> None:
    """The KV cache of a rehearsal has the tokens for which the plan says that there is room."""
    found, room = settings(tmp_path, name, engine, on, facts)
    assert room is not None
    assert found.times.weights.size == facts.weight_bytes
    # A token's bytes are whole on each GPU in a plan.
    assert found.times.kv_tokens == pytest.approx(room, abs=8)
    assert found.doubts == ()


def test_the_format_is_that_of_the_figures(tmp_path: Path) -> None:
    """A model in FP8 of whose name that is no part has DeepGEMM's kernels."""
    found, _ = settings(tmp_path, "some/Model", SGLang(), "H200:8", LATENT)
    assert found.kernel_cache is not None
    assert found.times.weights.width == 1


def test_experts_without_a_share_are_doubted(tmp_path: Path) -> None:
    """How many of them a token uses stands in the name or nowhere."""
    experts = ModelFacts(weight_bytes=60 * 10**9, expert_size=2880, **PLAIN)
    for name, count in (("some/Model-30B", 1), ("some/Model-30B-A3B", 0)):
        assert len(settings(tmp_path, name, VLLM(), "H100", experts)[0].doubts) == count


def test_a_cache_that_is_known_to_be_short_is_short(tmp_path: Path) -> None:
    """What follows from figures is not made up for; weights without any room are."""
    for left, tokens in ((73_728 * 100, 100), (-1, LEAST_KV_TOKENS)):
        facts = leaving(left)
        found, _ = settings(tmp_path, BIG, VLLM(gpu_memory_utilization=0.9), "H100", facts)
        assert found.times.kv_tokens == pytest.approx(tokens, abs=1)
        assert bool(found.doubts) == (left < 0)


def test_a_guess_throttles_no_answer(serve_vllm: Start) -> None:
    """Of a model without figures answers are whole, and the log and each answer say the guess."""
    stand_in = serve_vllm(model=BIG)
    answer = stand_in.chat(model=BIG, max_tokens=50)
    assert answer["usage"]["completion_tokens"] == 50
    doubt = f"the size of '{BIG}' is not known: from its name 240.0 GB of weights"
    after = [*stand_in.lines][-20:]
    ready = next(index for index, line in enumerate(after) if "fired up and ready" in line)
    assert any(line.startswith(f"stand-in: {doubt}") for line in after[ready:])


def test_a_short_cache_ends_answers(
    serve_vllm: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a real engine, with finish_reason length; figures reach it through the file."""
    model_figures.keep(tmp_path, {BIG: leaving(73_728 * 20)})
    monkeypatch.setenv("INFRA_SIMULATED_GPU", "H100")
    monkeypatch.setenv(model_figures.VARIABLE, str(tmp_path / model_figures.FILE))
    stand_in = serve_vllm("--gpu-memory-utilization", "0.9", model=BIG)
    status, text = stand_in.ask(CHAT, {"model": BIG, "messages": HELLO, "max_tokens": 50})
    answer = json.loads(text)
    assert status == 200
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] in (19, 20)


def test_later_figures_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    """Each model's own, those of others stay; of a model that has none any more, nothing."""
    file = tmp_path / "new" / model_figures.FILE
    model_figures.keep(file.parent, {"a/b": EIGHT, "c/d": SMALL})
    model_figures.keep(file.parent, {"a/b": ModelFacts(layers=3), "c/e": EIGHT})
    assert json.loads(file.read_text())["a/b"] == {"layers": 3}
    assert model_figures.facts_of("c/d", str(file)).weight_bytes == SMALL.weight_bytes
    model_figures.keep(file.parent, {"c/d": ModelFacts()})
    assert json.loads(file.read_text()).keys() == {"a/b", "c/e"}


def test_shipped_figures_fill_in(tmp_path: Path) -> None:
    """What the stack does not say is what comes with infra, with or without a file."""
    model_figures.keep(tmp_path, {"Qwen/Qwen3-8B-FP8": ModelFacts(layers=3)})
    found = model_figures.facts_of("Qwen/Qwen3-8B-FP8", str(tmp_path / model_figures.FILE))
    assert (found.layers, found.kv_heads) == (3, 8)
    assert model_figures.facts_of("Qwen/Qwen3-8B-FP8", "").layers == 36


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"a/b": 3}',
        '{"a/b": {"layers": "3"}}',
        '{"a/b": {"layers": -3}}',
        '{"a/b": {"config": "/etc/passwd"}}',
        '{"a/b": {"sources": []}}',
        "[" * 100_000,
        " " * (model_figures.LARGEST + 1),
    ],
)
def test_a_file_of_somebody_elses_is_refused(tmp_path: Path, text: str) -> None:
    """The engine starts all the same, as the model's name says, and tells why."""
    file = tmp_path / model_figures.FILE
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(str(file))):
        model_figures.facts_of("a/b", str(file))
    environ = {model_figures.VARIABLE: str(file)}
    found = read_settings("SGLang", "0.5.18", Flags({"--model-path": "a/b"}), environ)
    assert str(file) in " ".join(found.remarks)
    model_figures.keep(tmp_path, {"a/b": EIGHT})
    assert model_figures.facts_of("a/b", str(file)).layers == 32
