"""Hybrid models: which strategy their prefix cache has, in which release."""

from typing import Any

import attrs
import pytest
from rule_samples import HYBRID, NEMOTRON, findings, sample

from components import Model, SpeculativeDecoding
from infra.facts.models import ModelFacts

FALCON = "tiiuae/Falcon-H1-34B-Instruct"
KIMI = "moonshotai/Kimi-Linear-48B-A3B-Instruct"
BUFFERS = {"mamba_scheduler_strategy": "extra_buffer"}


def found(code: str, **fields: Any) -> list[tuple[str, str]]:
    """The severity and the advice of a rule's findings."""
    return [(each.severity, each.fix) for each in findings(sample(**fields)) if each.code == code]


@pytest.mark.parametrize(
    ("model", "version", "is_refused"),
    [
        (HYBRID, "0.5.9", False),
        (NEMOTRON, "0.5.12.post1", True),
        (NEMOTRON, "0.5.13.post1", False),
        (FALCON, "0.5.9", True),
        (FALCON, "0.5.12.post1", True),
        (FALCON, "0.5.13.post1", False),
        ("ibm-granite/granite-4.0-h-small", "0.5.11", True),
        (KIMI, "0.5.13.post1", False),  # it has no prefix cache there
        (KIMI, "0.5.15.post1", True),
        (KIMI, "0.5.16", False),
    ],
)
def test_buffers_are_refused_where_a_model_has_none(
    model: str, version: str, *, is_refused: bool
) -> None:
    """extra_buffer is an error for exactly the architectures that a release has none for."""
    assert bool(found("INF036", model=model, version=version, flags=BUFFERS)) is is_refused


@pytest.mark.parametrize(
    ("model", "version", "fix"),
    [
        (
            HYBRID,
            "0.5.10.post1",
            'write disable_radix_cache=True, or mamba_scheduler_strategy="extra_buffer" with '
            "SGLANG_ENABLE_SPEC_V2=1",
        ),
        (
            HYBRID,
            "0.5.11",
            'write disable_radix_cache=True, or mamba_scheduler_strategy="extra_buffer"',
        ),
        (FALCON, "0.5.11", "write disable_radix_cache=True"),
        (
            NEMOTRON,
            "0.5.13.post1",
            'write disable_radix_cache=True, or mamba_scheduler_strategy="extra_buffer"',
        ),
    ],
)
def test_the_advice_is_possible(model: str, version: str, fix: str) -> None:
    """What is advised beside drafts is what the release has for the model, and nothing else."""
    drafts = SpeculativeDecoding.mtp()
    assert found("INF035", model=model, version=version, speculative=drafts) == [("error", fix)]


def test_a_switched_off_cache_has_no_strategy() -> None:
    """With the prefix cache off extra_buffer is refused up to 0.5.13, and unread from then on."""
    off = {"disable_radix_cache": True}
    old = found("INF036", model=HYBRID, version="0.5.13.post1", flags={**BUFFERS, **off})
    new = found("INF036", model=HYBRID, version="0.5.14", flags={**BUFFERS, **off})
    assert [severity for severity, _ in (*old, *new)] == ["error", "warning"]


def test_a_model_without_buffers_waits_in_every_release() -> None:
    """LFM2 loses the overlap in the newest release, too, and is not told to update."""
    facts = ModelFacts(architecture="Lfm2ForCausalLM", is_hybrid=True)
    service = attrs.evolve(sample(), model=Model("LiquidAI/LFM2-1.2B", facts=facts))
    (lost,) = (each for each in findings(service) if each.code == "INF039")
    assert lost.fix == "write disable_radix_cache=True where prompts share no beginnings"
