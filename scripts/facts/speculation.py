"""Where SGLang's checks after parsing and the rules about speculative decoding disagree."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs

from components import ImageSpec, InferenceService, SGLang
from components.rules import drafts, flags, overlap, speculative
from components.rules.speculative import ALGORITHMS
from infra import App, Stack
from infra.facts.flags import ordered
from infra.lower import lower
from infra.rules import Finding, check

RULES = (*flags.RULES, *speculative.RULES, *drafts.RULES, *overlap.RULES)
# What happens after the checks, while the weights are loaded or on the first request.
LATER = re.compile(r"INF024|INF025|INF021 .* given without --speculative-num-draft-tokens$")
FIELDS = ("speculative_num_steps", "speculative_eagle_topk", "speculative_num_draft_tokens")
RUNS_AS = re.compile(r"(--[\w-]+): (\d+) runs as (\d+)")

# The figures of Qwen3-8B's config.json, as Qwen publishes it, and a draft model's for it.
MODEL: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "vocab_size": 151936,
    "torch_dtype": "bfloat16",
}
EAGLE3 = {**MODEL, "architectures": ["LlamaForCausalLMEagle3"], "model_type": "llama"}
EAGLE3 |= {"num_hidden_layers": 1, "draft_vocab_size": 32000}
DFLASH = {**MODEL, "architectures": ["DFlashDraftModel"], "num_hidden_layers": 5, "block_size": 16}


@attrs.frozen(kw_only=True)
class Setting:
    """
    A service with speculative decoding.

    Attributes:
        flags: Its flags, as `SGLang` takes them.
        words: Its command line, with folders in place of the models' names.
        findings: What the rules find in it.
    """

    flags: Mapping[str, Any]
    words: tuple[str, ...]
    findings: tuple[Finding, ...]


def settings(version: str, *, count: int, seed: str, folder: Path) -> list[Setting]:
    """
    Random services for a release.

    Args:
        version: The release.
        count: How many.
        seed: The same seed gives the same services.
        folder: Where the models' configurations are written.
    """
    for name, config in (("qwen3", MODEL), ("eagle3", EAGLE3), ("dflash", DFLASH)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    random = Random(seed)
    return [_setting(version, _flags(random, version), folder) for _ in range(count)]


def disagreements(made: Sequence[Setting], answers: Sequence[Any]) -> Iterator[str]:
    """A sentence for each service that only one side refuses, or reads as other numbers."""
    for setting, answer in zip(made, answers, strict=True):
        errors = [
            each
            for each in setting.findings
            if each.severity == "error" and not LATER.match(f"{each.code} {each.what}")
        ]
        ours = {match.groups() for each in setting.findings if (match := RUNS_AS.search(each.what))}
        theirs = set(_rewritten(setting.flags, answer.get("values") or {}))
        if bool(errors) != ("error" in answer):
            told = "; ".join(f"{each.code} {each.what}" for each in errors) or "nothing"
            yield f"{setting.flags}\n  SGLang: {answer.get('error', 'starts')}\n  rules: {told}"
        elif not errors and ours != theirs:
            yield f"{setting.flags}\n  SGLang: {sorted(theirs)}\n  rules: {sorted(ours)}"


def _rewritten(flags: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The numbers that run as others."""
    for field in FIELDS:
        given, runs = flags.get(field), values.get(field)
        if given is not None and values and given != runs:
            yield f"--{field.replace('_', '-')}", str(given), str(runs)


def _flags(random: Random, version: str) -> dict[str, Any]:
    """Speculative decoding with numbers that may or may not go together."""
    known = [name for name, since in ALGORITHMS.items() if ordered(since) <= ordered(version)]
    # UNO and what comes with a draft's own configuration can't be checked without such a draft
    known = [name for name in known if name not in ("UNO", "DSPARK", "FROZEN_KV_MTP")]
    algorithm = random.choice(known)
    has_draft = algorithm == "DFLASH" or (algorithm != "NGRAM" and random.random() < 0.8)
    maybe: dict[str, Any] = {
        "speculative_draft_model_path": "draft/model" if has_draft else None,
        "speculative_num_steps": random.choice((None, 1, 2, 3, 5)),
        "speculative_eagle_topk": random.choice((None, 1, 1, 2, 4)),
        "speculative_num_draft_tokens": random.choice((None, 2, 4, 6, 8, 16)),
        "page_size": random.choice((None, None, 1, 16, 64)),
        "attention_backend": random.choice((None, None, "fa3", "flashinfer", "triton")),
        "pp_size": random.choice((None, None, None, None, 2)),
        "enable_dp_attention": random.random() < 0.2,
        "dp_size": random.choice((None, 2)),
        "enable_mixed_chunk": random.random() < 0.1,
    }
    if algorithm == "DFLASH":
        maybe["speculative_dflash_block_size"] = random.choice((None, 4, 8, 16))
    elif ordered(version) >= ordered("0.5.14"):
        maybe["speculative_use_rejection_sampling"] = random.random() < 0.1
    if not maybe["enable_dp_attention"]:
        maybe["dp_size"] = None  # more replicas instead, which is another matter
    given = {name: value for name, value in maybe.items() if value}
    return {"speculative_algorithm": algorithm, **given}


def _setting(version: str, flags: Mapping[str, Any], folder: Path) -> Setting:
    """The service as infra makes and judges it."""
    service = InferenceService(
        name="checked",
        model="Qwen/Qwen3-8B",
        gpu="H100:2",
        image=ImageSpec.from_registry(f"lmsysorg/sglang:v{version}"),
        engine=SGLang(**flags),
    )
    apps = lower(Stack("checked", apps=[App("checked", [service])]), "checked")
    draft = "dflash" if flags["speculative_algorithm"] == "DFLASH" else "eagle3"
    folders = {"Qwen/Qwen3-8B": folder / "qwen3", "draft/model": folder / draft}
    words = [
        str(folders.get(word, word))
        for argument in apps[0].services[0].arguments
        for word in (argument.flag, *argument.values)
    ]
    report = check(apps, RULES, accept={}, is_strict=False)
    return Setting(flags=flags, words=tuple(words), findings=tuple(report.findings))
