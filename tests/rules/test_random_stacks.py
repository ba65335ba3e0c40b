"""Rules on stacks that nobody would write: they find or find not, and never fail."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rule_samples import COMMIT, FP8, HYBRID, NEMOTRON, NVFP4, Mounted, findings, kernels, sample

from components import VLLM, ImageSpec, InferenceService, SpeculativeDecoding, WeightCache
from components.rules import RULES
from infra.errors import InvalidStack
from infra.facts.flags import release, versions
from infra.facts.gpus import compute_regions, gpu_names


def keywords(engine: str) -> list[str]:
    """The flags of all releases as keyword arguments, and some that are none."""
    known = {
        flag.removeprefix("--").replace("-", "_")
        for version in versions(engine)
        for flag in release(engine, version).names()
        if flag.startswith("--")
    }
    return sorted(known | {"mem_fraction", "no_such_flag", "speculative", "cuda", "x"})


WORDS = st.sampled_from(
    ["", "0", "1", "-1", "7", "0.5", "nan", "inf", "1e9", "auto", "EAGLE", "triton", "no_buffer",
     "extra_buffer", "fp8", "deep_gemm", "{", "{}", '{"a": 1}', "a/b", "/a", "a:b", "=",
     "--tp-size", "\u00e9", "none"]
)  # fmt: skip
VALUES = st.one_of(
    st.booleans(),
    st.integers(-2, 200_000),
    st.floats(),
    WORDS,
    st.lists(WORDS | st.integers(0, 9), max_size=3),
    st.dictionaries(WORDS, WORDS, max_size=2),
)
ALGORITHMS = ("EAGLE", "EAGLE3", "NEXTN", "STANDALONE", "NGRAM", "DFLASH", "DSPARK", "UNO", "ODD")
COUNTS = st.none() | st.integers(1, 70)
VARIABLES = (
    "HF_HOME", "HF_HUB_CACHE", "SGLANG_DG_CACHE_DIR", "SGLANG_CACHE_DIR", "SGLANG_ENABLE_SPEC_V2",
    "SGLANG_ENABLE_JIT_DEEPGEMM", "API_KEY", "X",
)  # fmt: skip
IMAGES = st.one_of(
    st.sampled_from(
        ["lmsysorg/sglang", "a/b:latest", "a/b@sha256:" + "0" * 64, "x:v0.5.11", "odd"]
    ).map(ImageSpec.from_registry),
    st.sampled_from(["sglang==0.5.23", "sglang[all]==0.5", "sglang>=0.5", "torch", "-U"]).map(
        lambda package: ImageSpec.debian_slim().uv_pip_install(package)
    ),
    st.just(ImageSpec.debian_slim()),
)
SPECULATIVE = st.builds(
    SpeculativeDecoding,
    st.sampled_from(ALGORITHMS),
    draft_model_path=st.sampled_from([None, "a/draft"]),
    num_steps=COUNTS,
    eagle_topk=COUNTS,
    num_draft_tokens=COUNTS,
)
REGIONS = st.lists(st.sampled_from(sorted(compute_regions())), max_size=3)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "version": st.sampled_from([*versions("sglang"), "0.4.1", "0.5.99", "9.9.9"]),
        "model": st.sampled_from(
            [FP8, HYBRID, NEMOTRON, NVFP4, "a/b", "meta-llama/Llama-3.1-8B-Instruct",
             "Qwen/Qwen3-235B-A22B-FP8"]
        ),
        "revision": st.sampled_from([None, "main", COMMIT]),
        "gpu": st.tuples(st.sampled_from([*gpu_names(), "H1000"]), st.integers(1, 8)).map(
            lambda found: f"{found[0]}:{found[1]}"
        ),
        "flags": st.dictionaries(st.sampled_from(keywords("sglang")), VALUES, max_size=6),
        "speculative": st.none() | SPECULATIVE,
        "weights": st.sampled_from([None, WeightCache("one"), WeightCache("one", secret="s")]),
        "kernels": st.sampled_from([None, kernels(), kernels(env={}, mount_path="/k")]),
        "parts": st.sampled_from([(), (Mounted("one", "/root/.cache"),), (Mounted("k", "/a"),)]),
        "environment": st.dictionaries(st.sampled_from(VARIABLES), WORDS, max_size=3),
        "startup_timeout": st.sampled_from([None, 1, 86400]),
        "min_containers": st.integers(0, 3),
        "routing": st.fixed_dictionaries(
            {},
            optional={
                "region": st.none() | REGIONS,
                "proxy_regions": st.just(["us-east"]),
                "target_inputs": COUNTS,
                "max_inputs": COUNTS,
                "session_affinity": st.booleans(),
            },
        ),
    },
)  # fmt: skip

ON_VLLM = st.builds(
    lambda fields, version, flags: {
        **{name: each for name, each in fields.items() if name != "flags"},
        "version": version,
        "engine": VLLM(**flags),
    },
    FIELDS,
    st.sampled_from([*versions("vllm"), "0.1.0", "9.9.9"]),
    st.dictionaries(st.sampled_from(keywords("vllm")), VALUES, max_size=6),
)


def service(name: str, image: ImageSpec | None, fields: dict[str, Any]) -> InferenceService:
    """The sample with these fields, and with this image if there is one."""
    given_image = {} if image is None else {"image": image}
    return sample(**{**fields, **given_image, "name": name})


@settings(max_examples=300, deadline=None)
@given(FIELDS, FIELDS | ON_VLLM, st.none() | IMAGES, st.booleans())
def test_rules_never_fail(
    one: dict[str, Any], other: dict[str, Any], image: ImageSpec | None, is_strict: bool
) -> None:
    """Whatever two services of a stack are, each finding is whole: a rule's, with all its parts."""
    services = [service("one", image, one), service("other", None, other)]
    try:
        found = findings(*services, is_strict=is_strict)
    except InvalidStack:
        return  # the stack file is wrong, which is told before any rule is asked
    known = {rule.code: rule for rule in RULES}
    for each in found:
        assert each.code in known
        assert each.where.partition(".")[0] in ("one", "other")
        for text in (each.what, each.why, each.fix, each.source):
            assert text and text == text.strip()
            assert "\n" not in text
