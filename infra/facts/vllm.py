"""What vLLM's flags say, in whichever of their spellings, and what holds where they say nothing."""

from collections.abc import Collection, Mapping
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
# By a part of a draft model's name, the method that vLLM takes for it where none is given; the
# first that fits, of those that the release has (__post_init__ in config/speculative.py of 0.11.2
# and 0.33.0).
BY_NAME = (("eagle-", "eagle"), ("eagle3", "eagle3"), ("dflash", "dflash"), ("dspark", "dspark"))
NGRAM = ("ngram", "[ngram]")
# By memory in GiB: the requests that run at once, the prompt tokens of one pass; an A100 counts as
# small (get_batch_defaults in engine/arg_utils.py of 0.33.0; in 0.11.2 160 GiB are as 70).
BY_MEMORY = ((160, 1024, 16384), (70, 1024, 8192), (0, 256, 2048))
A100 = 80  # its compute capability


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


def method_of(config: Mapping[str, Any], model: str, known: Collection[str]) -> str:
    """
    How tokens are guessed; ``draft_model`` as well where only the draft's own files say it.

    Args:
        config: The configuration of speculative decoding.
        model: The model's repository or folder; with itself as its draft it has layers for that.
        known: The release's methods.
    """
    given, draft = config.get("method"), str(config.get("model") or "")
    if given:
        return str(given)
    if draft in NGRAM:
        return "ngram"
    if draft == model:
        return "mtp"
    path, name = draft.split("."), draft.lower()
    if "custom_class" in known and path[1:] and all(map(str.isidentifier, path)):
        return "custom_class"
    return next((each for mark, each in BY_NAME if mark in name and each in known), "draft_model")


def batch_defaults(capability: int, memory: float) -> tuple[int, int]:
    """
    Requests at once and prompt tokens of one pass, where the flags do not say them.

    Args:
        capability: The GPU's compute capability, such as 90.
        memory: Its bytes.
    """
    size = 0 if capability == A100 else memory / 2**30
    running, tokens = next(row[1:] for row in BY_MEMORY if size >= row[0])
    return running, tokens


def graph_sizes(values: Mapping[str, Value]) -> dict[str, Any]:
    """What is said of the batches that CUDA graphs are captured for, as it is written."""
    given = settings(values, COMPILATION)
    flags = {name: values.get(f"--{name.replace('_', '-')}") for name in (SIZES, LARGEST)}
    return {name: given.get(name) if flag is None else flag for name, flag in flags.items()}
