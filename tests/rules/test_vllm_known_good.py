"""Configurations that documentation recommends for vLLM are found right."""

from typing import Any

import pytest
from rule_samples import COMMIT, NEWEST_VLLM, codes, sample

from components import VLLM, ImageSpec, SpeculativeDecoding

# Model, GPUs and flags are those of the page named above each; pins, Volumes and the front door
# are the sample's.
KNOWN_GOOD: dict[str, dict[str, Any]] = {
    # https://docs.gitlab.com/administration/gitlab_duo_self_hosted/vllm_gpt_oss_120b/
    "gpt-oss-120b on one GPU": {
        "version": "0.24.0",
        "model": "openai/gpt-oss-120b",
        "gpu": "H100!",
        "engine": VLLM(gpu_memory_utilization=0.95),
    },
    # https://docs.gpustack.ai/2.3/zh/performance-lab/gpt-oss-120b/h100/
    "gpt-oss-120b for throughput": {
        "version": "0.11.2",
        "model": "openai/gpt-oss-120b",
        "gpu": "H100!:2",
        "engine": VLLM(async_scheduling=True),
    },
    # https://docs.vllm.ai/en/latest/features/speculative_decoding/draft_model/
    "Qwen3-4B with a draft model": {
        "model": "Qwen/Qwen3-4B-Thinking-2507",
        "gpu": "H100!",
        "engine": VLLM(seed=42, max_model_len=2048, gpu_memory_utilization=0.8),
        "speculative": SpeculativeDecoding(
            "STANDALONE",
            draft_model_path="Qwen/Qwen3-0.6B",
            draft_model_revision=COMMIT,
            num_steps=5,
        ),
    },
    # https://docs.vllm.ai/projects/speculators/en/stable/user_guide/tutorials/serve_vllm/
    "Qwen3-8B with EAGLE-3": {
        "model": "Qwen/Qwen3-8B",
        "gpu": "H100!",
        "engine": VLLM(),
        "speculative": SpeculativeDecoding.eagle3(
            "RedHatAI/Qwen3-8B-speculator.eagle3", draft_model_revision=COMMIT, num_steps=3
        ),
    },
    # https://huggingface.co/zai-org/GLM-4.7
    "GLM-4.7 with its own draft layers": {
        "model": "zai-org/GLM-4.7-FP8",
        "gpu": "H200:4",
        "engine": VLLM(
            tool_call_parser="glm47", reasoning_parser="glm45", enable_auto_tool_choice=True
        ),
        "speculative": SpeculativeDecoding.mtp(num_steps=1),
    },
    # config/parallel.py of vLLM 0.33.0: the GPUs are pp x tp x pcp
    "DeepSeek-V3.2 with prompts on two GPUs": {
        "model": "deepseek-ai/DeepSeek-V3.2",
        "gpu": "H200:8",
        "engine": VLLM(tensor_parallel_size=4, prefill_context_parallel_size=2),
    },
    # https://docs.vllm.ai/en/latest/features/spec_decode/: the draft's name tells the method
    "Qwen3-8B with EAGLE-3 by its name": {
        "version": "0.11.2",
        "model": "Qwen/Qwen3-8B",
        "gpu": "H100!",
        "engine": VLLM(
            speculative_config={
                "model": "AngelSlim/Qwen3-8B_eagle3",
                "revision": COMMIT,
                "num_speculative_tokens": 3,
            }
        ),
    },
    # vllm-project/vllm#40473
    "a KV cache in the container's memory": {
        "model": "Qwen/Qwen3-8B",
        "gpu": "H100!",
        "engine": VLLM(
            kv_transfer_config='{"kv_connector": "OffloadingConnector", "kv_role": "kv_both", '
            '"kv_connector_extra_config": {"cpu_bytes_to_use": 80g}}'
        ),
    },
    # what is not torch.compile's is kept
    "without what torch.compile keeps": {
        "model": "Qwen/Qwen3-8B",
        "gpu": "H100!",
        "engine": VLLM(),
        "environment": {"VLLM_DISABLE_COMPILE_CACHE": "1"},
    },
    # https://modal.com/docs/examples/vllm_inference
    "vLLM as Modal shows it": {
        "model": "Qwen/Qwen3-4B-Thinking-2507-FP8",
        "gpu": "H100!",
        "image": ImageSpec.from_registry("nvidia/cuda:12.8.0-devel-ubuntu22.04", add_python="3.12")
        .entrypoint([])
        .uv_pip_install(f"vllm=={NEWEST_VLLM}", "huggingface-hub==0.36.0"),
        "engine": VLLM(uvicorn_log_level="info", enforce_eager=False),
    },
}


@pytest.mark.parametrize("fields", KNOWN_GOOD.values(), ids=KNOWN_GOOD)
def test_no_false_alarm(fields: dict[str, Any]) -> None:
    """A recommended configuration has no finding at all."""
    assert codes(sample(**fields)) == set()
