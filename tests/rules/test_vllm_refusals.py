"""How sure a refusal of vLLM's is: what its source says is an error, what is inferred a warning."""

from typing import Any

import pytest
from rule_samples import COMMIT, findings, sample

from components import VLLM, Model, ModelFacts

METRICS = {"engine": VLLM(enable_per_request_metrics=True, disable_log_stats=True)}
FAR = {"engine": VLLM(max_model_len=-1)}
E5M2 = VLLM(kv_cache_dtype="fp8_e5m2")
MODELOPT = ModelFacts(quantization="modelopt_fp8")
LATENT = ModelFacts(quantization="fp8", latent_size=576)
PLAIN = ModelFacts(quantization="fp8", head_size=128)


def told(facts: ModelFacts, **fields: Any) -> dict[str, Any]:
    """A model of which nothing else is known, on an engine that is asked for nothing."""
    return {
        "engine": VLLM(),
        "model": Model("some/model", revision=COMMIT, facts=facts),
        **fields,
    }


@pytest.mark.parametrize(
    ("code", "fields", "levels"),
    [
        ("INF115", METRICS, {"0.24.0": [], "0.25.1": ["warning"], "0.33.0": ["error"]}),
        ("INF115", FAR, {"0.11.2": ["error"], "0.13.0": ["warning"], "0.14.1": []}),
        (
            "INF126",
            told(MODELOPT, gpu="A100-80GB"),
            {"0.11.2": ["error"], "0.14.1": ["error"], "0.15.1": ["error"], "0.16.0": []},
        ),
        (
            "INF126",
            {"engine": VLLM(), "model": "some/qwen-NVFP4", "gpu": "T4"},
            {"0.11.2": ["warning"], "0.12.0": []},
        ),
        ("INF127", told(PLAIN, engine=E5M2), {"0.11.2": ["error"], "0.33.0": ["error"]}),
        ("INF127", told(LATENT, engine=E5M2), {"0.11.2": [], "0.33.0": []}),
    ],
)
def test_a_level_is_as_sure_as_what_was_read(
    code: str, fields: dict[str, Any], levels: dict[str, list[str]]
) -> None:
    """Between releases whose source was read, nothing is an error that only one of them says."""
    found = {
        version: [
            each.severity
            for each in findings(sample(version=version, **fields))
            if each.code == code
        ]
        for version in levels
    }
    assert found == levels
