"""What is known of a model without asking a network: figures with sources, None where unknown."""

import re
from functools import cache
from typing import Any

import attrs

from infra.facts.data import read


@attrs.frozen(kw_only=True)
class ModelFacts:
    """
    A model's figures; one that no source states is None.

    Attributes:
        architecture: As in its ``config.json``.
        parameters: All of them, not only the active ones.
        weight_bytes: Bytes of the weights' files.
        layers: Layers.
        heads: Attention heads.
        kv_heads: Heads of keys and values.
        head_size: Size of a head.
        context_length: Tokens.
        quantization: In SGLang's words, such as ``fp8``.
        is_hybrid: Whether layers with a state (Mamba, linear attention) alternate with attention.
        is_gated: Whether the Hub asks for a token.
    """

    architecture: str | None = None
    parameters: int | None = None
    weight_bytes: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_size: int | None = None
    context_length: int | None = None
    quantization: str | None = None
    is_hybrid: bool = False
    is_gated: bool = False


# What names of repositories say by custom; the first that fits.
NAMED = (
    (re.compile(r"NVFP4|FP4", re.IGNORECASE), "modelopt_fp4"),
    (re.compile(r"FP8", re.IGNORECASE), "fp8"),
    (re.compile(r"AWQ", re.IGNORECASE), "awq"),
    (re.compile(r"GPTQ", re.IGNORECASE), "gptq"),
)


@cache
def model(name: str) -> ModelFacts:
    """The facts of a repository; of one that is not listed, what its family and name tell."""
    figures = read("models")["models"].get(name, {})
    stated = {key: figure["value"] for key, figure in figures.items() if figure}
    family: dict[str, Any] = next(
        (each for each in read("models")["families"] if re.match(each["pattern"], name)), {}
    )
    quantization = next((method for pattern, method in NAMED if pattern.search(name)), None)
    return ModelFacts(
        **{
            "architecture": family.get("architecture"),
            "quantization": quantization,
            "is_hybrid": family.get("hybrid", False),
            "is_gated": family.get("gated", False),
            **stated,
        }
    )
