"""What a new container does: it loads for so long, and compiles what nothing keeps."""

from typing import Any

import golden
import pytest
from estimate_samples import estimate, image, service, subject

from components import (
    VLLM,
    ImageSpec,
    InferenceService,
    KernelCache,
    ModelFacts,
    SpeculativeDecoding,
    WeightCache,
)
from components.rules.readiness import RULES
from infra import Stack
from infra.compile import compile_app
from infra.display_estimates import start_seconds
from infra.estimates import ColdStart, Kernels
from infra.lower import lower
from infra.plan import Plan, make_plan
from infra.rules import Finding

QWEN = "Qwen/Qwen3-8B-FP8"
DRAFT = "Tengyunw/qwen3_8b_eagle3"
VOLUME = WeightCache("huggingface-cache")
BUILT = WeightCache("huggingface-cache", download_at_build=True)


def start(**fields: Any) -> ColdStart:
    """The start of the service with these fields."""
    found = estimate(**fields).start
    assert found is not None
    return found


def kernels(name: str, **fields: Any) -> Kernels | None:
    """One kind of its kernels."""
    return next((each for each in start(**fields).kernels if each.name == name), None)


def test_a_volume_gives_one_to_two_gigabytes_a_second() -> None:
    """9.44 GB take 5 to 10 seconds, rounded up; the first container has to download them."""
    found = start(model=QWEN, weights=VOLUME)
    assert (found.load_bytes, found.load_seconds) == (9_440_000_000, (5, 10))
    assert found.notes == ("the size of the weights is an estimate",)
    (download,) = found.downloads
    assert download.name == QWEN
    assert download.seconds == (32, 95)
    stated = start(model=QWEN, facts=ModelFacts(weight_bytes=9_440_000_000), weights=BUILT)
    assert (stated.notes, stated.downloads) == ((), ())


def test_the_hub_is_slower() -> None:
    """Without a Volume each container downloads, at a tenth of the speed."""
    found = start(model=QWEN)
    assert found.load_seconds == (32, 95)
    assert found.notes[-1] == "each container downloads the weights from the Hub"


def test_a_draft_is_loaded_too() -> None:
    """Its bytes are added; if they are not known, that is said."""
    known = SpeculativeDecoding.eagle3("Tengyunw/qwen3_8b_eagle3")
    assert start(model=QWEN, weights=BUILT, speculative=known).load_bytes == 10_240_000_000
    itself = SpeculativeDecoding("EAGLE", draft_model_path=QWEN)
    assert start(model=QWEN, weights=BUILT, speculative=itself).load_bytes == 9_440_000_000
    unknown = start(model=QWEN, weights=BUILT, speculative=SpeculativeDecoding.eagle3("some/draft"))
    assert unknown.load_bytes == 9_440_000_000
    assert unknown.notes[0] == "without some/draft, whose size is not known"


def test_an_unknown_size_is_not_guessed() -> None:
    """Nothing is said of the time that a model of unknown size takes."""
    found = start(weights=VOLUME)
    assert (found.load_bytes, found.load_seconds, found.notes) == (None, None, ())


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"weights": VOLUME}, [QWEN, DRAFT]),
        ({"weights": BUILT}, []),
        ({"weights": VOLUME, "kernels": KernelCache.deep_gemm("kernels")}, [DRAFT]),
        ({"weights": VOLUME, "kernels": KernelCache("kernels")}, [QWEN, DRAFT]),
        ({}, []),
    ],
)
def test_what_the_first_container_downloads(fields: dict[str, Any], left: list[str]) -> None:
    """What no build has: `hf download` fetches model and draft, DeepGEMM's server the model."""
    found = start(model=QWEN, speculative=SpeculativeDecoding.eagle3(DRAFT), **fields)
    assert [each.name for each in found.downloads] == left


def findings(*, is_strict: bool = False, **fields: Any) -> dict[str, Finding]:
    """What the rules of readiness find in the service with these fields, by their codes."""
    seen = subject(service(**fields), is_strict=is_strict)
    found = {each.code: [found for _, found in each.findings([seen])] for each in RULES}
    return {code: faults[0] for code, faults in found.items() if faults}


def test_the_rule_has_the_same_number() -> None:
    """INF051 warns below the slow end of the estimate; below the fast one it is an error."""
    given: dict[str, Any] = {"facts": ModelFacts(weight_bytes=100_000_000_000), "weights": BUILT}
    found = start(**given, startup_timeout=160)
    assert (start_seconds(found), found.limit) == ((110, 160), 160)
    assert "INF051" not in findings(**given, startup_timeout=160)
    assert findings(**given, startup_timeout=159)["INF051"].severity == "warning"
    assert findings(**given, startup_timeout=110)["INF051"].severity == "warning"
    assert findings(**given, startup_timeout=109)["INF051"].severity == "error"


def test_rules_and_the_table_add_the_same_seconds() -> None:
    """What INF050 says of a start, and of the first one, are the sums of the table's parts."""
    fields: dict[str, Any] = {
        "model": QWEN,
        "facts": ModelFacts(quantization="fp8", weight_bytes=9_440_000_001),
        "speculative": SpeculativeDecoding.eagle3(DRAFT),
        "weights": VOLUME,
        "gpu": "L40S",
    }
    found = start(**fields)
    assert found.load_seconds and found.other_seconds
    needed = found.load_seconds[1] + found.other_seconds
    first = needed + sum(each.seconds[1] for each in found.downloads)
    assert (needed, first) == (71, 71 + 95 + 8)
    said = f"a start takes up to {needed:g} s, the first one {first:g} s"
    assert said in findings(**fields)["INF050"].what


def test_the_first_start_downloads_too() -> None:
    """What INF051 and INF055 have written leaves nothing for them to find."""
    size = 311_000_000_000

    def found(weights: WeightCache, limit: int) -> dict[str, str]:
        made = findings(facts=ModelFacts(weight_bytes=size), weights=weights, startup_timeout=limit)
        codes = ("INF051", "INF052", "INF055")
        return {code: each.fix for code, each in made.items() if code in codes}

    both = (
        "write startup_timeout=4380 for the first start, or download (download_at_build=True) "
        "while the image is built"
    )
    assert found(VOLUME, 300) == {"INF051": f"{both} and write startup_timeout=780"}
    assert found(VOLUME, 780) == {"INF055": both}
    assert found(VOLUME, 4380) == {}
    assert found(BUILT, 780) == {}


def test_kernels_are_a_part_of_the_start() -> None:
    """
    Of each container's, of the first one's with a Volume, of none's if the build compiles them.

    That is so whether infra's command compiles them or one of the stack's author.
    """

    def found(limit: int, **fields: Any) -> dict[str, str]:
        made = findings(model=QWEN, weights=BUILT, startup_timeout=limit, **fields)
        return {code: each.severity for code, each in made.items()}

    assert found(1269) == {"INF051": "warning"}
    assert found(1270) == {}
    assert found(1269, kernels=KernelCache("kernels")) == {"INF055": "warning"}
    assert found(1270, kernels=KernelCache("kernels")) == {}
    assert found(665) == {"INF051": "warning"}
    assert found(664) == {"INF051": "warning"}  # the kernels' time is SGLang's general figure
    assert found(664, is_strict=True) == {"INF051": "error"}
    assert found(200, kernels=KernelCache.deep_gemm("kernels")) == {}
    compiled = image("0.5.23").run_commands("python3 -m sglang.compile_deep_gemm", gpu="H100")
    assert found(200, image=compiled) == {}
    assert found(200, environment={"SGLANG_JIT_DEEPGEMM_PRECOMPILE": "false"}) == {}
    assert found(250, environment={"SGLANG_JIT_DEEPGEMM_FAST_WARMUP": "1"}) == {}
    assert found(60, kernels=KernelCache.deep_gemm("kernels")) == {"INF051": "error"}


@pytest.mark.parametrize("front_door", ["server", "http_server"])
def test_a_limit_that_is_not_written(front_door: str) -> None:
    """It is 300 seconds at both doors; one finding says so, and never asks for less."""

    def found(weights: WeightCache, **fields: Any) -> list[tuple[str, str, str]]:
        made = findings(weights=weights, routing={"front_door": front_door}, **fields)
        return [(code, each.severity, each.fix) for code, each in made.items()]

    def of(size: int) -> ModelFacts:
        return ModelFacts(weight_bytes=size)

    assert start(model=QWEN, routing={"front_door": front_door}).limit == 300
    [(code, severity, _)] = found(BUILT)
    assert (code, severity) == ("INF050", "warning")  # nothing is known
    small = "write startup_timeout=300, so that the stack says it"
    assert found(BUILT, facts=of(90_000_000_000)) == [("INF050", "info", small)]
    more = "write startup_timeout=360"
    assert found(BUILT, facts=of(91_000_000_000)) == [("INF050", "warning", more)]
    first = "write startup_timeout=480"
    assert found(VOLUME, facts=of(27_000_000_000)) == [("INF050", "warning", first)]
    [(code, severity, _)] = found(VOLUME, model=QWEN)  # 665 to 1270 s
    assert (code, severity) == ("INF051", "warning")
    [(code, severity, _)] = found(BUILT, facts=of(480_000_000_000))
    assert (code, severity) == ("INF050", "warning")
    [(code, severity, _)] = found(BUILT, facts=of(482_000_000_000))
    assert (code, severity) == ("INF051", "error")


def test_what_is_said_agrees_with_the_table() -> None:
    """INF051 names the seconds of the table's sum, and the kernels' among them."""
    given: dict[str, Any] = {"model": QWEN, "weights": BUILT, "startup_timeout": 600}
    assert start_seconds(start(**given)) == (665, 1270)
    said = findings(**given)["INF051"].what
    assert said.endswith("takes 665 to 1,270 s, 600 to 1,200 s of it for DeepGEMM's kernels")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "compiled in every container"),
        ({"kernels": KernelCache("kernels")}, "kept in a Volume"),
        ({"kernels": KernelCache.deep_gemm("kernels")}, "compiled at build"),
        (
            {"kernels": KernelCache("kernels", env={}), "version": "0.5.14"},
            "compiled in every container",
        ),
    ],
)
def test_where_deep_gemm_s_kernels_come_from(fields: dict[str, Any], state: str) -> None:
    """At build, from a Volume where the release looks for them, or from nowhere."""
    found = kernels("DeepGEMM", model=QWEN, **fields)
    assert found is not None
    assert (found.state, found.seconds) == (state, (600, 1200))


@pytest.mark.parametrize(
    "fields",
    [
        {"model": QWEN, "gpu": "L40S"},
        {"model": "Qwen/Qwen3-8B"},
        {"model": QWEN, "environment": {"SGLANG_ENABLE_JIT_DEEPGEMM": "0"}},
        {"model": QWEN, "flags": {"fp8_gemm_backend": "triton"}},
    ],
)
def test_deep_gemm_is_not_everywhere(fields: dict[str, Any]) -> None:
    """It is for models in FP8 on Hopper and Blackwell, unless it is switched off."""
    assert kernels("DeepGEMM", **fields) is None


def test_the_fast_warm_up() -> None:
    """From 0.5.8 on a variable makes it compile fewer kernels."""
    fast = {"SGLANG_JIT_DEEPGEMM_FAST_WARMUP": "true"}
    new = kernels("DeepGEMM", model=QWEN, environment=fast)
    old = kernels("DeepGEMM", model=QWEN, environment=fast, version="0.5.7")
    assert new is not None and old is not None
    assert (new.seconds, old.seconds) == ((0, 180), (600, 1200))


def test_other_kernels_have_no_figure() -> None:
    """Triton's are always there, others where a flag asks for them; no source states their time."""
    flags = {"attention_backend": "flashinfer", "enable_torch_compile": True}
    found = {each.name: each.seconds for each in start(flags=flags).kernels}
    assert found == {"Triton": None, "TorchInductor": None, "FlashInfer": None}
    assert {each.name for each in start().kernels} == {"Triton"}


FLASHINFER = {"attention_backend": "flashinfer", "enable_torch_compile": True}
CACHED: dict[str, Any] = {
    "model": QWEN,
    "gpu": "H100!:2",
    "weights": VOLUME,
    "kernels": KernelCache("kernels"),
    "flags": FLASHINFER,
}
ALL = {"DeepGEMM", "Triton", "TorchInductor", "FlashInfer"}


@pytest.mark.parametrize(
    ("change", "renewed"),
    [
        # TorchInductor's key has the name of the GPU, the others have its architecture.
        ({"gpu": "H200:2"}, {"TorchInductor"}),
        ({"gpu": "H100:2"}, set()),
        ({"gpu": "B200:2"}, ALL),
        ({"gpu": "H100!:4"}, ALL - {"FlashInfer"}),
        ({"model": "Qwen/Qwen3-14B-FP8"}, ALL),
        ({"revision": "220b46e3b2180893580a4454f21f22d3ebb187d3"}, set()),
        ({"flags": {**FLASHINFER, "kv_cache_dtype": "fp8_e5m2"}}, {"Triton", "FlashInfer"}),
        ({"flags": {**FLASHINFER, "chunked_prefill_size": 16384}}, {"DeepGEMM"}),
        ({"flags": {**FLASHINFER, "dp_size": 2}}, set()),
        (
            {"flags": {**FLASHINFER, "dp_size": 2, "enable_dp_attention": True}},
            ALL - {"FlashInfer"},
        ),
        ({"version": "0.5.22"}, ALL),
        ({"kernels": KernelCache("others")}, ALL),
        ({"flags": {**FLASHINFER, "enable_metrics": True}}, set()),
        ({"routing": {"target_inputs": 20}}, set()),
        ({"weights": WeightCache("other-cache")}, set()),
    ],
)
def test_what_asks_for_other_kernels(change: dict[str, Any], renewed: set[str]) -> None:
    """Of real changes, those of what each cache's key is made of."""
    after = service(**{**CACHED, **change})
    made = _plan(service(**CACHED), after)
    expected = after.estimate(subject(after)).start
    assert [*made.changes()] and expected is not None
    found = {each.name for each in expected.kernels if made.compiled_again_by("service.chat", each)}
    assert found == renewed


@pytest.mark.parametrize(
    ("change", "is_needed"),
    [
        ({"model": "Qwen/Qwen3-14B-FP8"}, True),
        ({"revision": "220b46e3b2180893580a4454f21f22d3ebb187d3"}, True),
        ({"weights": WeightCache("other-cache")}, True),
        ({"gpu": "H200:2"}, False),
        ({"version": "0.5.22"}, False),
    ],
)
def test_what_asks_for_another_download(change: dict[str, Any], is_needed: bool) -> None:
    """The model, its commit, its Volume; of all else, what is there already serves."""
    facts = ModelFacts(weight_bytes=10**9)
    after = service(**{**CACHED, "facts": facts, **change})
    made = _plan(service(**CACHED), after)
    expected = after.estimate(subject(after)).start
    assert expected is not None
    (download,) = expected.downloads
    assert bool(made.renewed_by("service.chat", download.depends_on)) == is_needed


VLLM_CACHED: dict[str, Any] = {
    "engine": VLLM(),
    "image": ImageSpec.from_registry("vllm/vllm-openai:v0.33.0").entrypoint([]),
    "kernels": KernelCache("kernels"),
}


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "kept in a Volume"),
        ({"kernels": None}, "compiled in every container"),
        ({"environment": {"VLLM_DISABLE_COMPILE_CACHE": "1"}}, "compiled in every container"),
        ({"engine": VLLM(enforce_eager=True)}, None),
        ({"engine": VLLM(optimization_level=0)}, None),
        ({"engine": VLLM(compilation_config={"mode": 0})}, None),
    ],
)
def test_what_vllm_compiles(change: dict[str, Any], state: str | None) -> None:
    """torch.compile's graphs, unless it is off; they are kept where vLLM keeps them."""
    found = kernels("torch.compile", **{**VLLM_CACHED, **change})
    assert (found and found.state) == state


@pytest.mark.parametrize(
    ("version", "is_keyed"), [("0.11.2", (True, False)), ("0.33.0", (True, True))]
)
def test_what_vllm_compiles_for(version: str, is_keyed: tuple[bool, bool]) -> None:
    """How experts are divided is in its key in any release, the size of a pass in new ones."""
    image = ImageSpec.from_registry(f"vllm/vllm-openai:v{version}").entrypoint([])
    found = kernels("torch.compile", **{**VLLM_CACHED, "image": image})
    asked = ("engine --enable-expert-parallel", "engine --max-num-batched-tokens")
    assert found is not None
    assert tuple(each in found.depends_on for each in asked) == is_keyed


def test_the_step_that_says_the_release() -> None:
    """Where pip installs SGLang, it is that step, and not the base image."""
    image = ImageSpec.debian_slim(python_version="3.12").uv_pip_install("sglang==0.5.23")
    found = kernels("Triton", image=image)
    assert found is not None
    assert found.depends_on[0] == "steps[1]"


def _plan(before: InferenceService, after: InferenceService) -> Plan:
    """What makes the one of the other."""
    was, wanted = (
        compile_app(*lower(Stack("dev", services=[each]), "dev")) for each in (before, after)
    )
    live = golden.deployed(was.manifest)
    return make_plan(stack="dev", stack_file="dev.py", artifacts=[wanted], live=live)
