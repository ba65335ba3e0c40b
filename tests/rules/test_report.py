"""Acceptances, rules of a stack's own, and what becomes of rules that fail."""

from collections.abc import Iterator

import attrs
import pytest
from rule_samples import sample

from components import SpeculativeDecoding
from components.rules import RULES
from components.rules.engine import Engine
from infra import App, Stack
from infra.errors import InfraError, InvalidStack
from infra.lower import lower
from infra.resources import AppResources
from infra.rules import Fault, Report, Rule, Subject, check, rule


@rule("ACME001", severity="warning", strict="error", source="our handbook")
def two_containers(subject: Subject) -> Iterator[Fault]:
    """
    A service that grows without end.

    Nobody then knows the bill.
    """
    if subject.service.autoscaler.max_containers is None:
        yield Fault(field="max_containers", what="is not set", fix="write max_containers=4")


@rule("ACME002", severity="info", source="our handbook", view=Engine.of)
def metrics(engine: Engine) -> Iterator[Fault]:
    """An engine without metrics."""
    if not engine.has("--enable-metrics"):
        yield Fault(what="has no metrics", fix="write enable_metrics=True")


@rule("ACME003", severity="info", source="our handbook")
def broken(subject: Subject) -> Iterator[Fault]:
    """A rule that fails."""
    raise KeyError(subject.service.name)


def apps(**fields: object) -> tuple[AppResources, ...]:
    """The sample in a stack."""
    return lower(Stack("test", apps=[App("app", [sample(**fields)])]), "test")  # type: ignore[arg-type]


def report(
    *rules: Rule, accept: dict[str, str] | None = None, is_strict: bool = False, **fields: object
) -> Report:
    """What is found in the sample."""
    return check(apps(**fields), (*RULES, *rules), accept=accept or {}, is_strict=is_strict)


def test_a_stack_has_rules_of_its_own() -> None:
    """A function with a code is a rule, on the resources or on the engine's command line."""
    found = report(two_containers, metrics)
    assert [(each.code, each.where, each.severity) for each in found.findings] == [
        ("ACME001", "sample.max_containers", "warning"),
        ("ACME002", "sample", "info"),
    ]
    assert found.findings[0].why == "Nobody then knows the bill."
    assert two_containers.title == "A service that grows without end."


def test_strict_stacks_have_a_severity_of_their_own() -> None:
    """A rule's level in a strict stack is the one that it gives for it."""
    found = report(two_containers, is_strict=True, min_containers=1)
    assert [each.code for each in found.errors] == ["ACME001"]


def test_accepted_findings_stand_apart() -> None:
    """An accepted finding is none of the findings, and keeps its reason."""
    found = report(two_containers, accept={"ACME001": "the budget is capped"})
    assert found.findings == ()
    assert [(each.finding.code, each.reason) for each in found.accepted] == [
        ("ACME001", "the budget is capped")
    ]


def test_a_finding_of_one_service_is_accepted_by_its_name() -> None:
    """Others' findings of that rule stay, and a reason of its own goes before the common one."""
    two = lower(Stack("test", services=[sample(name="a"), sample(name="b")]), "test")
    one = check(two, (metrics,), accept={"ACME002 a": "a probe"}, is_strict=False)
    assert [(each.finding.where, each.reason) for each in one.accepted] == [("a", "a probe")]
    assert [each.where for each in one.findings] == ["b"]
    accept = {"ACME002 a": "a probe", "ACME002": "tests"}
    both = check(two, (metrics,), accept=accept, is_strict=False)
    assert [each.reason for each in both.accepted] == ["a probe", "tests"]
    assert not both.findings


@pytest.mark.parametrize(
    ("key", "so", "fix"),
    [
        ("INF102 c", "matches no finding any more", "take 'INF102 c' out of accept="),
        ("INF999 a", "is the code of no rule", "take 'INF999 a' out of accept="),
        ("inf102 a", "is the code of no rule", "write 'INF102 a'"),
    ],
)
def test_a_service_s_acceptance_without_a_finding(key: str, so: str, fix: str) -> None:
    """It is found as one of the whole stack is."""
    (found,) = report(accept={key: "measured"}).findings
    assert (found.what, found.fix) == (f"{key} is accepted, and {so}", fix)


@pytest.mark.parametrize("key", ["", "INF102 ", "INF102 a b", "102", "INF102 -a", "INF102.a"])
def test_what_is_accepted_is_a_code_and_perhaps_a_service(key: str) -> None:
    """Anything else is a problem of the stack."""
    with pytest.raises(ValueError, match=r"accept: .* does not fit; a rule's code, or it with a"):
        Stack("test", services=[sample()], accept={key: "why"})


def test_an_acceptance_without_a_finding_is_found() -> None:
    """An acceptance that matches nothing, or no rule, is a finding itself."""
    found = report(accept={"INF020": "measured", "INF999": "a slip", "inf102": "a slip"})
    assert [(each.what, each.fix) for each in found.findings] == [
        ("INF020 is accepted, and matches no finding any more", "take 'INF020' out of accept="),
        ("INF999 is accepted, and is the code of no rule", "take 'INF999' out of accept="),
        ("inf102 is accepted, and is the code of no rule", "write 'INF102'"),
    ]
    assert {each.code for each in found.findings} == {"INF001"}


def test_the_worst_comes_first() -> None:
    """Errors stand before warnings, and those before the rest."""
    steps = SpeculativeDecoding("EAGLE3", num_steps=5, eagle_topk=1, num_draft_tokens=5)
    found = report(metrics, speculative=steps)
    assert [each.severity for each in found.findings] == ["error", "warning", "info"]


def test_a_rule_that_fails_is_named() -> None:
    """A rule that raises stops the check with its code and the service."""
    with pytest.raises(InfraError, match=r"^ACME003: the rule fails on sample with KeyError"):
        report(broken)


def test_a_rule_yields_faults() -> None:
    """A rule that yields a text is told what is allowed."""

    def text(engine: object) -> list[str]:
        """A rule that has misunderstood. It matters."""
        return ["no max_containers"]

    told = r"^ACME004: .* it yields 'no max_containers'; a rule that yields Fault\("
    with pytest.raises(InfraError, match=told):
        report(rule("ACME004", severity="info", source="tests")(text))  # type: ignore[arg-type]


def test_codes_are_names() -> None:
    """Two rules can't have one code."""
    other = rule("ACME001", severity="info", source="tests")(metrics.check)
    with pytest.raises(InfraError, match="ACME001: is the code of two rules"):
        report(two_containers, other)


def test_other_engines_are_left_alone() -> None:
    """Rules about engines say nothing of a service that starts something else."""
    (app,) = apps()
    other = attrs.evolve(app.services[0], entrypoint=("trtllm-serve",))
    found = check([attrs.evolve(app, services=(other,))], RULES, accept={}, is_strict=False)
    assert found.findings == ()


def test_rules_are_told_whole() -> None:
    """Every rule has a code in order, a sentence, a reason and a source."""
    codes = [each.code for each in RULES]
    assert codes == sorted(set(codes))
    for each in RULES:
        assert each.title.endswith("."), each.code
        assert each.why.endswith("."), each.code
        assert each.source, each.code


def test_a_stack_says_what_it_accepts() -> None:
    """A stack file's own fields are what the check takes."""
    stack = Stack(
        "test",
        services=[sample()],
        strict=True,
        accept={"INF096": "its makers leave tags alone", "INF103": "nobody calls at night"},
        rules=[metrics],
    )
    found = check(
        lower(stack, "test"),
        (*RULES, *stack.rules),
        accept=dict(stack.accept),
        is_strict=stack.strict,
    )
    assert [each.code for each in found.findings] == ["ACME002"]
    assert [each.finding.code for each in found.accepted] == ["INF096", "INF103"]


def test_an_acceptance_needs_a_reason() -> None:
    """An acceptance without a reason is a problem of the stack."""
    with pytest.raises(InvalidStack, match=r"test\.accept: INF103 has no reason"):
        lower(Stack("test", services=[sample()], accept={"INF103": " "}), "test")


def test_only_rules_are_rules() -> None:
    """A plain function among the rules is refused with what is allowed."""
    with pytest.raises(ValueError, match="rules"):
        Stack("test", services=[sample()], rules=[metrics.check])
