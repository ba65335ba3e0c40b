"""A model's config.json becomes its figures, whatever its form, or an error with what is odd."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import InfraError
from infra.facts.model_config import KEYS, model_facts, relevant
from infra.facts.models import FIGURES

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
}
DEEPSEEK = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "hidden_size": 7168,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "num_hidden_layers": 61,
    "num_nextn_predict_layers": 1,
    "max_position_embeddings": 163840,
    "rope_scaling": {"factor": 40, "original_max_position_embeddings": 4096, "type": "yarn"},
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}
# As published for Nemotron 3 Nano 30B-A3B.
NANO = {
    "architectures": ["NemotronHForCausalLM"],
    "conv_kernel": 4,
    "head_dim": 128,
    "hidden_size": 2688,
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    "mamba_head_dim": 64,
    "mamba_num_heads": 64,
    "max_position_embeddings": 262144,
    "n_groups": 8,
    "num_attention_heads": 32,
    "num_hidden_layers": 52,
    "num_key_value_heads": 2,
    "ssm_state_size": 128,
}
NEXT = {
    "architectures": ["Qwen3NextForCausalLM"],
    "full_attention_interval": 4,
    "head_dim": 256,
    "hidden_size": 2048,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
    "num_attention_heads": 16,
    "num_hidden_layers": 48,
    "num_key_value_heads": 2,
}
OSS = {
    "architectures": ["GptOssForCausalLM"],
    "head_dim": 64,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
    "num_attention_heads": 64,
    "num_hidden_layers": 36,
    "num_key_value_heads": 8,
}
CONFIGS = [LLAMA, DEEPSEEK, NANO, NEXT, OSS]


def test_a_dense_model() -> None:
    """Sizes are taken, a head's is worked out; Llama's scaling of positions adds no context."""
    found = model_facts(LLAMA, "config.json", weight_bytes=141_107_412_992)
    assert (found.layers, found.kv_layers, found.heads, found.kv_heads) == (80, 80, 64, 8)
    assert (found.head_size, found.context_length) == (8192 // 64, 131072)
    assert (found.weight_bytes, found.is_hybrid, found.quantization) == (
        141_107_412_992,
        False,
        None,
    )
    assert found.source("layers") == "config.json"


def test_latent_attention() -> None:
    """A model with latent attention keeps 512 + 64 numbers of a token, and no heads."""
    found = model_facts(DEEPSEEK, "config.json")
    assert (found.latent_size, found.head_size, found.draft_layers) == (576, None, 1)
    assert (found.quantization, found.context_length) == ("fp8", 163840)


def test_an_index_is_not_reckoned() -> None:
    """What a model with an index beside its latent attention keeps is left unknown."""
    found = model_facts({**DEEPSEEK, "index_head_dim": 128}, "config.json")
    assert (found.latent_size, found.head_size) == (None, None)


def test_mamba() -> None:
    """Of 52 layers 6 have attention; 23 have a state, whose size is Mamba2's."""
    found = model_facts(NANO, "config.json")
    assert (found.is_hybrid, found.layers, found.attention_layers) == (True, 52, 6)
    convolution = (64 * 64 + 2 * 8 * 128) * 3 * 2
    assert found.state_bytes == 23 * (convolution + 64 * 64 * 128 * 4) == 49_082_368


def test_linear_attention() -> None:
    """Every fourth layer has attention, the others a state."""
    found = model_facts(NEXT, "config.json")
    assert (found.is_hybrid, found.layers, found.attention_layers) == (True, 48, 12)
    convolution = (32 * 128 + 2 * 16 * 128) * 3 * 2
    assert found.state_bytes == 36 * (convolution + 32 * 128 * 128 * 4)


def test_windows() -> None:
    """Layers with a window are counted, and are no states."""
    found = model_facts(OSS, "config.json")
    assert (found.is_hybrid, found.sliding_layers, found.kv_layers) == (False, 18, 36)
    seen = model_facts({**OSS, "sliding_window": 128}, "config.json")
    assert (seen.sliding_layers, seen.window) == (18, 128)


@pytest.mark.parametrize(
    ("more", "sliding"),
    [
        ({"sliding_window": 4096}, 80),
        ({"attention_chunk_size": 8192}, 80),
        ({"sliding_window": 4096, "use_sliding_window": False}, None),
        ({"sliding_window": None}, None),
    ],
)
def test_windows_of_layers_that_are_not_listed(more: dict[str, Any], sliding: int | None) -> None:
    """Where only the window is known, it may be every layer's."""
    assert model_facts({**LLAMA, **more}, "config.json").sliding_layers == sliding


def test_layers_that_share_the_cache_of_others() -> None:
    """How many there are is kept beside the number of layers, as not every engine shares."""
    found = model_facts({**LLAMA, "num_kv_shared_layers": 15}, "config.json")
    assert (found.layers, found.kv_layers, found.shared_layers) == (80, 80, 15)


def test_experts() -> None:
    """A model with experts has a size of one, be it by the name that dense models use."""
    dense = model_facts({**LLAMA, "intermediate_size": 28672}, "config.json")
    assert (dense.mlp_size, dense.expert_size) == (28672, None)
    several = {**LLAMA, "intermediate_size": 2880, "num_local_experts": 128}
    assert model_facts(several, "config.json").expert_size == 2880
    named = {**several, "moe_intermediate_size": 1536}
    assert model_facts(named, "config.json").expert_size == 1536


@pytest.mark.parametrize(
    ("more", "lengths"),
    [
        ({"rope_scaling": None}, (131072, None)),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, (262144, None)),
        (
            {"rope_scaling": {"type": "linear", "factor": 8.0}, "model_type": "gemma3_text"},
            (1048576, 131072),
        ),
        (
            {
                "rope_scaling": {
                    "rope_type": "yarn",
                    "factor": 8.0,
                    "original_max_position_embeddings": 32768,
                }
            },
            (131072, 262144),
        ),
        (
            {"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096},
            (131072, 4096),
        ),
    ],
)
def test_engines_derive_lengths_differently(
    more: dict[str, Any], lengths: tuple[int, int | None]
) -> None:
    """What scaling of positions adds is not the same in SGLang and vLLM."""
    found = model_facts({**LLAMA, **more}, "config.json")
    assert (found.context_length, found.vllm_length) == lengths


def test_a_model_with_pictures() -> None:
    """The language model's sizes are in a part of the file."""
    found = model_facts(
        {"architectures": ["Qwen3VLForConditionalGeneration"], "text_config": LLAMA}, "config.json"
    )
    assert (found.architecture, found.layers) == ("Qwen3VLForConditionalGeneration", 80)


@pytest.mark.parametrize(
    ("quantization", "method", "kv_dtype"),
    [
        ({"quant_method": "awq"}, "awq", None),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt_fp4", None),
        (
            {
                "quant_method": "modelopt",
                "quant_algo": "FP8",
                "kv_cache_scheme": {"num_bits": 8, "type": "float"},
            },
            "modelopt_fp8",
            "fp8",
        ),
        (
            {
                "quant_method": "modelopt",
                "quant_algo": "NVFP4",
                "kv_cache_scheme": {"num_bits": 4, "type": "float"},
            },
            "modelopt_fp4",
            "nvfp4",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "kv_cache_scheme": {"num_bits": 8, "type": "float"},
            },
            "compressed-tensors",
            "fp8",
        ),
        (
            {"quant_method": "compressed-tensors", "kv_cache_scheme": None},
            "compressed-tensors",
            None,
        ),
    ],
)
def test_quantization(quantization: dict[str, Any], method: str, kv_dtype: str | None) -> None:
    """The method is in SGLang's words; some ask for the KV cache's type, too."""
    found = model_facts({**LLAMA, "quantization_config": quantization}, "config.json")
    assert (found.quantization, found.kv_dtype) == (method, kv_dtype)


def test_quantization_of_the_language_model() -> None:
    """A model with pictures may say it of its language model alone, as both engines look there."""
    text = {**LLAMA, "quantization_config": {"quant_method": "awq"}}
    whole = {"architectures": ["Some"], "model_type": "some", "text_config": text}
    assert model_facts(whole, "config.json").quantization == "awq"


def test_everything_odd_is_told_at_once() -> None:
    """The error names each odd value, and the file."""
    odd = {
        "architectures": ["Llama"],
        "num_hidden_layers": "many",
        "num_attention_heads": True,
        "hybrid_override_pattern": "\x1b[2J",
    }
    with pytest.raises(InfraError) as refused:
        model_facts(odd, "models/odd.json")
    said = str(refused.value)
    assert said.startswith("models/odd.json: ")
    for name in ("num_hidden_layers", "num_attention_heads", "hybrid_override_pattern"):
        assert name in said
    assert "\x1b" not in said


@pytest.mark.parametrize("factor", [pytest.param(10**400, id="huge"), -2, math.nan, math.inf])
def test_an_odd_scale_is_passed_over(factor: float) -> None:
    """A factor that can't be one leaves the length as it is."""
    odd = {**LLAMA, "rope_scaling": {"rope_type": "yarn", "factor": factor}}
    plain = {**LLAMA, "rope_scaling": None}
    assert model_facts(odd, "a").context_length == model_facts(plain, "a").context_length


@pytest.mark.parametrize("data", [[], "text", None, {}, {"layers": 3}])
def test_what_is_no_config_is_refused(data: Any) -> None:
    """A file of another kind is not taken for a model without figures."""
    with pytest.raises(InfraError, match=r"odd.json: is no config.json of a model"):
        model_facts(data, "odd.json")


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(KEYS)), inner)
    ),
    max_leaves=12,
)


@given(base=st.sampled_from(CONFIGS), odd=st.dictionaries(st.sampled_from(sorted(KEYS)), values))
def test_no_file_can_break_it(base: dict[str, Any], odd: dict[str, Any]) -> None:
    """Whatever stands in a file, it becomes figures in their ranges, or an error that names it."""
    try:
        found = model_facts({**base, **odd}, "odd.json")
    except InfraError as refused:
        assert str(refused).startswith("odd.json: ")
        assert str(refused).isprintable()
    else:
        assert all(str(getattr(found, figure)).isprintable() for figure in FIGURES)


@given(
    base=st.sampled_from(CONFIGS),
    more=st.dictionaries(st.sampled_from([*sorted(KEYS), "bos_token_id", "vocab_size"]), values),
)
def test_what_is_kept_is_all_that_is_read(base: dict[str, Any], more: dict[str, Any]) -> None:
    """A file cut down to what is read gives the same figures, or the same error."""

    def outcome(config: dict[str, Any]) -> object:
        try:
            return model_facts(config, "config.json")
        except InfraError as refused:
            return str(refused)

    config = {**base, **more}
    assert outcome(relevant(config)) == outcome(config)
