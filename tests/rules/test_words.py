"""What findings say in words: the release to take, and numbers with their nouns."""

import pytest
from rule_samples import Case

from components import VLLM


@pytest.mark.parametrize(
    ("asked", "near"),
    [("0.20.0", "0.20.2"), ("0.22.0", "0.22.1"), ("0.10.0", "0.11.2"), ("0.99.0", "0.33.0")],
)
def test_a_known_release_that_is_near_is_named(asked: str, near: str) -> None:
    """Of a release that is not known, the next one that is, so that an update is a small one."""
    bad = {"engine": VLLM(), "version": asked}
    [finding] = Case(code="INF016", bad=bad, good={}).found(bad)
    assert finding.fix.endswith(f"vllm/vllm-openai:v{near}")


def test_one_is_singular() -> None:
    """One GPU is no "1 GPUs"."""
    bad = {"gpu": "H100", "flags": {"tp_size": 4}}
    found = Case(code="INF061", bad=bad, good={}).found(bad)
    assert found[0].what.startswith("1 GPU, and SGLang runs on 4 ")
