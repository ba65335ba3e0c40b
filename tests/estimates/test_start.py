"""What a new container does: it loads for so long, and compiles what nothing keeps."""

from typing import Any

import pytest
from estimate_samples import estimate, service, subject

from components import InferenceService, KernelCache, ModelFacts, SpeculativeDecoding, WeightCache
from components.rules.engine import Engine
from components.rules.loading import Loading
from components.rules.readiness import RULES
from infra import Stack
from infra.compile import compile_app
from infra.diff import diff
from infra.estimates import ColdStart, Kernels
from infra.lower import lower

QWEN = "Qwen/Qwen3-8B-FP8"
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
    """9.44 GB take 4.7 to 9.4 seconds; the first container has to download them."""
    found = start(model=QWEN, weights=VOLUME)
    assert (found.load_bytes, found.load_seconds) == (9_440_000_000, (4.72, 9.44))
    assert found.notes == (
        "the size of the weights is an estimate",
        "the first container downloads the weights from the Hub: 31 to 94 s",
    )
    stated = ModelFacts(weight_bytes=9_440_000_000)
    assert start(model=QWEN, facts=stated, weights=BUILT).notes == ()


def test_the_hub_is_slower() -> None:
    """Without a Volume each container downloads, at a tenth of the speed."""
    found = start(model=QWEN)
    assert found.load_seconds == pytest.approx((9.44 / 0.3, 94.4))
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


def test_the_rule_has_the_same_number() -> None:
    """INF051 finds a startup_timeout too short exactly below the seconds of the estimate."""
    (rule,) = (each for each in RULES if each.code == "INF051")

    def found(limit: int) -> tuple[int | None, bool, tuple[str, ...]]:
        made = service(
            facts=ModelFacts(weight_bytes=100_000_000_000),
            weights=BUILT,
            startup_timeout=limit,
            warm_up_timeout=1,
        )
        seen = subject(made)
        engine = Engine.of(seen)
        assert engine is not None
        start = made.estimate(seen).start
        assert start is not None
        return Loading(engine).to_start, bool(list(rule.findings(seen))), start.notes

    said = "in all, a start takes up to 2.7 min; startup_timeout is {} min"
    assert found(159) == (160, True, (said.format(2.6),))
    assert found(160) == (160, False, (said.format(2.7),))


def test_the_first_start_downloads_too() -> None:
    """What INF051 and INF055 have written leaves nothing for them to find."""
    size = 311_000_000_000

    def found(weights: WeightCache, limit: int) -> tuple[list[str], list[str], str]:
        made = service(
            facts=ModelFacts(weight_bytes=size),
            weights=weights,
            startup_timeout=limit,
            warm_up_timeout=1,
        )
        seen = subject(made)
        faults = {each.code: [*each.findings(seen)] for each in RULES}
        start = made.estimate(seen).start
        assert start is not None
        fixes = [each.fix for code in ("INF051", "INF052", "INF055") for each in faults[code]]
        return [code for code in faults if faults[code]], fixes, start.notes[-1]

    both = (
        "write startup_timeout=3540 for the download, or have it done while the image is built "
        "(download_at_build=True)"
    )
    codes, fixes, note = found(VOLUME, 300)
    assert ("INF051" in codes, fixes) == (True, [f"{both} and write startup_timeout=780"])
    assert note == (
        "in all, a start takes up to 6.2 min, the first one up to 58 min; startup_timeout is 5 min"
    )
    assert found(VOLUME, 780)[1] == [both]
    assert found(VOLUME, 3540)[1] == []
    assert found(BUILT, 780)[1] == []


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


CACHED = {
    "model": QWEN,
    "gpu": "H100!:2",
    "weights": VOLUME,
    "kernels": KernelCache.deep_gemm("kernels"),
}


@pytest.mark.parametrize(
    ("change", "is_renewed"),
    [
        ({"gpu": "H200:2"}, True),
        ({"gpu": "H100!:4"}, True),
        ({"model": "Qwen/Qwen3-14B-FP8"}, True),
        ({"flags": {"chunked_prefill_size": 16384}}, True),
        ({"version": "0.5.22"}, True),
        ({"kernels": KernelCache.deep_gemm("others")}, True),
        ({"flags": {"enable_metrics": True}}, False),
        ({"routing": {"target_inputs": 20}}, False),
        ({"weights": WeightCache("other-cache")}, False),
        ({"min_containers": 2}, False),
    ],
)
def test_what_renews_kernels_is_a_field_of_the_plan(
    change: dict[str, Any], is_renewed: bool
) -> None:
    """Of real changes, exactly those of the kernels' inputs are among the fields they depend on."""
    found = kernels("DeepGEMM", **CACHED)
    assert found is not None
    before, after = (_manifest(service(**{**CACHED, **each})) for each in ({}, change))
    changed = {
        field.path
        for each in diff(before, after)
        if each.address in ("service.chat", "image.chat")
        for field in each.fields
    }
    assert changed
    assert bool(changed & {*found.depends_on}) == is_renewed


def test_the_step_that_says_the_release() -> None:
    """Where pip installs SGLang, it is that step, and not the base image."""
    from components import ImageSpec

    image = ImageSpec.debian_slim(python_version="3.12").uv_pip_install("sglang==0.5.23")
    found = kernels("Triton", image=image)
    assert found is not None
    assert found.depends_on == ("gpu", "steps[1]")


def _manifest(made: InferenceService) -> Any:
    return compile_app(*lower(Stack("dev", services=[made]), "dev")).manifest
