"""The published services report the faults that are in them."""

from pathlib import Path

import pytest

from components.rules import RULES
from infra.load import load
from infra.lower import lower
from infra.project import open_project
from infra.rules import Finding, check

ROOT = Path(__file__).parent.parent.parent
CASES = ROOT / "tests" / "cases"


def found(case: str) -> dict[str, list[Finding]]:
    """What is found in a published service, by code."""
    path = CASES / case / "stack.py"
    report = check(lower(load(path), str(path)), RULES, accept={}, is_strict=False)
    by_code: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_code.setdefault(finding.code, []).append(finding)
    return by_code


def test_nemotron() -> None:
    """The Nemotron service reports exactly these."""
    assert set(found("seed_000")) == {
        "INF015",  # two flags that 0.5.20 refuses
        "INF020",  # draft tokens 5 run as 6
        "INF031",  # a variable that is on by default
        "INF052",  # 120 minutes to start
        "INF070",  # a fraction of memory far above SGLang's own
        "INF081",  # proxies in us-west, containers anywhere in us
        "INF082",  # sessions stay, the prefix cache is off
        "INF094",  # no revision, and code from the repository
        "INF102",  # anybody may call it
    }


def test_qwen() -> None:
    """The Qwen service reports exactly these."""
    assert set(found("seed_001")) == {
        "INF015",  # --cuda-graph-max-bs
        "INF040",  # DeepGEMM's Volume where nothing looks
        "INF050",  # Modal's 300 seconds to start
        "INF091",  # no revision of the draft
        "INF102",  # anybody may call it
    }


@pytest.mark.parametrize(
    ("case", "code", "what"),
    [
        ("seed_000", "INF020", "5 runs as 6"),
        ("seed_000", "INF094", "is taken from its main branch"),
        ("seed_001", "INF091", "Tengyunw/qwen3_8b_eagle3 is taken from its main branch"),
        ("seed_000", "INF052", "7200 s"),
        ("seed_000", "INF070", "SGLang would take 0.7"),
        ("seed_000", "INF081", "us containers may run near us-east"),
        ("seed_000", "INF015", "--cuda-graph-max-bs: is ambiguous in SGLang 0.5.20"),
        ("seed_000", "INF015", "--disable-piecewise-cuda-graph: is gone from SGLang 0.5.20"),
        ("seed_001", "INF015", "--cuda-graph-max-bs: is ambiguous in SGLang 0.5.20"),
        ("seed_001", "INF040", "keeps DeepGEMM's kernels in /root/.cache/deep_gemm"),
        ("seed_001", "INF050", "Modal's 300 seconds"),
    ],
)
def test_what_is_said(case: str, code: str, what: str) -> None:
    """A finding says what is so, with the figures."""
    assert any(what in finding.what for finding in found(case)[code])


def test_consequences_are_said() -> None:
    """The wrong DeepGEMM folder is told with what comes of it."""
    (finding,) = found("seed_001")["INF040"]
    assert finding.severity == "error"
    assert "The Volume stays empty" in finding.why
    assert "SGLANG_DG_CACHE_DIR=/root/.cache/deepgemm" in finding.fix


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_stacks_accept_what_is_found(name: str) -> None:
    """The stacks here have no finding but those that they accept, each with its reason."""
    report = open_project(ROOT / "stacks" / f"{name}.py").report()
    assert report.findings == ()
    strict = {"INF096"} if name == "prod" else set()
    assert {each.finding.code for each in report.accepted} == strict | {
        "INF052", "INF070", "INF091", "INF094", "INF102"
    }  # fmt: skip
    assert all(len(each.reason.split()) > 2 for each in report.accepted)
