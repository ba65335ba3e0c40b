"""What vLLM's flags say of drafts and of CUDA graphs, in whichever of their spellings."""

from collections.abc import Mapping
from typing import Any

from infra.facts.plain import Value
from infra.facts.words import loads

SPECULATIVE, COMPILATION = "--speculative-config", "--compilation-config"
# Flags that say what a key of the speculative configuration says, from 0.22.1 on.
SHORT = {
    "method": "--spec-method",
    "model": "--spec-model",
    "num_speculative_tokens": "--spec-tokens",
}
SIZES, LARGEST = "cudagraph_capture_sizes", "max_cudagraph_capture_size"


def settings(values: Mapping[str, Value], flag: str) -> dict[str, Any]:
    """The JSON object behind a flag, with underscores in its keys as vLLM reads them."""
    word = values.get(flag)
    try:
        found = loads(word) if isinstance(word, str) else {}
    except ValueError:
        return {}  # the parser has refused it
    return {key.replace("-", "_"): found[key] for key in found} if isinstance(found, dict) else {}


def speculative(values: Mapping[str, Value]) -> dict[str, Any]:
    """The configuration of speculative decoding; empty: there is none."""
    short = {key: word for key, flag in SHORT.items() if isinstance(word := values.get(flag), str)}
    return {**settings(values, SPECULATIVE), **short}


def graph_sizes(values: Mapping[str, Value]) -> dict[str, Any]:
    """What is said of the batches that CUDA graphs are captured for, as it is written."""
    given = settings(values, COMPILATION)
    flags = {name: values.get(f"--{name.replace('_', '-')}") for name in (SIZES, LARGEST)}
    return {name: given.get(name) if flag is None else flag for name, flag in flags.items()}
