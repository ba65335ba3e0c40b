"""Every rule: a service that it alone finds fault with, and the same one where all is well."""

from typing import Any

import attrs
import pytest
from rule_samples import COMMIT, EAGLE3, codes, findings, image, kernels, sample

from components import ImageSpec, SpeculativeDecoding
from components.rules import RULES
from infra.contribution import Contribution, ServiceFacts
from infra.resources import Mount, Volume

FP8 = "Qwen/Qwen3-8B-FP8"
NVFP4 = "nvidia/Qwen3-32B-NVFP4"
NEMOTRON = "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"
HYBRID = "Qwen/Qwen3-Next-80B-A3B-Instruct"
DRAFT = {"draft_model_path": "a/draft", "draft_model_revision": COMMIT}


def speculative(algorithm: str = "EAGLE3", **fields: Any) -> SpeculativeDecoding:
    """Speculative decoding with a pinned draft."""
    return SpeculativeDecoding(algorithm, **{**DRAFT, **fields})


@attrs.frozen(kw_only=True)
class Case:
    """
    A fault.

    Attributes:
        code: The rule that alone finds it.
        bad: What makes the sample faulty.
        good: What is as near to that as can be, and right.
        elsewhere: The same fault with another release, where the rule is silent; None: it holds
            in all releases that it knows.
        strict: Whether it takes a strict stack to be a fault.
    """

    code: str
    bad: dict[str, Any]
    good: dict[str, Any] = attrs.field(factory=dict)
    elsewhere: str | None = None
    strict: bool = False


@attrs.frozen
class Mounted:
    """A part of a stack's author: a Volume, and nothing that points at it."""

    volume: str
    path: str

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The mount."""
        return Contribution(mounts=(Mount(path=self.path, volume=Volume(name=self.volume)),))


PIP = ImageSpec.debian_slim(python_version="3.12").uv_pip_install("sglang==0.5.23")

CASES = [
    # flags
    Case(
        code="INF010",
        bad={"flags": {"enable_flashinfer_autotune": True}},
        good={"flags": {"disable_flashinfer_autotune": True}},
        elsewhere="0.5.6.post2",
    ),
    Case(
        code="INF011",
        bad={"flags": {"cuda_graph_max_bs": 20}},
        good={"flags": {"cuda_graph_max_bs_decode": 20}},
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF012",
        bad={"flags": {"reasoning_parser": "nano_v3"}},
        good={"flags": {"reasoning_parser": "nemotron_3"}},
        elsewhere="0.5.9",
    ),
    Case(code="INF012", bad={"flags": {"context_length": "long"}}),
    Case(code="INF012", bad={"flags": {"schedule_policy": True}}),
    Case(
        code="INF013",
        bad={"flags": {"mem_fraction": 0.8}},
        good={"flags": {"mem_fraction_static": 0.8}},
    ),
    Case(
        code="INF014",
        bad={"flags": {"disable_cuda_graph": True}},
        good={"flags": {"cuda_graph_backend_decode": "disabled"}},
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF015",
        bad={"version": "0.5.11", "flags": {"disable_piecewise_cuda_graph": True}},
        good={"version": "0.5.11"},
        elsewhere="0.5.20",
    ),
    Case(code="INF016", bad={"version": "0.5.99"}, elsewhere="0.5.23"),
    Case(
        code="INF016",
        bad={"image": image().run_commands("true").from_registry("my/engine:7")},
        good={"image": PIP},
    ),
    Case(
        code="INF017",
        bad={
            "flags": {"enable_hierarchical_cache": True, "disable_radix_cache": True},
            "routing": {"session_affinity": False},
        },
        good={"flags": {"enable_hierarchical_cache": True}},
    ),
    Case(
        code="INF017",
        bad={"flags": {"chunked_prefill_size": 1000, "page_size": 64}},
        good={"flags": {"chunked_prefill_size": 1024, "page_size": 64}},
    ),
    Case(
        code="INF017",
        bad={"flags": {"enable_memory_saver": True}},
        good={"flags": {"enable_memory_saver": True, "enable_weights_cpu_backup": True}},
    ),
    # speculative decoding
    Case(
        code="INF020",
        bad={"speculative": speculative(num_steps=5, eagle_topk=1, num_draft_tokens=5)},
        good={"speculative": speculative(num_steps=5, eagle_topk=1, num_draft_tokens=6)},
    ),
    Case(
        code="INF021",
        bad={"speculative": speculative(eagle_topk=4, num_draft_tokens=8)},
        good={"speculative": speculative()},
    ),
    Case(
        code="INF022",
        bad={
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "flags": {"attention_backend": "trtllm_mha"},
            "gpu": "B200:2",
        },
        good={"speculative": EAGLE3, "flags": {"attention_backend": "trtllm_mha"}, "gpu": "B200:2"},
    ),
    Case(
        code="INF022",
        bad={
            "version": "0.5.10.post1",
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "flags": {
                "attention_backend": "triton",
                "page_size": 16,
            },
        },
        good={
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "flags": {"attention_backend": "fa3", "page_size": 16},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF022",
        bad={"speculative": SpeculativeDecoding.ngram(), "flags": {"page_size": 16}},
        good={"speculative": SpeculativeDecoding.ngram()},
    ),
    Case(
        code="INF023",
        bad={
            "speculative": SpeculativeDecoding.ngram(),
            "flags": {"enable_dp_attention": True},
            "version": "0.5.21",
        },
        good={"speculative": EAGLE3, "flags": {"enable_dp_attention": True}, "version": "0.5.21"},
    ),
    Case(
        code="INF024",
        bad={"speculative": SpeculativeDecoding("EAGLE3")},
        good={"speculative": SpeculativeDecoding.mtp()},
    ),
    Case(
        code="INF025",
        bad={"speculative": speculative(num_steps=1, eagle_topk=4, num_draft_tokens=8)},
        good={"speculative": speculative(num_steps=2, eagle_topk=4, num_draft_tokens=8)},
    ),
    Case(
        code="INF026",
        bad={"speculative": speculative("DSPARK"), "version": "0.5.15.post1"},
        good={"speculative": speculative("DFLASH"), "version": "0.5.15.post1"},
        elsewhere="0.5.16",
    ),
    Case(
        code="INF027",
        bad={
            "speculative": speculative("DFLASH", num_draft_tokens=8),
            "flags": {"speculative_dflash_block_size": 16},
        },
        good={
            "speculative": speculative("DFLASH", num_draft_tokens=16),
            "flags": {"speculative_dflash_block_size": 16},
        },
    ),
    Case(
        code="INF027",
        bad={
            "speculative": speculative("DFLASH", num_draft_tokens=16),
            "flags": {"speculative_draft_window_size": 8},
        },
        good={
            "speculative": speculative("DFLASH", num_draft_tokens=16),
            "flags": {"speculative_draft_window_size": 16},
        },
    ),
    Case(
        code="INF027",
        bad={"speculative": speculative("DFLASH", num_steps=3)},
        good={"speculative": speculative("DFLASH")},
    ),
    Case(
        code="INF028",
        bad={
            "speculative": speculative("STANDALONE"),
            "flags": {"speculative_use_rejection_sampling": True},
        },
        good={"speculative": EAGLE3, "flags": {"speculative_use_rejection_sampling": True}},
    ),
    Case(
        code="INF029",
        bad={"speculative": SpeculativeDecoding("UNO"), "flags": {"uno_lora_path": "/lora"}},
        good={
            "speculative": SpeculativeDecoding("UNO"),
            "flags": {"uno_lora_path": "/lora"},
            "gpu": "H100!",
        },
    ),
    Case(
        code="INF030",
        bad={
            "version": "0.5.11",
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
        },
        good={"version": "0.5.11", "speculative": EAGLE3},
        elsewhere="0.5.14",
    ),
    Case(
        code="INF031",
        bad={
            "version": "0.5.11",
            "speculative": EAGLE3,
            "environment": {"SGLANG_ENABLE_SPEC_V2": "1"},
        },
        good={
            "version": "0.5.11",
            "speculative": EAGLE3,
            "environment": {"SGLANG_ENABLE_SPEC_V2": "0"},
        },
        elsewhere="0.5.10.post1",
    ),
    Case(
        code="INF032",
        bad={"speculative": EAGLE3, "routing": {"target_inputs": 40}},
        good={"speculative": EAGLE3, "routing": {"target_inputs": 16}},
    ),
    # hybrid models
    Case(
        code="INF035",
        bad={"version": "0.5.11", "model": HYBRID, "speculative": SpeculativeDecoding.mtp()},
        good={
            "version": "0.5.11",
            "model": HYBRID,
            "speculative": SpeculativeDecoding.mtp(),
            "flags": {"disable_radix_cache": True},
            "routing": {"session_affinity": False},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF036",
        bad={
            "version": "0.5.14",
            "model": HYBRID,
            "flags": {"mamba_radix_cache_strategy": "extra_buffer", "disable_radix_cache": True},
            "routing": {"session_affinity": False},
        },
        good={
            "version": "0.5.14",
            "model": HYBRID,
            "flags": {"mamba_radix_cache_strategy": "extra_buffer"},
        },
    ),
    Case(
        code="INF037",
        bad={"version": "0.5.14", "model": NEMOTRON, "flags": {"attention_backend": "triton"}},
        good={"version": "0.5.14", "model": NEMOTRON},
        elsewhere="0.5.19",
    ),
    # caches
    Case(
        code="INF040",
        bad={"model": FP8, "kernels": kernels(mount_path="/root/.cache/deepgemm", env={})},
        good={"model": FP8, "kernels": kernels(mount_path="/root/.cache/deepgemm")},
    ),
    Case(
        code="INF040",
        bad={"version": "0.5.18", "model": FP8, "kernels": kernels(env={})},
        good={"version": "0.5.18", "model": FP8, "kernels": kernels()},
        elsewhere="0.5.17",
    ),
    Case(
        code="INF041",
        bad={"weights": None, "parts": [Mounted("huggingface-cache", "/weights")]},
        good={
            "weights": None,
            "parts": [Mounted("huggingface-cache", "/weights")],
            "environment": {"HF_HOME": "/weights"},
        },
    ),
    Case(code="INF042", bad={"weights": None}),
    Case(
        code="INF043",
        bad={"image": ImageSpec.from_registry("lmsysorg/sglang:v0.5.23").entrypoint([])},
        good={"image": image()},
    ),
    Case(
        code="INF044",
        bad={"kernels": kernels(), "gpu": "A100-80GB:2"},
        good={"kernels": kernels(), "gpu": "H200:2"},
    ),
    Case(
        code="INF044",
        bad={
            "kernels": kernels(
                env={
                    "SGLANG_ENABLE_JIT_DEEPGEMM": "0",
                    "SGLANG_DG_CACHE_DIR": "/root/.cache/deep_gemm",
                }
            )
        },
        good={"kernels": kernels()},
    ),
    Case(code="INF045", bad={"model": FP8}, good={"model": FP8, "kernels": kernels()}),
    # readiness
    Case(code="INF050", bad={"startup_timeout": None}, good={"startup_timeout": 1800}),
    Case(
        code="INF051",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 60, "warm_up_timeout": 10},
        good={"model": FP8, "kernels": kernels(), "startup_timeout": 600},
    ),
    Case(
        code="INF051",
        bad={"startup_timeout": 100},
        good={"startup_timeout": 100, "warm_up_timeout": 30},
    ),
    Case(
        code="INF052",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 7200},
        good={"model": FP8, "kernels": kernels(), "startup_timeout": 900},
    ),
    Case(
        code="INF053",
        bad={"routing": {"exit_grace_period": 0}},
        good={"routing": {"exit_grace_period": 5}},
    ),
    Case(code="INF054", bad={"flags": {"skip_server_warmup": True}}),
    # GPUs
    Case(code="INF060", bad={"gpu": "H1000:2"}, good={"gpu": "h100:2"}),
    Case(code="INF060", bad={"gpu": "A10:8"}, good={"gpu": "A10:4"}),
    Case(
        code="INF061",
        bad={"flags": {"dp_size": 2}},
        good={"flags": {"dp_size": 2, "enable_dp_attention": True}, "version": "0.5.21"},
    ),
    Case(
        code="INF062",
        bad={"model": NVFP4, "version": "0.5.12.post1"},
        good={"model": NVFP4, "version": "0.5.12.post1", "gpu": "B200:2"},
    ),
    Case(
        code="INF062",
        bad={"model": FP8, "gpu": "A100-80GB:2"},
        good={"model": FP8, "gpu": "L40S:2"},
    ),
    Case(
        code="INF063",
        bad={"flags": {"attention_backend": "fa3"}, "gpu": "B200:2"},
        good={"flags": {"attention_backend": "fa3"}},
    ),
    Case(
        code="INF063",
        bad={
            "model": FP8,
            "flags": {"fp8_gemm_backend": "deep_gemm"},
            "environment": {"SGLANG_ENABLE_JIT_DEEPGEMM": "0"},
        },
        good={
            "model": FP8,
            "flags": {"fp8_gemm_backend": "triton"},
            "environment": {"SGLANG_ENABLE_JIT_DEEPGEMM": "0"},
        },
    ),
    Case(code="INF064", bad={"flags": {"ep_size": 4}}, good={"flags": {"ep_size": 2}}),
    Case(
        code="INF065",
        bad={"gpu": "B200+:2", "image": image(suffix="-cu129")},
        good={"gpu": "B200+:2", "image": image(suffix="-cu131")},
    ),
    Case(
        code="INF066",
        bad={"gpu": "H100:2", "flags": {"max_total_tokens": 100000}},
        good={"gpu": "H100!:2", "flags": {"max_total_tokens": 100000}},
    ),
    # memory
    Case(
        code="INF070",
        bad={"flags": {"mem_fraction_static": 0.95, "chunked_prefill_size": 16384}},
        good={"flags": {"mem_fraction_static": 0.8, "chunked_prefill_size": 16384}},
    ),
    Case(
        code="INF071",
        bad={
            "model": FP8,
            "gpu": "T4",
            "flags": {"mem_fraction_static": 0.5, "quantization": "gguf"},
        },
        good={"model": FP8, "gpu": "L4", "flags": {"mem_fraction_static": 0.8}},
    ),
    Case(
        code="INF072",
        bad={"model": FP8, "gpu": "L40S:3"},
        good={"model": FP8, "gpu": "L40S:2"},
    ),
    # routing
    Case(code="INF080", bad={"routing": {"region": "us-north", "proxy_regions": ["us-east"]}}),
    Case(
        code="INF081",
        bad={"routing": {"region": "us", "proxy_regions": ["us-west"]}},
        good={"routing": {"region": "us-west"}},
    ),
    Case(
        code="INF081",
        bad={"routing": {"region": "eu-north", "proxy_regions": ["us-east"]}},
        good={"routing": {"region": "eu-north", "proxy_regions": ["eu-west"]}},
    ),
    Case(code="INF081", bad={"routing": {"region": None}}),
    Case(
        code="INF082",
        bad={"flags": {"disable_radix_cache": True}},
        good={"flags": {"disable_radix_cache": True}, "routing": {"session_affinity": False}},
    ),
    Case(
        code="INF083",
        bad={"flags": {"max_running_requests": 8}},
        good={"flags": {"max_running_requests": 10}},
    ),
    Case(
        code="INF084",
        bad={"flags": {"cuda_graph_max_bs_decode": 8}},
        good={"flags": {"cuda_graph_max_bs_decode": 10}},
    ),
    Case(code="INF085", bad={"max_containers": 1}, good={"max_containers": 2}),
    # pinning
    Case(code="INF090", bad={"revision": None}, good={"revision": COMMIT}),
    Case(code="INF090", bad={"revision": "main"}),
    Case(
        code="INF091",
        bad={"speculative": SpeculativeDecoding.eagle3("a/draft")},
        good={"speculative": SpeculativeDecoding.eagle3("a/draft", draft_model_revision=COMMIT)},
    ),
    Case(
        code="INF092",
        bad={
            "image": ImageSpec.from_registry("nvcr.io/nvidia/engine:latest").uv_pip_install(
                "sglang==0.5.23"
            )
        },
        good={
            "image": ImageSpec.from_registry("nvcr.io/nvidia/engine:25.01").uv_pip_install(
                "sglang==0.5.23"
            )
        },
    ),
    Case(
        code="INF093",
        bad={"image": image().uv_pip_install("hf-transfer")},
        good={"image": image().uv_pip_install("hf-transfer==0.1.9")},
    ),
    # exposure
    Case(
        code="INF100",
        bad={"environment": {"OPENAI_API_KEY": "x"}},
        good={"environment": {"TOKENIZERS_PARALLELISM": "false", "MAX_TOKENS": "8"}},
    ),
    Case(code="INF100", bad={"environment": {"HUB": "hf_" + "a" * 30}}),
    Case(code="INF100", bad={"flags": {"api_key": "x"}}),
    Case(
        code="INF102",
        bad={"routing": {"front_door": "http_server"}},
        good={"routing": {"front_door": "server"}},
    ),
    Case(code="INF102", bad={"routing": {"unauthenticated": True}}),
    Case(code="INF103", bad={"min_containers": 0}, good={"min_containers": 1}, strict=True),
    Case(code="INF104", bad={"min_containers": 1}, good={"min_containers": 0}),
]


def named(case: Case) -> str:
    """A case in pytest's list."""
    return case.code


def strictly(case: Case, fields: dict[str, Any]) -> set[str]:
    """The codes that are found in a stack as strict as the case wants it."""
    return codes(sample(**fields), is_strict=case.strict)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_fault_alone_is_found(case: Case) -> None:
    """A service with one fault has findings of that rule and of no other."""
    assert strictly(case, case.bad) == {case.code}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_is_right_is_not_found(case: Case) -> None:
    """The same service without the fault has no finding."""
    assert strictly(case, case.good) == set()


@pytest.mark.parametrize("case", [case for case in CASES if case.elsewhere], ids=named)
def test_the_release_decides(case: Case) -> None:
    """With another release of SGLang the same stack does not have that fault."""
    assert case.code not in strictly(case, {**case.bad, "version": case.elsewhere})


def test_every_rule_has_a_case() -> None:
    """No rule is without a service that it alone finds fault with, but for those tested below."""
    assert {rule.code for rule in RULES} - {case.code for case in CASES} == {"INF094", "INF101"}


def test_foreign_code_comes_with_an_unpinned_model() -> None:
    """--trust-remote-code is a fault of its own only beside a model without a commit."""
    trusting = {"flags": {"trust_remote_code": True}}
    assert codes(sample(**trusting)) == set()
    assert codes(sample(**trusting, revision=None)) == {"INF090", "INF094"}


def test_gated_models_need_a_token() -> None:
    """A model that asks for a token is found when the service has no Secret at all."""
    llama = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "H100!"}
    assert codes(sample(**llama)) == set()
    assert codes(sample(**llama, weights=None)) == {"INF042", "INF101"}


def test_pipelines_exclude_speculation() -> None:
    """Stages of a pipeline are refused with a draft, beside what they do to the GPU count."""
    staged = {"flags": {"pp_size": 2}, "gpu": "H100!:4"}
    assert codes(sample(**staged)) == {"INF061"}
    assert codes(sample(**staged, speculative=EAGLE3)) == {"INF023", "INF061"}


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
    assert "error" not in {each.severity for each in findings(unpinned)}
    assert {each.severity for each in findings(unpinned, is_strict=True)} == {"error"}


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
