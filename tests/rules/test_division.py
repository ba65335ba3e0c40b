"""What is said of models whose figures the stack has: what fits, and what can be divided."""

from typing import Any

import attrs
import pytest
from rule_samples import codes, findings, sample

from components import VLLM, InferenceService, Model, ModelFacts, SGLang
from infra.facts.model_config import model_facts
from infra.rules import Finding

LLAMA_70B = ModelFacts(
    weight_bytes=141_107_412_992,
    layers=80,
    heads=64,
    kv_heads=8,
    head_size=128,
    mlp_size=28672,
    context_length=131072,
    is_hybrid=False,
)
DEEPSEEK = ModelFacts(weight_bytes=688_000_000_000)


def service(facts: ModelFacts, **fields: Any) -> InferenceService:
    """The sample with a model of these figures."""
    given = sample(**{"startup_timeout": 9000, **fields})
    return attrs.evolve(given, model=Model("some/model", revision="0" * 40, facts=facts))


def found(code: str, facts: ModelFacts, **fields: Any) -> list[Finding]:
    """What one rule finds in it."""
    return [each for each in findings(service(facts, **fields)) if each.code == code]


def test_every_gpu_of_a_list_has_to_hold_the_weights() -> None:
    """141 GB on two GPUs fit into an H200, not into the L40S that may come in its place."""
    (one,) = found("INF071", LLAMA_70B, gpu=["H200:2", "L40S:2"])
    assert "L40S's 48.3 GB" in one.what
    assert found("INF071", LLAMA_70B, gpu=["H200:2", "B200:2"]) == []


def test_the_cure_is_told() -> None:
    """A larger share where that holds the weights; another GPU where nothing else does."""
    facts = ModelFacts(weight_bytes=18_500_000_000)
    (own,) = found("INF071", facts, gpu="L4", engine=SGLang())
    assert own.fix == (
        "write mem_fraction_static=0.82, which leaves 1.3 GB for the KV cache, or use more or "
        "larger GPUs"
    )
    (given,) = found("INF071", facts, gpu="L40S", engine=SGLang(mem_fraction_static=0.3))
    assert given.fix == "take --mem-fraction-static out: SGLang would take 0.85"
    (neither,) = found("INF071", facts, gpu="T4", engine=SGLang())
    assert neither.fix == "use more or larger GPUs, or weights in fewer bits"


def test_vllm_needs_room_for_one_request() -> None:
    """8.1 GB are left, one request of 131,072 tokens takes 21.5: vLLM does not start."""
    engine = VLLM(gpu_memory_utilization=0.92, max_model_len=131072)
    (one,) = found("INF075", LLAMA_70B, engine=engine)
    assert (one.severity, one.fix) == (
        "error",
        "write max_model_len=49584 or less, or use more or larger GPUs",
    )
    fits = VLLM(gpu_memory_utilization=0.92, max_model_len=49593)
    assert found("INF075", LLAMA_70B, engine=fits) == []


@pytest.mark.parametrize(
    "engine",
    [
        VLLM(gpu_memory_utilization=0.92, max_model_len="auto"),
        VLLM(gpu_memory_utilization=0.92, kv_cache_dtype="turboquant_4bit_nc"),
        VLLM(gpu_memory_utilization=0.92, decode_context_parallel_size=2),
        VLLM(kv_cache_memory_bytes="30G"),
    ],
)
def test_what_is_not_known_of_the_cache_is_no_finding(engine: VLLM) -> None:
    """Where vLLM finds out the length, or a token's size is not known, nothing is said."""
    assert found("INF075", LLAMA_70B, engine=engine) == []


@pytest.mark.parametrize("share", ["nan", "inf", "-1", "85"])
def test_a_share_that_can_t_be_breaks_nothing(share: str) -> None:
    """Other rules name it; of what fits into it nothing is said."""
    for engine in (SGLang(mem_fraction_static=share), VLLM(gpu_memory_utilization=share)):
        assert found("INF071", LLAMA_70B, engine=engine) == []
        assert found("INF075", LLAMA_70B, engine=engine) == []


def test_a_cache_in_fp8_by_the_model_s_own_wish() -> None:
    """One request fits in 8 bits, not in 16, which older releases of vLLM keep."""
    scheme = {"num_bits": 8, "type": "float"}
    wish = {"quant_method": "compressed-tensors", "kv_cache_scheme": scheme}
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "quantization_config": wish,
    }
    facts = model_facts(config, "config.json", weight_bytes=9_400_000_000)
    given: dict[str, Any] = {"engine": VLLM(), "gpu": "L40S"}
    assert found("INF075", facts, **given, version="0.33.0") == []
    (one,) = found("INF075", facts, **given, version="0.11.2")
    assert one.severity == "error"


def test_windows_are_no_finding() -> None:
    """Layers that look back over a window may take less than whole ones, so they count nothing."""
    facts = ModelFacts(sliding_layers=80).over(LLAMA_70B)
    assert found("INF075", facts, engine=VLLM()) == []


def test_experts_are_shared_by_copies() -> None:
    """Copies of vLLM share experts; SGLang's GPUs do with attention in parallel."""
    copies = VLLM(tensor_parallel_size=1, data_parallel_size=8, enable_expert_parallel=True)
    assert found("INF071", DEEPSEEK, gpu="H200:8", engine=copies) == []
    experts = ModelFacts(expert_size=2048).over(DEEPSEEK)
    assert found("INF071", experts, gpu="H200:8", engine=copies) == []
    assert len(found("INF071", experts, gpu="L40S:8", engine=copies)) == 1
    dense = ModelFacts(mlp_size=18432).over(DEEPSEEK)
    assert len(found("INF071", dense, gpu="H200:8", engine=copies)) == 1
    sglang = SGLang(dp_size=8, enable_dp_attention=True, ep_size=8)
    assert found("INF071", DEEPSEEK, gpu="H200:8", engine=sglang, version="0.5.19") == []


def test_weights_that_are_quantised_at_the_start() -> None:
    """What 16 bits become on the GPU is not known."""
    facts = LLAMA_70B
    assert len(found("INF071", facts, gpu="H100!", engine=SGLang())) == 1
    assert found("INF071", facts, gpu="H100!", engine=SGLang(quantization="fp8")) == []


def test_the_heads_of_one_copy_of_attention() -> None:
    """28 heads on eight GPUs are too few; two copies of attention have four GPUs each."""
    facts = ModelFacts(heads=28, kv_heads=4)
    eight: dict[str, Any] = {"gpu": "H100!:8", "version": "0.5.19"}
    (one,) = found("INF072", facts, **eight)
    assert one.fix == "use 1, 2 or 4 GPUs"
    copies = SGLang(dp_size=2, enable_dp_attention=True)
    assert found("INF072", facts, **eight, engine=copies) == []
    (six,) = found("INF072", facts, gpu="H100!:6", engine=SGLang(tp_size=6))
    assert six.fix == "use 1, 2 or 4 GPUs"


def test_positions_may_be_scaled() -> None:
    """A longer context is right with the engine's variable, or where the model is changed."""
    facts = ModelFacts(context_length=40960)
    variable = {"SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": "true"}
    longer = SGLang(context_length=131072)
    assert len(found("INF074", facts, engine=longer)) == 1
    assert found("INF074", facts, engine=longer, environment=variable) == []
    factor = '{"rope_scaling": {"factor": 4.0}}'
    scaled = SGLang(context_length=131072, json_model_override_args=factor)
    assert found("INF074", facts, engine=scaled) == []
    overridden = VLLM(max_model_len=131072, hf_overrides='{"rope_parameters": {"factor": 4.0}}')
    assert found("INF074", facts, engine=overridden) == []


def test_engines_count_positions_differently() -> None:
    """With YaRN in its config.json a model is four times as long in vLLM, and not in SGLang."""
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "max_position_embeddings": 40960,
        "rope_scaling": yarn,
    }
    facts = model_facts(config, "config.json")
    assert (facts.context_length, facts.vllm_length) == (40960, 131072)
    assert found("INF074", facts, engine=VLLM(max_model_len=131072)) == []
    assert len(found("INF074", facts, engine=VLLM(max_model_len=131073))) == 1
    assert len(found("INF074", facts, engine=SGLang(context_length=131072))) == 1


def test_blocks_alone_are_for_deep_gemm() -> None:
    """FP8 in a name is not enough for a claim about DeepGEMM; the makers' blocks are."""
    kernels = {"INF045"}
    dynamic = sample(model="RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic")
    assert codes(dynamic) & kernels == set()
    for name in ("deepseek-ai/DeepSeek-V3.1", "MiniMaxAI/MiniMax-M2"):
        assert codes(sample(model=name, gpu="H100!:8")) & kernels == kernels


def test_formats_that_names_tell() -> None:
    """MXFP4 runs on an H100; FP8 without FP8 in the name does not on an A100."""
    assert "INF062" not in codes(sample(model="unsloth/gpt-oss-120b-MXFP4"))
    assert "INF062" in codes(sample(model="deepseek-ai/DeepSeek-V3.1", gpu="A100-80GB:8"))
