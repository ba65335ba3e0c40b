"""Every rule: services that it alone finds fault with, and the same ones where all is well."""

from typing import Any

import attrs
import pytest
from rule_cases import CASES
from rule_samples import FP8, NVFP4, Case, findings, sample

from components import VLLM, Model, ModelFacts, SGLang, SpeculativeDecoding
from components.rules import RULES
from infra.facts.flags import versions


def named(case: Case) -> str:
    """A case in pytest's list."""
    return case.code


def found(case: Case, fields: dict[str, Any]) -> set[str]:
    """The codes of what is found."""
    return {each.code for each in case.found(fields)}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_fault_alone_is_found(case: Case) -> None:
    """A service with one fault has findings of that rule and of no other."""
    assert found(case, case.bad) == {case.code}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_is_right_is_not_found(case: Case) -> None:
    """The same service without the fault has no finding."""
    assert found(case, case.good) == set()


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_release_decides(case: Case) -> None:
    """Where any known release does not have the fault, the case names one of them."""
    if "image" in case.bad:  # its tag is the release
        assert case.elsewhere is None
        return
    silent = [
        version
        for version in versions(case.engine)
        if case.code not in found(case, {**case.bad, "version": version})
    ]
    assert (case.elsewhere in silent) if silent else (case.elsewhere is None)


def test_every_rule_has_a_case() -> None:
    """A rule without a service that it alone finds fault with is not finished."""
    assert [rule.code for rule in RULES if rule.code not in {case.code for case in CASES}] == []


def test_levels_differ_by_release() -> None:
    """NVFP4 on Hopper is refused up to 0.5.12 and slow from 0.5.13 on."""
    levels = {
        version: [each.severity for each in findings(sample(model=NVFP4, version=version))]
        for version in ("0.5.12.post1", "0.5.13.post1")
    }
    assert levels == {"0.5.12.post1": ["error"], "0.5.13.post1": ["warning"]}


def test_levels_differ_by_strictness() -> None:
    """What is a warning elsewhere is an error where people depend on the stack."""
    unpinned = sample(revision=None, min_containers=1)
    severities = [
        [each.severity for each in findings(unpinned, is_strict=is_strict) if each.code == "INF090"]
        for is_strict in (False, True)
    ]
    assert severities == [["warning"], ["error"]]


def test_a_finding_never_shows_a_secret() -> None:
    """The value that looks like a secret is in no text."""
    value = "hf_" + "q" * 30
    (found,) = findings(sample(environment={"ANYTHING": value}))
    assert value not in str(found)


def test_draft_tokens_show_what_runs() -> None:
    """The finding holds the number that SGLang puts in place of the given one."""
    five = SpeculativeDecoding.mtp(num_steps=5, eagle_topk=1, num_draft_tokens=5)
    (found,) = findings(sample(speculative=five))
    assert "5 runs as 6" in found.what


@pytest.mark.parametrize(
    ("version", "flag", "said", "fix"),
    [
        (
            "0.5.20",
            {"cuda_graph_max_bs": 20},
            "--cuda-graph-max-bs: SGLang 0.5.20 has --cuda-graph-max-bs-decode, "
            "--cuda-graph-max-bs-prefill and does not know which is meant",
            "write --cuda-graph-max-bs-decode",
        ),
        (
            "0.5.20",
            {"mamba_scheduler_strategy": "auto"},
            "--mamba-scheduler-strategy: SGLang 0.5.20 has no such flag; 0.5.19 is the last that "
            "has it",
            "write --mamba-radix-cache-strategy",
        ),
        (
            "0.5.6.post2",
            {"speculative_adaptive": True},
            "--speculative-adaptive: SGLang 0.5.6.post2 has no such flag; it comes with 0.5.11",
            "take it out, or use an image of 0.5.11 or newer",
        ),
        (
            "0.5.23",
            {"enable_metrix": True},
            "--enable-metrix: SGLang 0.5.23 has no such flag",
            "write --enable-metrics, if that is meant, or take it out",
        ),
    ],
)
def test_a_refused_flag_comes_with_what_to_write(
    version: str, flag: dict[str, Any], said: str, fix: str
) -> None:
    """The catalogue tells in which releases a flag is, and what took its place."""
    (found,) = findings(sample(version=version, flags=flag))
    assert (found.what, found.fix) == (said, fix)


@pytest.mark.parametrize(
    ("engine", "said", "fix"),
    [
        (
            VLLM(max_model_len=16384, kv_cache_memory_bytes="2G"),
            "--kv-cache-memory-bytes is 2G: the largest has 14,563 tokens",
            "write max_model_len=14560 or less, or raise kv_cache_memory_bytes",
        ),
        (
            VLLM(max_model_len=16384, num_gpu_blocks_override=100),
            "--num-gpu-blocks-override is 100: the largest has 1,600 tokens",
            "write max_model_len=1600 or less, or raise num_gpu_blocks_override",
        ),
        (
            SGLang(context_length=32768, max_total_tokens=20000, cuda_graph_max_bs=None),
            "--max-total-tokens is 20000: the largest has 20,000 tokens",
            "write context_length=20000 or less, or raise max_total_tokens",
        ),
    ],
)
def test_a_limit_of_the_cache_is_named(engine: VLLM | SGLang, said: str, fix: str) -> None:
    """Where a flag makes the KV cache so small, larger GPUs do not help; vLLM has whole blocks."""
    (found,) = findings(sample(model=FP8, gpu="L40S", engine=engine))
    assert found.code == "INF075"
    assert found.what.endswith(said) and found.fix == fix


def test_blocks_that_no_division_leaves_whole() -> None:
    """Where no number of GPUs has whole blocks, INF067 says so with what is left to do."""
    facts = ModelFacts(quantization="fp8", mlp_size=1000, block_size=128)
    cut = Model("some/fp8", revision="0" * 40, facts=facts)
    found = [each for each in findings(attrs.evolve(sample(), model=cut)) if each.code == "INF067"]
    assert [each.fix for each in found] == ["use weights in 16 bits"]
