"""A model's ``config.json`` in, its figures out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.errors import InfraError
from infra.facts.models import MOST, ModelFacts

# Where SGLang looks for the language model's part of a model with pictures or sound, in its order.
PARTS = ("thinker_config", "llm_config", "language_config", "text_config")
# The names of figures that have several, in the order in which SGLang asks (0.5.11).
LENGTHS = (
    "max_sequence_length",
    "seq_length",
    "max_seq_len",
    "model_max_length",
    "max_position_embeddings",
)
KV_HEADS = (
    "n_head_kv",
    "num_kv_heads",
    "num_key_value_heads",
    "multi_query_group_num",
    "num_attention_groups",
)
# Where vLLM looks: it takes the least of those that are there (get_and_verify_max_len).
VLLM_LENGTHS = ("n_positions", "max_target_positions", "max_seq_length", "seq_len", *LENGTHS)
UNSCALED = ("su", "longrope", "llama3")  # kinds of RoPE whose factor says nothing of the length
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
LAYER_KINDS = ("layer_types", "layers_block_type")
PATTERN = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
ATTENTION = ("attention", "full_attention", "sliding_attention", "chunked_attention")
WITH_STATE = ("mamba", "linear_attention")
# Sizes of a layer with a state: inner heads, their size, the state's, groups, the convolution's.
STATES = (
    ("mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel"),
    (
        "linear_num_value_heads",
        "linear_value_head_dim",
        "linear_key_head_dim",
        "linear_num_key_heads",
        "linear_conv_kernel_dim",
    ),
)
STATE_TYPES = {"float32": 4, "bfloat16": 2, "float16": 2}
CONVOLUTION_BYTES = 2  # bfloat16, whatever the state has


QUANTIZATION = ("quant_method", "quant_algo", "kv_cache_scheme", "weight_block_size")
KEYS = {
    *PARTS,
    *VLLM_LENGTHS,
    *EXPERTS,
    *KV_HEADS,
    *LAYER_KINDS,
    *(name for names in STATES for name in names),
    "architectures",
    "model_type",
    "quantization_config",
    "num_hidden_layers",
    "n_layer",
    "num_kv_shared_layers",
    "num_nextn_predict_layers",
    "mtp_num_hidden_layers",
    "num_attention_heads",
    "n_head",
    "hidden_size",
    "intermediate_size",
    "moe_intermediate_size",
    "n_embd",
    "head_dim",
    "attention_head_dim",
    "v_head_dim",
    "kv_lora_rank",
    "qk_rope_head_dim",
    "index_head_dim",
    "hybrid_override_pattern",
    "full_attention_interval",
    "linear_attn_config",
    "mamba_d_state",
    "mamba_ssm_dtype",
    "original_max_position_embeddings",
    "rope_parameters",
    "rope_scaling",
    "sliding_window",
    "attention_chunk_size",
    "use_sliding_window",
}


def relevant(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `model_facts` reads of a ``config.json``, to be kept in a short file."""
    kept = {}
    for key in sorted(KEYS & config.keys()):
        held = config[key]
        if key in PARTS and isinstance(held, Mapping):
            held = relevant(held)
        elif key == "quantization_config" and isinstance(held, Mapping):
            held = {name: held[name] for name in QUANTIZATION if name in held}
        kept[key] = held
    return kept


class _Config:
    """A part of the file, whose odd values are gathered and not raised one by one."""

    def __init__(self, data: Mapping[str, Any], problems: list[str]) -> None:
        self.data = data
        self.problems = problems

    def count(self, *names: str) -> int | None:
        """The first of these figures that is there."""
        for name in names:
            found = self.data.get(name)
            if found is None:
                continue
            if type(found) is int and 0 <= found <= MOST:
                return found
            self._odd(name, found, f"a whole number, 0 to {MOST}")
        return None

    def word(self, name: str) -> str | None:
        """A name; what is shown on a terminal must not steer it."""
        found = self.data.get(name)
        if found is None or (isinstance(found, str) and found.isascii() and found.isprintable()):
            return found or None
        self._odd(name, found, "a name")
        return None

    def part(self, name: str) -> "_Config":
        """What is inside; nothing, where it is not there."""
        found = self.data.get(name)
        if found is not None and not isinstance(found, Mapping):
            self._odd(name, found, "an object")
        return _Config(found if isinstance(found, Mapping) else {}, self.problems)

    def words(self, name: str) -> tuple[str, ...]:
        """A list of names; empty, where it is not there."""
        found = self.data.get(name)
        if found is None:
            return ()
        if isinstance(found, list) and all(isinstance(each, str) for each in found):
            return tuple(found)
        self._odd(name, found, "a list of names")
        return ()

    def _odd(self, name: str, found: Any, allowed: str) -> None:
        self.problems.append(f"{name} is {ascii(found)[:60]}; {allowed} is allowed")


def model_facts(data: Any, where: str, *, weight_bytes: int | None = None) -> ModelFacts:
    """
    The figures of a model.

    Args:
        data: What is in its ``config.json``.
        where: The file, for the message and as the figures' source.
        weight_bytes: Bytes of its weights' files, where they are known.

    Raises:
        InfraError: It is no ``config.json``; with everything that is odd in it.
    """
    problems: list[str] = []
    if not isinstance(data, Mapping) or not {"architectures", "model_type"} & data.keys():
        raise InfraError(
            f"{where}: is no config.json of a model; one with architectures or model_type is "
            "allowed; copy it from the model's repository, or run `infra model pull`"
        )
    whole = _Config(data, problems)
    text = next((whole.part(name) for name in PARTS if data.get(name) is not None), whole)
    if text.data.get("text_config") is not None:
        text = text.part("text_config")
    kinds = _layer_kinds(text)
    layers = len(kinds) if "hybrid_override_pattern" in text.data else None
    layers = layers or text.count("num_hidden_layers", "n_layer") or len(kinds)
    is_nested = data.get("quantization_config") is None
    method, kv_dtype = _quantization(text.data if is_nested else data, problems)
    size, has_experts = text.count("intermediate_size"), any(text.count(name) for name in EXPERTS)
    length, vllm_length = _context_length(text), _vllm_length(text)
    facts = {
        "architecture": next(iter(whole.words("architectures")), None),
        "weight_bytes": weight_bytes,
        "layers": layers,
        "shared_layers": text.count("num_kv_shared_layers"),
        "draft_layers": text.count("num_nextn_predict_layers", "mtp_num_hidden_layers"),
        "mlp_size": size,
        "expert_size": text.count("moe_intermediate_size") or (size if has_experts else None),
        "block_size": _block_size(data),
        "context_length": length,
        "vllm_length": None if vllm_length == length else vllm_length,
        "quantization": method,
        "kv_dtype": kv_dtype,
        **_attention(text),
        **_states(text, kinds, layers),
    }
    if not problems:
        try:
            known = ModelFacts(**{name: value or None for name, value in facts.items()})
            return ModelFacts(is_hybrid=bool(facts["is_hybrid"])).over(known).sourced(where)
        except ValueError as problem:
            problems.append(str(problem))
    lines = "; ".join(problems)
    raise InfraError(f"{where}: {lines}; mend the file, or run `infra model pull` again")


def _attention(text: _Config) -> dict[str, Any]:
    """
    What attention keeps of a token.

    A model with latent attention keeps neither keys nor values. One with an index beside it
    (DeepSeek-V3.2) keeps more than that, which is not reckoned, so its size is not known.
    """
    heads = text.count("num_attention_heads", "n_head")
    found = {"heads": heads, "kv_heads": text.count(*KV_HEADS) or heads}
    latent, rope = text.count("kv_lora_rank"), text.count("qk_rope_head_dim")
    if latent:
        has_index = text.count("index_head_dim")
        return {**found, "latent_size": latent + rope if rope and not has_index else None}
    width = text.count("hidden_size", "n_embd")
    size = text.count("head_dim", "attention_head_dim")
    if not size and width and heads:
        size = width // heads
    return {**found, "head_size": size, "value_size": text.count("v_head_dim")}


def _layer_kinds(text: _Config) -> tuple[str, ...]:
    """What each layer is, where the file says it."""
    pattern = text.word("hybrid_override_pattern")
    if pattern:
        return tuple(PATTERN.get(mark, mark) for mark in pattern if mark != "|")
    listed: Iterator[tuple[str, ...]] = (text.words(name) for name in LAYER_KINDS)
    if kinds := next(filter(None, listed), ()):
        return kinds
    layers, interval = text.count("num_hidden_layers"), text.count("full_attention_interval")
    if layers and interval and layers <= 10_000:
        return tuple(
            "linear_attention" if (layer + 1) % interval else "full_attention"
            for layer in range(layers)
        )
    return ()


def _states(text: _Config, kinds: Sequence[str], layers: int) -> dict[str, Any]:
    """The layers with a KV cache, and what the others keep of a request."""
    full = text.part("linear_attn_config").data.get("full_attn_layers")
    if isinstance(full, list):  # Kimi-Linear
        return {"is_hybrid": True, "attention_layers": len(full)}
    if text.count("mamba_d_state") and not kinds:  # Falcon-H1: each layer is of both kinds
        return {"is_hybrid": True, "attention_layers": layers}
    with_state = sum(kind in WITH_STATE for kind in kinds)
    sliding = sum(kind in ("sliding_attention", "chunked_attention") for kind in kinds)
    if not kinds and text.data.get("use_sliding_window") is not False:
        window = text.data.get("sliding_window") or text.data.get("attention_chunk_size")
        sliding = layers if window else 0  # at the most: which they are is in the engine's code
    found: dict[str, Any] = {"is_hybrid": with_state > 0, "sliding_layers": sliding}
    if "sliding_attention" in kinds and "chunked_attention" not in kinds:
        found["window"] = text.count("sliding_window")
    if with_state:
        found["attention_layers"] = sum(kind in ATTENTION for kind in kinds)
        found["state_bytes"] = with_state * _state_bytes(text)
    return found


def _state_bytes(text: _Config) -> int:
    """What one layer keeps of a request, as SGLang's Mamba2StateShape has it; 0: not known."""
    ssm = STATE_TYPES.get(text.word("mamba_ssm_dtype") or "float32", 4)
    for names in STATES:
        heads, size, state, groups, kernel = (text.count(name) or 0 for name in names)
        if all((heads, size, state, groups, kernel)):
            convolution = (heads * size + 2 * groups * state) * (kernel - 1)
            return convolution * CONVOLUTION_BYTES + heads * size * state * ssm
    return 0


def _context_length(text: _Config) -> int | None:
    """The longest request, as SGLang derives it."""
    length = text.count(*LENGTHS)
    scaling = text.part("rope_scaling").data
    factor = scaling.get("factor", 1)
    is_counted = "original_max_position_embeddings" in scaling
    if is_counted or scaling.get("rope_type") == "llama3" or type(factor) not in (int, float):
        return length
    scaled = (length or 0) * factor if 0 < factor <= MOST else MOST + 1
    return int(scaled) if scaled <= MOST else length


def _vllm_length(text: _Config) -> int | None:
    """The longest request by itself, as vLLM derives it; None: it has a default of its own."""
    text = _Config(text.data, [])  # what is odd and SGLang does not read matters to nobody else
    own = text.count("model_max_length")
    length = own or min(filter(None, map(text.count, VLLM_LENGTHS)), default=None)
    scaling = (text.part("rope_parameters").data or text.part("rope_scaling").data).get
    kind, factor = scaling("rope_type", scaling("type")), scaling("factor", 1)
    if kind == "longrope":
        return text.count("original_max_position_embeddings") or length
    is_scaled = kind not in UNSCALED and "gemma3" not in (text.word("model_type") or "")
    if not is_scaled or type(factor) not in (int, float) or not 0 < factor <= MOST:
        return length
    before = scaling("original_max_position_embeddings") if kind == "yarn" else length
    if type(before) is not int or not 0 < before <= MOST:
        return length
    return min(int(before * factor), MOST)


def _block_size(data: Mapping[str, Any]) -> int | None:
    """The rows of a block of ``weight_block_size``, such as 128 of [128, 128]."""
    found = _Config(data, []).part("quantization_config").data.get("weight_block_size")
    rows = found[0] if isinstance(found, list) and found else None
    return rows if type(rows) is int and 1 <= rows <= MOST else None


def _quantization(data: Mapping[str, Any], problems: list[str]) -> tuple[str | None, str | None]:
    """How weights and KV cache are quantised, in SGLang's words."""
    found = _Config(data, problems).part("quantization_config")
    method, algorithm = found.word("quant_method"), (found.word("quant_algo") or "").upper()
    is_compressed = method == "compressed-tensors"
    if not algorithm and not is_compressed:
        return method, None
    for mark, meant in (
        ("MIXED", "modelopt_mixed"),
        ("FP4", "modelopt_fp4"),
        ("FP8", "modelopt_fp8"),
    ):
        if mark in algorithm:
            method = meant
            break
    scheme = found.part("kv_cache_scheme")
    bits = scheme.count("num_bits") if scheme.word("type") == "float" else None
    return method, {8: "fp8", 4: None if is_compressed else "nvfp4"}.get(bits or 0)
