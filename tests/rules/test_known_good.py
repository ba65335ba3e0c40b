"""Configurations that SGLang's and Modal's documentation recommends are found right."""

from typing import Any

import pytest
from rule_samples import COMMIT, Mounted, codes, image, kernels, sample

from components import SpeculativeDecoding

MTP = SpeculativeDecoding.mtp(num_steps=3, eagle_topk=1, num_draft_tokens=4)
MINIMAX = {
    "trust_remote_code": True,
    "reasoning_parser": "minimax-append-think",
    "tool_call_parser": "minimax-m2",
    "mem_fraction_static": 0.85,
}
DOCS = "https://docs.sglang.io"
DRAFTS = f"{DOCS}/advanced_features/speculative_decoding.html"


def drafts(algorithm: str, path: str, steps: int, topk: int, tokens: int) -> SpeculativeDecoding:
    """Speculative decoding with a pinned draft."""
    return SpeculativeDecoding(
        algorithm,
        draft_model_path=path,
        draft_model_revision=COMMIT,
        num_steps=steps,
        eagle_topk=topk,
        num_draft_tokens=tokens,
    )


# Model, GPUs and flags are those of the source, or, where it says "composed", what documentation
# advises for such a model without showing this very command line. Pins, Volumes and the front door
# are the sample's; flags have their full names, and those of the release.
KNOWN_GOOD: dict[str, dict[str, Any]] = {
    "GLM-4.6 with its own draft layers": {
        "source": f"{DOCS}/basic_usage/glm45.html",
        "model": "zai-org/GLM-4.6-FP8",
        "gpu": "H200:8",
        "kernels": kernels(),
        "speculative": MTP,
        "flags": {
            "tool_call_parser": "glm45",
            "reasoning_parser": "glm45",
            "mem_fraction_static": 0.9,
            "enable_custom_logit_processor": True,
        },
    },
    "GLM-4.6V": {
        "source": f"{DOCS}/basic_usage/glmv.html",
        "model": "zai-org/GLM-4.6V-FP8",
        "gpu": "H100!:2",
        "kernels": kernels(),
        "flags": {"ep_size": 2},
    },
    "Qwen3-Next": {
        "source": f"{DOCS}/basic_usage/qwen3.html",
        "model": "Qwen/Qwen3-Next-80B-A3B-Instruct",
        "gpu": "H100:4",
    },
    "Qwen3-Next with drafts, prefix cache and buffers": {
        "source": f"{DOCS}/basic_usage/qwen3.html",
        "model": "Qwen/Qwen3-Next-80B-A3B-Instruct",
        "gpu": "H200:4",
        "version": "0.5.16",
        "speculative": MTP,
        "flags": {"mamba_radix_cache_strategy": "extra_buffer"},
    },
    "Qwen3.5": {
        "source": f"{DOCS}/basic_usage/qwen3_5.html",
        "model": "Qwen/Qwen3.5-397B-A17B",
        "gpu": "B200:8",
        "flags": {
            "trust_remote_code": True,
            "reasoning_parser": "qwen3",
            "tool_call_parser": "qwen3_coder",
        },
    },
    "Qwen3-VL in FP8, experts whole on each GPU": {
        "source": f"{DOCS}/basic_usage/qwen3_vl.html",
        "model": "Qwen/Qwen3-VL-235B-A22B-Instruct-FP8",
        "gpu": "H200:8",
        "kernels": kernels(),
        "flags": {"ep_size": 8},
    },
    "DeepSeek-V3 with its own draft layers": {
        "source": f"{DOCS}/basic_usage/deepseek_v3.html",
        "model": "deepseek-ai/DeepSeek-V3-0324",
        "gpu": "H200:8",
        "kernels": kernels(),
        "speculative": SpeculativeDecoding.mtp(),
        "flags": {"trust_remote_code": True},
    },
    "DeepSeek-V3 with a draft model": {
        "source": "https://huggingface.co/lmsys/DeepSeek-V3-NextN",
        "model": "deepseek-ai/DeepSeek-V3",
        "gpu": "H200:8",
        "kernels": kernels(),
        "speculative": drafts("EAGLE", "lmsys/DeepSeek-V3-NextN", 2, 4, 4),
        "flags": {"trust_remote_code": True},
    },
    "DeepSeek-V3.2 with data-parallel attention": {
        "source": "https://huggingface.co/deepseek-ai/DeepSeek-V3.2-Exp, as SGLang's authors "
        "corrected it",
        "model": "deepseek-ai/DeepSeek-V3.2-Exp",
        "gpu": "H200:8",
        "version": "0.5.21",
        "kernels": kernels(),
        "flags": {"dp_size": 8, "enable_dp_attention": True},
    },
    "Kimi-K2.5": {
        "source": f"{DOCS}/basic_usage/kimi_k2_5.html",
        "model": "moonshotai/Kimi-K2.5",
        "gpu": "H200:8",
        "flags": {
            "trust_remote_code": True,
            "tool_call_parser": "kimi_k2",
            "reasoning_parser": "kimi_k2",
        },
    },
    "gpt-oss-120b on one GPU": {
        "source": "SGLang's cookbook, gpt-oss on 1 x H100",
        "model": "openai/gpt-oss-120b",
        "gpu": "H100!",
        "flags": {
            "reasoning_parser": "gpt-oss",
            "tool_call_parser": "gpt-oss",
            "mem_fraction_static": 0.95,
        },
    },
    "Llama 3.1 with EAGLE-3": {
        "source": DRAFTS,
        "model": "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "gpu": "H100!",
        "speculative": drafts("EAGLE3", "jamesliu1/sglang-EAGLE3-Llama-3.1-Instruct-8B", 3, 4, 16),
        "routing": {"target_inputs": 8},
        "flags": {"mem_fraction_static": 0.7, "dtype": "float16", "cuda_graph_max_bs_decode": 8},
    },
    "Llama 2 with EAGLE-2": {
        "source": DRAFTS,
        "version": "0.5.10.post1",
        "model": "meta-llama/Llama-2-7b-chat-hf",
        "gpu": "H100!",
        "speculative": drafts("EAGLE", "lmsys/sglang-EAGLE-llama2-chat-7B", 3, 4, 16),
        "flags": {
            "mem_fraction_static": 0.7,
            "enable_torch_compile": True,
            "torch_compile_max_bs": 8,
        },
    },
    "MiMo with its own draft layers": {
        "source": DRAFTS,
        "model": "XiaomiMiMo/MiMo-7B-RL",
        "gpu": "H100!",
        "speculative": SpeculativeDecoding.mtp(num_steps=1, eagle_topk=1, num_draft_tokens=2),
        "routing": {"target_inputs": 8},
        "flags": {
            "trust_remote_code": True,
            "mem_fraction_static": 0.7,
            "cuda_graph_max_bs_decode": 8,
        },
    },
    "Qwen2.5 with a small model as its draft": {
        "source": DRAFTS,
        "version": "0.5.10.post1",
        "model": "Qwen/Qwen2.5-7B-Instruct",
        "gpu": "L40S",
        "speculative": drafts("STANDALONE", "Qwen/Qwen2.5-1.5B-Instruct", 4, 1, 5),
        "environment": {"SGLANG_ENABLE_SPEC_V2": "True"},
        "flags": {"mem_fraction_static": 0.7},
    },
    "Qwen2.5 with guesses from the conversation": {
        "source": DRAFTS,
        "version": "0.5.9",
        "model": "Qwen/Qwen2.5-7B-Instruct",
        "gpu": "L40S",
        "speculative": SpeculativeDecoding.ngram(num_draft_tokens=16),
        "flags": {"mem_fraction_static": 0.7, "speculative_ngram_max_bfs_breadth": 10},
    },
    "Llama 4 Maverick with EAGLE-3": {
        "source": f"{DOCS}/basic_usage/llama4.html",
        "model": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
        "gpu": "B200:8",
        "speculative": drafts("EAGLE3", "nvidia/Llama-4-Maverick-17B-128E-Eagle3", 3, 1, 4),
        "flags": {"trust_remote_code": True, "context_length": 1000000},
    },
    "Llama 4 Maverick in FP8 with EAGLE-3": {
        "source": "https://huggingface.co/lmsys/"
        "sglang-EAGLE3-Llama-4-Maverick-17B-128E-Instruct-v1",
        "model": "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
        "gpu": "H200:8",
        "kernels": kernels(),
        "speculative": drafts(
            "EAGLE3", "lmsys/sglang-EAGLE3-Llama-4-Maverick-17B-128E-Instruct-v1", 3, 1, 4
        ),
        "routing": {"target_inputs": 2},
        "flags": {
            "mem_fraction_static": 0.75,
            "cuda_graph_max_bs_decode": 2,
            "context_length": 8192,
            "trust_remote_code": True,
            "dtype": "bfloat16",
        },
    },
    "MiniMax-M2.7 on four GPUs": {
        "source": f"{DOCS}/basic_usage/minimax_m2.html",
        "model": "MiniMaxAI/MiniMax-M2.7",
        "gpu": "H200:4",
        "kernels": kernels(),
        "flags": MINIMAX,
    },
    "MiniMax-M2.7 on eight, experts whole on each": {
        "source": f"{DOCS}/basic_usage/minimax_m2.html",
        "model": "MiniMaxAI/MiniMax-M2.7",
        "gpu": "H200:8",
        "kernels": kernels(),
        "flags": {**MINIMAX, "ep_size": 8},
    },
    "Qwen3-8B at low latency": {
        "source": "https://modal.com/docs/examples/sglang_low_latency, its faults mended, on a "
        "newer release",
        "model": "Qwen/Qwen3-8B-FP8",
        "gpu": "H100!:2",
        "image": image("0.5.23", "-cu130-runtime"),
        "kernels": kernels(),
        "speculative": drafts("EAGLE3", "Tengyunw/qwen3_8b_eagle3", 3, 1, 4),
        "flags": {
            "mem_fraction_static": 0.8,
            "enable_metrics": True,
            "decode_log_interval": 250,
            "cuda_graph_max_bs_decode": 20,
        },
    },
    "Weights in a folder of the author's own": {
        "source": "composed: --download-dir is where SGLang keeps the Hub's files",
        "model": "Qwen/Qwen3-32B",
        "gpu": "H100!:2",
        "weights": None,
        "parts": [Mounted("huggingface-models", "/models")],
        "flags": {"download_dir": "/models"},
    },
    "SGLang's own prefix for its variables": {
        "source": "composed: SGLang takes SGL_... for SGLANG_... in all releases",
        "model": "Qwen/Qwen3-8B-FP8",
        "gpu": "H100!:2",
        "kernels": kernels(mount_path="/kernels", env={"SGL_DG_CACHE_DIR": "/kernels"}),
    },
    "Gemma 3 with pictures": {
        "source": "composed: a model with pictures and a bounded context",
        "model": "google/gemma-3-27b-it",
        "gpu": "A100-80GB",
        "flags": {"enable_multimodal": True, "context_length": 32768},
    },
    "Mistral Small": {
        "source": "composed: the family's parser of tool calls",
        "model": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
        "gpu": "H100!",
        "flags": {"tool_call_parser": "mistral"},
    },
    "Llama 3.3 in AWQ": {
        "source": "composed: quantised weights on one GPU",
        "model": "casperhansen/llama-3.3-70b-instruct-awq",
        "gpu": "A100-80GB",
        "flags": {"quantization": "awq_marlin"},
    },
    "four copies, each with a quarter of the requests": {
        "source": f"composed: data parallelism, {DOCS}/advanced_features/server_arguments.html",
        "model": "Qwen/Qwen3-8B",
        "gpu": "H100!:4",
        "routing": {"target_inputs": 100},
        "flags": {
            "tp_size": 1,
            "dp_size": 4,
            "max_running_requests": 32,
            "cuda_graph_max_bs_decode": 32,
        },
    },
    "experts spread by DeepEP": {
        "source": "composed: expert parallelism, "
        "https://docs.sglang.io/advanced_features/expert_parallelism.html",
        "model": "Qwen/Qwen3-235B-A22B-FP8",
        "gpu": "H200:8",
        "kernels": kernels(),
        "flags": {"moe_a2a_backend": "deepep"},
    },
    "two minutes to start, all of which a warm-up may take": {
        "source": "https://modal.com/docs/guide/model-weights; 9.4 GB at 1 to 2 GB/s, and a minute",
        "model": "Qwen/Qwen3-8B-FP8",
        "kernels": kernels(),
        "startup_timeout": 120,
    },
    "containers in Japan, proxies at the west coast": {
        "source": "https://modal.com/docs/guide/region-selection",
        "routing": {"region": "jp", "proxy_regions": ["us-west"]},
    },
    "Nemotron 3 Nano": {
        "source": "composed: a hybrid model with its family's parsers",
        "model": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        "gpu": "H100!",
        "flags": {
            "trust_remote_code": True,
            "tool_call_parser": "qwen3_coder",
            "reasoning_parser": "nemotron_3",
        },
    },
}


@pytest.mark.parametrize("fields", KNOWN_GOOD.values(), ids=KNOWN_GOOD)
def test_no_false_alarm(fields: dict[str, Any]) -> None:
    """A recommended configuration has no finding at all."""
    assert fields["source"]
    given = {name: value for name, value in fields.items() if name != "source"}
    assert codes(sample(**given)) == set()
