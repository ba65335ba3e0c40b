"""Configurations that SGLang's and Modal's documentation recommends are found right."""

from typing import Any

import pytest
from rule_samples import COMMIT, codes, image, kernels, sample

from components import SpeculativeDecoding

MTP = SpeculativeDecoding.mtp(num_steps=3, eagle_topk=1, num_draft_tokens=4)

# Model, GPUs and flags are those of the page above each, or, where it says "composed", what the
# documentation advises for such a model without showing this very command line. Pins, Volumes and
# the front door are the sample's; flags have their full names, and those of the release.
KNOWN_GOOD: dict[str, dict[str, Any]] = {
    # https://docs.sglang.io/basic_usage/glm45.html
    "GLM-4.6 with its own draft layers": {
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
    # https://docs.sglang.io/basic_usage/qwen3.html
    "Qwen3-Next": {"model": "Qwen/Qwen3-Next-80B-A3B-Instruct", "gpu": "H100:4"},
    "Qwen3-Next with drafts, prefix cache and buffers": {
        "model": "Qwen/Qwen3-Next-80B-A3B-Instruct",
        "gpu": "H200:4",
        "version": "0.5.16",
        "speculative": MTP,
        "flags": {"mamba_radix_cache_strategy": "extra_buffer"},
    },
    # composed: DeepSeek's own draft layers, with SGLang's defaults
    "DeepSeek-V3 on one node": {
        "model": "deepseek-ai/DeepSeek-V3",
        "gpu": "H200:8",
        "speculative": SpeculativeDecoding.mtp(),
        "flags": {"trust_remote_code": True},
    },
    # SGLang's cookbook, gpt-oss on 1 x H100
    "gpt-oss-120b on one GPU": {
        "model": "openai/gpt-oss-120b",
        "gpu": "H100!",
        "flags": {
            "reasoning_parser": "gpt-oss",
            "tool_call_parser": "gpt-oss",
            "mem_fraction_static": 0.95,
        },
    },
    # composed: a tree of drafts, guesses from the prompt
    "Llama 3.1 with EAGLE-3": {
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "gpu": "H100!",
        "speculative": SpeculativeDecoding.eagle3(
            "jamesliu1/sglang-EAGLE3-Llama-3.1-Instruct-8B",
            draft_model_revision=COMMIT,
            num_steps=5,
            eagle_topk=8,
            num_draft_tokens=32,
        ),
        "flags": {"mem_fraction_static": 0.7, "dtype": "float16", "cuda_graph_max_bs_decode": 10},
    },
    # huggingface.co/lmsys/sglang-EAGLE3-Llama-4-Maverick-17B-128E-Instruct-v1
    "Llama 4 Maverick with EAGLE-3": {
        "model": "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
        "gpu": "H200:8",
        "kernels": kernels(),
        "speculative": SpeculativeDecoding.eagle3(
            "lmsys/sglang-EAGLE3-Llama-4-Maverick-17B-128E-Instruct-v1",
            draft_model_revision=COMMIT,
            num_steps=3,
            eagle_topk=1,
            num_draft_tokens=4,
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
    # huggingface.co/deepseek-ai/DeepSeek-V3.2-Exp, as SGLang's authors corrected it
    "DeepSeek-V3.2 with data-parallel attention": {
        "model": "deepseek-ai/DeepSeek-V3.2-Exp",
        "gpu": "H200:8",
        "version": "0.5.21",
        "flags": {"dp_size": 8, "enable_dp_attention": True},
    },
    "Qwen2.5 with guesses from the conversation": {
        "model": "Qwen/Qwen2.5-7B-Instruct",
        "gpu": "L40S",
        "speculative": SpeculativeDecoding.ngram(num_draft_tokens=16),
        "flags": {"mem_fraction_static": 0.7},
    },
    # composed: the parser of the family, nothing else
    "Gemma 3 with pictures": {
        "model": "google/gemma-3-27b-it",
        "gpu": "A100-80GB",
        "flags": {"enable_multimodal": True, "context_length": 32768},
    },
    "Mistral Small": {
        "model": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
        "gpu": "H100!",
        "flags": {"tool_call_parser": "mistral"},
    },
    "Qwen2.5-VL": {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "gpu": "L40S"},
    # https://docs.sglang.io/basic_usage/minimax_m2.html
    "MiniMax-M2": {
        "model": "MiniMaxAI/MiniMax-M2",
        "gpu": "H200:4",
        "flags": {
            "trust_remote_code": True,
            "reasoning_parser": "minimax-append-think",
            "tool_call_parser": "minimax-m2",
            "mem_fraction_static": 0.85,
        },
    },
    # composed: quantised weights on one GPU
    "Llama 3.3 in AWQ": {
        "model": "casperhansen/llama-3.3-70b-instruct-awq",
        "gpu": "A100-80GB",
        "flags": {"quantization": "awq_marlin"},
    },
    # composed: Modal's low-latency example with its faults mended, on a newer release
    "Qwen3-8B at low latency": {
        "model": "Qwen/Qwen3-8B-FP8",
        "gpu": "H100!:2",
        "image": image("0.5.23", "-cu130-runtime"),
        "kernels": kernels(),
        "speculative": SpeculativeDecoding.eagle3(
            "Tengyunw/qwen3_8b_eagle3",
            draft_model_revision=COMMIT,
            num_steps=3,
            eagle_topk=1,
            num_draft_tokens=4,
        ),
        "flags": {
            "mem_fraction_static": 0.8,
            "enable_metrics": True,
            "decode_log_interval": 250,
            "cuda_graph_max_bs_decode": 20,
        },
    },
    # composed: a hybrid model with its family's parsers
    "Nemotron 3 Nano": {
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
    assert codes(sample(**fields)) == set()
