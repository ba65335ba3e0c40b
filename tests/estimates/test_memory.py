"""What fits into a GPU's memory: cases that were reckoned by hand."""

from typing import Any

import attrs
import pytest
from estimate_samples import LLAMA_70B, estimate, memory, sizes

from components import VLLM, ImageSpec, ModelFacts, SpeculativeDecoding
from components.estimates.kv_cache import KVCache
from infra.estimates import MemoryFit
from infra.facts.model_config import model_facts

QWEN = "Qwen/Qwen3-8B-FP8"
NEMOTRON = "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4"
EAGLE3 = SpeculativeDecoding.eagle3(
    "Tengyunw/qwen3_8b_eagle3", num_steps=6, eagle_topk=10, num_draft_tokens=32
)
VLLM_IMAGE = ImageSpec.from_registry("vllm/vllm-openai:v0.33.0").entrypoint([])
H100 = 81_559 * 2**20  # bytes
# Public figures of DeepSeek-V3: 61 layers of latent attention and one of its own drafts.
DEEPSEEK = model_facts(
    {
        "architectures": ["DeepseekV3ForCausalLM"],
        "hidden_size": 7168,
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "num_attention_heads": 128,
        "num_key_value_heads": 128,
        "num_hidden_layers": 61,
        "num_nextn_predict_layers": 1,
        "max_position_embeddings": 163840,
        "quantization_config": {"quant_method": "fp8"},
    },
    "config.json",
    weight_bytes=688_000_000_000,
)
# Public figures of Nemotron 3 Nano 30B-A3B: 6 layers of 52 have attention, 23 a state.
NANO = ModelFacts(
    weight_bytes=63_000_000_000,
    layers=52,
    attention_layers=6,
    heads=32,
    kv_heads=2,
    head_size=128,
    state_bytes=49_082_368,
    context_length=262144,
    is_hybrid=True,
)


def test_qwen_on_one_gpu() -> None:
    """Ten requests of 32,768 tokens of 2 x 8 heads x 128 x 36 layers x 2 bytes, and what fits."""
    fit = memory(
        model=QWEN,
        routing={"target_inputs": 10},
        flags={"mem_fraction_static": 0.8, "context_length": 32768},
    )
    static = int(H100 * 0.8)
    token = 2 * 8 * 128 * 36 * 2
    assert token == 147_456
    assert fit.capacity == H100 == 85_520_809_984
    assert sizes(fit) == {
        "weights": 9_440_000_000,
        "KV cache": token * 32768 * 10,
        "reserve": H100 - static,
    }
    assert fit.items[1].note == "10 x 32,768 tokens, 147,456 bytes a token"
    assert fit.free == static - 9_440_000_000 - 48_318_382_080 == 10_658_265_907
    assert (fit.context, fit.concurrency) == (32768, 10)
    # 58.98 GB are for tokens: 39,996 of each of ten requests, or twelve requests of 32,768
    assert (fit.largest_context, fit.largest_concurrency) == (32_768, 12)
    assert fit.items[0].note == "~9.4 GB on one GPU"


def test_two_gpus_share_it() -> None:
    """Half of the weights and of the heads are on each; the model's own context is the limit."""
    fit = memory(
        model=QWEN,
        gpu="H100!:2",
        routing={"target_inputs": 10},
        flags={"mem_fraction_static": 0.8},
    )
    assert sizes(fit)["weights"] == 4_720_000_000
    assert sizes(fit)["KV cache"] == 73_728 * 40_960 * 10
    assert fit.largest_context == 40_960


def test_a_draft_is_beside_the_rest_up_to_0_5_13() -> None:
    """An early release reserves 2 GiB for the draft, and it takes nothing of the fraction."""
    early = {"model": QWEN, "version": "0.5.6.post2", "routing": {"target_inputs": 10}}
    plain, drafting = memory(**early), memory(**early, speculative=EAGLE3)
    assert sizes(drafting).keys() == {"weights", "KV cache", "reserve"}
    assert sizes(drafting)["KV cache"] == sizes(plain)["KV cache"]
    more = (sizes(drafting)["reserve"] or 0) - (sizes(plain)["reserve"] or 0)
    assert abs(more - 2 * 2**30) <= 1
    assert drafting.items[-1].note == (
        "SGLang's own: activations, CUDA graphs, the draft model (~0.8 GB)"
    )


def test_a_draft_is_within_the_fraction_since_0_5_14() -> None:
    """Its weights are an item, and its one layer is a 37th in the KV cache."""
    fit = memory(model=QWEN, speculative=EAGLE3, routing={"target_inputs": 10})
    assert sizes(fit)["draft model"] == 800_000_000
    assert sizes(fit)["KV cache"] == 2 * 8 * 128 * 37 * 2 * 40_960 * 10
    assert fit.items[1].note == "Tengyunw/qwen3_8b_eagle3, an estimate"


def test_a_model_that_is_its_own_draft_is_counted_once() -> None:
    """SGLang's own spelling of multi-token prediction has the model's path twice."""
    nothing = SpeculativeDecoding.mtp(num_steps=3, eagle_topk=1, num_draft_tokens=4)
    itself = attrs.evolve(nothing, draft_model_path=QWEN)
    once, twice = (
        memory(model=QWEN, speculative=each, routing={"target_inputs": 10})
        for each in (nothing, itself)
    )
    assert once == twice


@pytest.mark.parametrize(
    "flags",
    [
        {"mem_fraction_static": "nan"},
        {"mem_fraction_static": "inf"},
        {"mem_fraction_static": 85},
        {"dp_size": -4},
        {"pp_size": -1},
        {"max_running_requests": -4},
        {"max_running_requests": 10**400},
        {"context_length": 0},
    ],
)
def test_what_can_t_be_divided_is_not_reckoned(flags: dict[str, Any]) -> None:
    """There is no table for numbers that SGLang can't start with."""
    assert estimate(model=QWEN, flags=flags).memory is None


@pytest.mark.parametrize(
    "flags", [{"chunked_prefill_size": 10**400}, {"speculative_num_steps": -9}, {"page_size": -1}]
)
def test_numbers_beyond_sense_break_nothing(flags: dict[str, Any]) -> None:
    """Other odd numbers leave the table as it is without them."""
    given = {"model": QWEN, "routing": {"target_inputs": 10}}
    assert sizes(memory(**given, flags=flags)) == sizes(memory(**given))


def test_weights_in_the_container_s_memory() -> None:
    """What is offloaded takes nothing of the GPU; of groups of layers it is not known how much."""
    given = {"model": "some/70b", "facts": LLAMA_70B, "routing": {"target_inputs": 10}}
    moved = memory(**given, flags={"cpu_offload_gb": 100})
    assert sizes(moved)["weights"] == 141_107_412_992 - 100 * 2**30
    assert moved.items[0].note == (
        "141.1 GB on one GPU, up to 100 GiB of each in the container's memory"
    )
    assert sizes(memory(**given, flags={"offload_group_size": 4}))["weights"] is None


def test_a_draft_of_unknown_size_is_not_guessed() -> None:
    """Where neither its size nor its layers are known, nothing is said of what is left."""
    draft = SpeculativeDecoding.eagle3("some/draft", num_steps=3, eagle_topk=1, num_draft_tokens=4)
    fit = memory(model=QWEN, speculative=draft, routing={"target_inputs": 10})
    assert (sizes(fit)["draft model"], sizes(fit)["KV cache"], fit.free) == (None, None, None)
    assert "layers of some/draft is not known" in [item.note for item in fit.items]


def test_nemotron_is_not_guessed() -> None:
    """What no source states is named; the room that is left for it is told."""
    fit = memory(
        model=NEMOTRON,
        version="0.5.11",
        gpu="B200:4",
        speculative=SpeculativeDecoding.mtp(num_steps=5, eagle_topk=1, num_draft_tokens=6),
        routing={"target_inputs": 16},
        flags={
            "context_length": 262144,
            "mem_fraction_static": 0.85,
            "disable_radix_cache": True,
            "kv_cache_dtype": "fp8_e4m3",
        },
    )
    found = {item.name: (item.bytes, item.note) for item in fit.items}
    assert found["weights"] == (77_500_000_000, "~310.0 GB on 4 GPUs")
    assert found["KV cache"] == (None, "attention_layers, kv_heads, head_size are not known")
    assert found["states"] == (None, "state_bytes is not known")
    assert (fit.free, fit.largest_context, fit.largest_concurrency) == (None, None, None)
    assert fit.notes == (
        "85.9 GB per GPU are left for what is not known; `infra model pull "
        "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4` fetches it",
    )


def test_latent_attention_is_on_every_gpu() -> None:
    """DeepSeek-V3 keeps 576 numbers of a token in each of 61 layers, whole on each GPU."""
    fit = memory(facts=DEEPSEEK, gpu="H200:8", routing={"target_inputs": 32})
    assert sizes(fit)["weights"] == 86_000_000_000
    assert sizes(fit)["KV cache"] == 576 * 61 * 2 * 163_840 * 32
    drafting = memory(
        facts=DEEPSEEK,
        gpu="H200:8",
        routing={"target_inputs": 32},
        speculative=SpeculativeDecoding.mtp(),
    )
    assert sizes(drafting).keys() == sizes(fit).keys()  # its draft is a part of its weights
    assert sizes(drafting)["KV cache"] == 576 * 62 * 2 * 163_840 * 32


def test_data_parallel_attention_divides_the_requests() -> None:
    """Each of eight GPUs keeps the tokens of an eighth of the requests."""
    fit = memory(
        facts=DEEPSEEK,
        gpu="H200:8",
        version="0.5.21",
        routing={"target_inputs": 32},
        flags={"dp_size": 8, "enable_dp_attention": True},
    )
    assert sizes(fit)["KV cache"] == 576 * 61 * 2 * 163_840 * 4
    assert fit.items[0].note.endswith("at least, as each GPU has its own copy of the attention's")


def test_llama_on_four_gpus() -> None:
    """70B in 16 bits on four A100s, with the fraction that SGLang takes itself."""
    fit = memory(facts=LLAMA_70B, gpu="A100-80GB:4", routing={"max_inputs": 8})
    # 81,920 MiB; 512 + 1.5 x 8192 + 2 x 512 + 4/8 x 1024 MiB are reserved
    reserve = (512 + 12_288 + 1024 + 512) * 2**20
    assert abs((sizes(fit)["reserve"] or 0) - reserve) <= 1
    assert sizes(fit)["weights"] == 35_276_853_248
    assert sizes(fit)["KV cache"] == 2 * 2 * 128 * 80 * 2 * 131_072 * 8
    assert fit.items[1].note.endswith("81,920 bytes a token on each GPU")
    assert fit.free is not None and fit.free < 0
    assert fit.largest_context is not None and fit.largest_context < 131_072
    assert "SGLang starts, and lets requests wait for which the KV cache has no room" in fit.notes


def test_weights_that_leave_nothing() -> None:
    """Where weights alone are more than their share, no context and no request fits."""
    fit = memory(facts=LLAMA_70B, gpu="H100!", routing={"target_inputs": 1})
    assert (fit.largest_context, fit.largest_concurrency) == (0, 0)
    assert fit.notes == ("SGLang does not start: there is no room for a KV cache",)


@pytest.mark.parametrize(
    ("dtype", "share"),
    [("auto", 64), ("bf16", 64), ("fp8_e5m2", 32), ("fp8_e4m3", 32), ("mxfp8", 33), ("nvfp4", 18)],
)
def test_the_type_of_the_cache(dtype: str, share: int) -> None:
    """16, 8 and 4 bits a number, the last two kinds with the scales of their blocks."""
    fit = memory(
        facts=LLAMA_70B,
        gpu="B200:2",
        routing={"target_inputs": 1},
        flags={"kv_cache_dtype": dtype, "context_length": 1000},
    )
    assert sizes(fit)["KV cache"] == 2 * 4 * 128 * 80 * share // 32 * 1000


def test_the_quantisation_may_ask_for_the_cache_s_type() -> None:
    """Without the flag, the model's own wish holds; with it, the flag."""
    wish = LLAMA_70B.over(ModelFacts(kv_dtype="fp8"))
    flags = {"context_length": 1000}
    asked = {"facts": wish, "gpu": "B200:2", "routing": {"target_inputs": 1}}
    assert sizes(memory(**asked, flags=flags))["KV cache"] == 81_920 * 1000
    flags |= {"kv_cache_dtype": "bf16"}
    assert sizes(memory(**asked, flags=flags))["KV cache"] == 163_840 * 1000


@pytest.mark.parametrize(
    ("engine", "version", "method", "each"),
    [
        ("sglang", "0.5.18", "modelopt_fp8", 81_920),
        ("sglang", "0.5.18", "compressed-tensors", 163_840),
        ("sglang", "0.5.19", "compressed-tensors", 81_920),
        ("vllm", "0.11.2", "modelopt_fp8", 163_840),
        ("vllm", "0.33.0", "modelopt_fp8", 81_920),
        ("vllm", "0.11.2", "compressed-tensors", 163_840),
        ("vllm", "0.33.0", "compressed-tensors", 81_920),
    ],
)
def test_not_every_release_hears_that_wish(
    engine: str, version: str, method: str, each: int
) -> None:
    """Older ones keep 16 bits, whatever the model's own configuration says of the KV cache."""
    wish = LLAMA_70B.over(ModelFacts(kv_dtype="fp8", quantization=method))
    given: dict[str, Any] = {"flags": {"context_length": 1000}, "version": version}
    if engine == "vllm":
        image = ImageSpec.from_registry(f"vllm/vllm-openai:v{version}").entrypoint([])
        given = {"engine": VLLM(max_model_len=1000), "image": image}
    fit = memory(facts=wish, gpu="B200:2", routing={"target_inputs": 1}, **given)
    assert sizes(fit)["KV cache"] == each * 1000


def test_layers_that_share_the_cache_of_others() -> None:
    """Nothing is kept for them in vLLM, in SGLang as much as for the rest."""
    facts = ModelFacts(shared_layers=32).over(LLAMA_70B)
    asked: dict[str, Any] = {"facts": facts, "gpu": "B200:2", "routing": {"target_inputs": 1}}
    one = sizes(memory(**asked, flags={"context_length": 1000}))["KV cache"]
    other = sizes(memory(**asked, engine=VLLM(max_model_len=1000), image=VLLM_IMAGE))["KV cache"]
    assert (one, other) == (163_840 * 1000, 163_840 * 1000 * 48 // 80)


def test_more_gpus_than_heads() -> None:
    """A GPU has at least one head; two GPUs then have the same one."""
    few = ModelFacts(kv_heads=2).over(LLAMA_70B)
    asked = {"facts": few, "routing": {"target_inputs": 1}, "flags": {"context_length": 1000}}
    one, two = (memory(**asked, gpu=f"H200:{count}") for count in (2, 8))
    assert sizes(one)["KV cache"] == sizes(two)["KV cache"] == 2 * 1 * 128 * 80 * 2 * 1000


def test_states_of_a_hybrid() -> None:
    """With the prefix cache a request has three states; without, one, and one per guessed token."""
    asked = {"facts": NANO, "routing": {"target_inputs": 10}, "gpu": "H200:2"}
    state = 49_082_368 // 2
    assert sizes(memory(**asked))["states"] == 3 * 10 * state
    guessing = SpeculativeDecoding.mtp(num_steps=3, eagle_topk=1, num_draft_tokens=4)
    fit = memory(**asked, speculative=guessing, flags={"disable_radix_cache": True})
    # SGLang's own limit with guesses is 48 requests, and it has room for all of them
    assert sizes(fit)["states"] == 48 * (1 + 4) * state
    limited = memory(
        **asked,
        speculative=guessing,
        flags={"disable_radix_cache": True, "max_running_requests": 10},
    )
    assert sizes(limited)["states"] == 10 * (1 + 4) * state


def test_what_is_asked_at_once() -> None:
    """The engine's limit is before what Modal aims at, that before what Modal allows."""
    asked = {"facts": LLAMA_70B, "gpu": "B200:2"}
    routing = {"target_inputs": 6, "max_inputs": 9}
    assert memory(**asked, routing=routing).concurrency == 6
    limited = memory(**asked, routing=routing, flags={"max_running_requests": 4})
    assert limited.concurrency == 4
    assert memory(**asked, routing={"max_inputs": 9}).concurrency == 9
    unlimited = memory(**asked)
    assert (unlimited.concurrency, unlimited.free) == (None, None)
    assert unlimited.largest_concurrency is not None
    assert "the number of requests is not known" in unlimited.items[1].note


def test_suffixes_of_numbers_are_read() -> None:
    """SGLang reads 128Ki as 131,072."""
    asked = {"facts": LLAMA_70B, "gpu": "B200:2", "routing": {"target_inputs": 1}}
    assert memory(**asked, flags={"context_length": "128Ki"}).context == 131_072


def test_windows_are_told() -> None:
    """Layers with a window are reckoned whole in SGLang, and the plan says so."""
    fit = memory(facts=ModelFacts(sliding_layers=40, window=128).over(LLAMA_70B), gpu="B200:2")
    assert (
        "layers that look back over a window only are reckoned whole: the KV cache takes so much "
        "at the most, and at least so much fits"
    ) in fit.notes


def test_windows_give_back_in_vllm() -> None:
    """Behind the window half of the layers keep nothing; unless a flag switches that off."""
    facts = ModelFacts(sliding_layers=40, window=128).over(LLAMA_70B)
    asked: dict[str, Any] = {"facts": facts, "gpu": "B200:2", "image": VLLM_IMAGE}

    def fit(**flags: Any) -> MemoryFit:
        made = VLLM(max_model_len=100_128, max_num_seqs=2, tensor_parallel_size=2, **flags)
        return memory(**asked, engine=made)

    each = 4 * 2 * 128 * 2  # of a token in a layer, on one of two GPUs
    held = 2 * each * (80 * 100_128 - 40 * 100_000)
    assert sizes(fit())["KV cache"] == held
    assert "40 of 80 layers keep the last 128 tokens of each request only" in fit().notes
    for off in ({"disable_hybrid_kv_cache_manager": True}, {"kv_transfer_config": {"a": "b"}}):
        assert sizes(fit(**off))["KV cache"] == 2 * each * 80 * 100_128


def test_the_largest_context_with_windows_is_exact() -> None:
    """What is said to fit fits, and one token more does not."""
    cache = KVCache(
        token_bytes=100,
        state_bytes=0,
        fixed_states=0,
        states_per_request=0,
        copies=1,
        sliding_bytes=40,
        window=128,
    )
    for room in (0, 99, 12_700, 12_800, 12_860, 99_999):
        fits = cache.largest_context(room, 1)
        assert fits is not None
        needed = [cache.tokens(fits + more, 1) or 0 for more in (0, 1)]
        assert needed[0] <= room < needed[1]


def test_a_model_that_can_not_guess_has_no_layer_for_it() -> None:
    """Multi-token prediction adds a layer to the KV cache of models that may have one only."""
    mtp = SpeculativeDecoding.mtp(num_steps=1, eagle_topk=1, num_draft_tokens=2)

    def taken(architecture: str, **fields: Any) -> int | None:
        facts = ModelFacts(architecture=architecture).over(LLAMA_70B)
        asked = {"facts": facts, "gpu": "B200:2", "flags": {"max_running_requests": 8}, **fields}
        return sizes(memory(**asked))["KV cache"]

    plain = taken("LlamaForCausalLM")
    assert plain is not None
    assert taken("LlamaForCausalLM", speculative=mtp) == plain
    assert taken("MiMoForCausalLM", speculative=mtp) == plain * 81 // 80


def test_a_gpu_of_unknown_memory() -> None:
    """Where the GPU's memory is not known there is no fit, and one line says why."""
    found = estimate(facts=LLAMA_70B, gpu="RTX-PRO-6000")
    assert found.memory is None and found.start is not None
    assert found.start.notes[-1] == (
        "how much memory RTX-PRO-6000 has, and so what fits, is not known"
    )


def test_copies_have_requests_of_their_own() -> None:
    """Each of two copies has half of the requests, and the row says so."""
    fit = memory(
        model=QWEN,
        gpu="H100!:2",
        routing={"target_inputs": 40},
        flags={"tp_size": 1, "dp_size": 2},
    )
    assert sizes(fit)["KV cache"] == 147_456 * 40_960 * 20
    assert fit.items[1].note == (
        "20 of 40 requests x 40,960 tokens, 147,456 bytes a token on each GPU"
    )


def test_the_largest_request() -> None:
    """Where not even one request fits, SGLang refuses longer ones, and vLLM does not start."""
    asked = {"facts": LLAMA_70B, "gpu": "H100!:2", "routing": {"target_inputs": 8}}
    # 0.92 of 85,520,809,984 bytes less 70,553,706,496 leave 8,125,438,689 for 163,840 a token
    fit = memory(**asked, engine=VLLM(gpu_memory_utilization=0.92), image=VLLM_IMAGE)
    assert fit.largest_concurrency == 0
    assert fit.notes == (
        "the largest request has 49,593 tokens: vLLM does not start",
        "there is room for 49,593 tokens in all",
        "at the most: what activations and CUDA graphs take of this, vLLM finds out when it starts",
    )
    early = memory(**asked, flags={"mem_fraction_static": 0.92})
    assert early.notes[0] == "the largest request has 49,593 tokens: SGLang refuses longer ones"


def test_vllm_divides_it_as_well() -> None:
    """Weights, KV cache and what is outside vLLM's share are the whole, with what is free."""
    fit = memory(
        model=QWEN,
        gpu="H100!:2",
        routing={"target_inputs": 10},
        engine=VLLM(kv_cache_dtype="fp8"),
        image=VLLM_IMAGE,
    )
    assert sizes(fit) == {
        "weights": 4_720_000_000,
        "KV cache": 73_728 // 2 * 40_960 * 10,
        "reserve": H100 - int(H100 * 0.92),
    }
    assert fit.items[-1].note == "vLLM's own"
    assert fit.free == H100 - sum(size or 0 for size in sizes(fit).values())


def test_vllm_may_be_given_the_cache_s_bytes() -> None:
    """They are then all that there is for requests; the rest of the memory is outside."""
    fit = memory(
        model=QWEN,
        routing={"target_inputs": 10},
        engine=VLLM(kv_cache_memory_bytes="20G"),
        image=VLLM_IMAGE,
    )
    assert sizes(fit)["reserve"] == H100 - 20 * 2**30 - 9_440_000_000
    assert fit.largest_concurrency == 20 * 2**30 // (147_456 * 40_960)


def test_a_cache_larger_than_the_gpu() -> None:
    """Nothing fits, as vLLM does not start with it, and no item is below zero."""
    fit = memory(
        model=QWEN,
        gpu="A10",
        routing={"target_inputs": 1},
        engine=VLLM(kv_cache_memory_bytes="2T", max_model_len=4096),
        image=VLLM_IMAGE,
    )
    assert sizes(fit) == {"weights": 9_440_000_000, "KV cache": 2 * 2**40, "reserve": 0}
    assert fit.free == fit.capacity - 9_440_000_000 - 2 * 2**40
    assert (fit.largest_context, fit.largest_concurrency) == (0, 0)
    assert fit.notes == ("vLLM does not start: there is no room for a KV cache of 2,199.0 GB",)


@pytest.mark.parametrize(
    ("fields", "tokens", "flag"),
    [
        ({"flags": {"max_total_tokens": 20000}}, 20_000, "--max-total-tokens 20000"),
        ({"engine": VLLM(num_gpu_blocks_override=100)}, 1600, "--num-gpu-blocks-override 100"),
        (
            {"engine": VLLM(num_gpu_blocks_override=100, block_size=32)},
            3200,
            "--num-gpu-blocks-override 100",
        ),
    ],
)
def test_a_limit_of_the_cache(fields: dict[str, Any], tokens: int, flag: str) -> None:
    """Requests have so many tokens in all, and what the limit leaves over is outside."""
    given = {**fields, "image": VLLM_IMAGE} if "engine" in fields else fields
    fit = memory(model=QWEN, routing={"target_inputs": 10}, **given)
    assert sizes(fit)["reserve"] == H100 - 9_440_000_000 - 147_456 * tokens
    assert fit.items[-1].note == f"outside {flag}"
    assert (fit.largest_context, fit.largest_concurrency) == (tokens // 10, 0)
    assert fit.notes[0].startswith(f"the largest request has {tokens:,} tokens: ")
    assert fit.notes[1:] == (f"there is room for {tokens:,} tokens in all",)


def test_a_limit_above_the_memory() -> None:
    """The smaller of both holds: a limit that the memory does not reach changes nothing."""
    given: dict[str, Any] = {"model": QWEN, "routing": {"target_inputs": 10}}
    assert memory(**given, flags={"max_total_tokens": 10**9}) == memory(**given)
    blocks = VLLM(num_gpu_blocks_override=10**8)
    assert memory(**given, engine=blocks, image=VLLM_IMAGE) == (
        memory(**given, engine=VLLM(), image=VLLM_IMAGE)
    )


def test_a_limit_for_a_hybrid() -> None:
    """The states are beside it, as SGLang counts the tokens of the KV cache alone."""
    given: dict[str, Any] = {"facts": NANO, "routing": {"target_inputs": 10}, "gpu": "H200:2"}
    fit = memory(**given, flags={"max_total_tokens": 50_000})
    assert sizes(fit)["states"] == sizes(memory(**given))["states"]
    assert fit.largest_context == 5000
    assert fit.notes[0] == "the largest request has 50,000 tokens: SGLang refuses longer ones"


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"engine": VLLM(max_num_seqs=4, max_model_len=8192)}, 4),
        ({"engine": VLLM(max_model_len=64)}, 1024),
        ({"engine": VLLM(max_model_len=64), "gpu": "A100-80GB"}, 256),
        ({"engine": VLLM(max_model_len=64, performance_mode="throughput")}, 2048),
        ({"engine": VLLM(max_model_len=64, max_num_batched_tokens=128)}, 128),
        ({"flags": {"max_running_requests": 4, "context_length": 8192}}, 4),
        ({"flags": {"context_length": 8192}, "routing": {"max_inputs": 6}}, 6),
        ({"engine": VLLM(max_num_seqs=4, max_model_len=8192, data_parallel_size=2)}, 8),
    ],
)
def test_never_more_than_the_stack_allows(fields: dict[str, Any], most: int) -> None:
    """However much room there is: the stack's context and number of requests are limits."""
    given = {"image": VLLM_IMAGE, **fields} if "engine" in fields else fields
    facts = ModelFacts(weight_bytes=10**9, mlp_size=1, context_length=131072).over(LLAMA_70B)
    fit = memory(facts=facts, **{"gpu": "H100!", **given})
    assert fit.largest_concurrency == most
    assert fit.largest_context in (None, 64, 8192)


def test_experts_among_copies() -> None:
    """Copies of vLLM share experts: without knowing of them the weights' share is not known."""
    engine = VLLM(tensor_parallel_size=1, data_parallel_size=8)
    asked = {"gpu": "H200:8", "engine": engine, "image": VLLM_IMAGE}
    unknown = ModelFacts(weight_bytes=688_000_000_000)
    assert sizes(memory(**asked, facts=unknown))["weights"] is None
    experts = memory(**asked, facts=ModelFacts(expert_size=2048).over(unknown))
    assert sizes(experts)["weights"] == 86_000_000_000
    dense = memory(**asked, facts=ModelFacts(mlp_size=18432).over(unknown))
    assert sizes(dense)["weights"] == 688_000_000_000
    asked["engine"] = VLLM(tensor_parallel_size=4, prefill_context_parallel_size=2)
    experts = memory(**asked, facts=ModelFacts(expert_size=2048).over(unknown).over(LLAMA_70B))
    assert sizes(experts)["weights"] == 86_000_000_000
    assert experts.items[1].note == "what a token takes with parts of it on each GPU is not known"


@pytest.mark.parametrize(
    ("version", "environment", "takers"),
    [
        ("0.20.2", {}, "activations"),
        ("0.21.0", {}, "activations and CUDA graphs"),
        ("0.33.0", {"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": "0"}, "activations"),
    ],
)
def test_graphs_within_the_share(version: str, environment: dict[str, str], takers: str) -> None:
    """Since 0.21 vLLM takes CUDA graphs out of its share, unless it is told not to."""
    image = ImageSpec.from_registry(f"vllm/vllm-openai:v{version}").entrypoint([])
    fit = memory(facts=LLAMA_70B, gpu="H200:2", engine=VLLM(), image=image, environment=environment)
    assert f"at the most: what {takers} take of this, vLLM finds out when it starts" in fit.notes


def test_draft_layers_are_among_the_weights() -> None:
    """Unless it guesses with them vLLM leaves them out, and the files' size is too large."""
    facts = ModelFacts(draft_layers=1).over(LLAMA_70B)
    asked: dict[str, Any] = {"facts": facts, "gpu": "H200:2", "image": VLLM_IMAGE}
    told = memory(**asked, engine=VLLM()).items[0].note
    assert told.endswith("; with its draft layers, which vLLM loads only to guess with them")
    mtp = SpeculativeDecoding.mtp(num_steps=1)
    assert "draft" not in memory(**asked, engine=VLLM(), speculative=mtp).items[0].note


def test_a_hybrid_in_vllm() -> None:
    """How vLLM lays states and KV cache into the same pages is not reckoned, and said."""
    fit = memory(facts=NANO, gpu="H200:2", engine=VLLM(), image=VLLM_IMAGE)
    assert sizes(fit)["KV cache"] is None
    assert "how vLLM shares its pages between states and KV cache is not known" in [
        item.note for item in fit.items
    ]
    assert not any("infra model pull" in note for note in fit.notes)


def test_small_gpus_since_0_5_20() -> None:
    """Since then SGLang takes chunks of 4,096 and graphs of 48 requests on GPUs like the L4."""
    early, late = (
        sizes(memory(model=QWEN, gpu="L4", version=version))["reserve"]
        for version in ("0.5.19", "0.5.20")
    )
    assert (early or 0) // 2**20 == 512 + 3072 + 2 * 24 + 128
    assert (late or 0) // 2**20 == 512 + 6144 + 2 * 48 + 128
