"""What is found wrong with a stack, and what of it the stack accepts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from inspect import cleandoc
from typing import Any, Literal, NamedTuple

from infra.errors import InfraError
from infra.resources import AppResources, Image, Service

Severity = Literal["error", "warning", "info"]

CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Fault(NamedTuple):
    """
    What a rule has seen in a service.

    Attributes:
        what: What is so, in one sentence.
        fix: What to do.
        field: Which field of the service it is about, such as ``routing.region``, or empty.
        why: Why it matters here, where it differs from the rule's own reason.
        severity: Where it differs from the rule's own, as for another release.
    """

    what: str
    fix: str
    field: str = ""
    why: str = ""
    severity: Severity | None = None


class Finding(NamedTuple):
    """
    A fault with everything that its reader needs.

    Attributes:
        code: The rule's, such as ``INF020``.
        severity: An ``error`` stops an apply.
        where: The service and the field, such as ``qwen3-8b.routing.region``.
        what: What is so.
        why: Why it matters.
        fix: What to do.
        source: Where that is known from.
    """

    code: str
    severity: Severity
    where: str
    what: str
    why: str
    fix: str
    source: str


class Subject:
    """
    One service, as a rule sees it.

    Attributes:
        app: The App that it is in.
        service: The service.
        image: Its image.
        is_strict: Whether the stack is one that people depend on.
        stack: Every service of the stack, this one included, as what they share may be at fault.
    """

    def __init__(
        self,
        app: AppResources,
        service: Service,
        image: Image,
        *,
        is_strict: bool,
        stack: Sequence["Subject"],
    ) -> None:
        self.app = app
        self.service = service
        self.image = image
        self.is_strict = is_strict
        self.stack = stack
        self.views = _Views(self)

    def view(self, make: Callable[["Subject"], Any]) -> Any:
        """The service as `make` shows it, made once for all rules."""
        return self.views[make]


class _Views(dict[Callable[[Subject], Any], Any]):
    """A subject as each function shows it, made when it is asked for."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self._subject = subject

    def __missing__(self, make: Callable[[Subject], Any]) -> Any:
        return self.setdefault(make, make(self._subject))


Check = Callable[[Any], Iterable[Fault]]


@cache
def _paragraphs(check: Check) -> tuple[str, str]:
    """The docstring's first paragraph, and the others."""
    first, _, rest = cleandoc(check.__doc__ or "").partition("\n\n")
    return " ".join(first.split()), " ".join(rest.split())


class Rule(NamedTuple):
    """
    A rule; `rule` makes one of a function.

    Attributes:
        code: Its name for good, such as ``INF020``.
        severity: Of what it finds.
        strict: The same in a strict stack.
        source: Where it is known from.
        view: What of the subject the function is given; None from it: not for this service.
        check: The function; its docstring says in a sentence what the rule is about, then why
            that matters.
    """

    code: str
    severity: Severity
    strict: Severity
    source: str
    view: Callable[[Subject], Any] | None
    check: Check

    @property
    def topic(self) -> str:
        """What the rules of its module are about, in a sentence."""
        told: str = getattr(self.check, "__globals__", {}).get("__doc__") or ""
        return told.strip().partition("\n")[0]

    @property
    def title(self) -> str:
        """What the rule is about, in a sentence."""
        return _paragraphs(self.check)[0]

    @property
    def why(self) -> str:
        """Why that matters."""
        return _paragraphs(self.check)[1]

    def findings(self, subjects: Iterable[Subject]) -> Iterator[tuple[Subject, Finding]]:
        """
        What the function sees in each service.

        Raises:
            InfraError: It fails.
        """
        view, check = self.view, self.check  # this is run for each rule and service
        for subject in subjects:
            try:
                seen = subject.views[view] if view else subject
                if seen is None:
                    continue
                for each in check(seen):
                    name, is_strict = subject.service.name, subject.is_strict
                    yield subject, self.finding(each, name, is_strict=is_strict)
            except Exception as error:
                raise InfraError(
                    f"{self.code}: the rule fails on {subject.service.name} with "
                    f"{type(error).__name__}: {error}; a rule that yields Fault(what=..., "
                    "fix=...) is allowed; mend it or take it out"
                ) from error

    def finding(self, fault: Fault, name: str, *, is_strict: bool) -> Finding:
        """
        A fault of the service (or the stack) of that name, with all that its reader needs.

        Raises:
            TypeError: It is no fault.
            ValueError: Its severity is none.
        """
        if not isinstance(fault, Fault):
            raise TypeError(f"it yields {fault!r:.60}")
        if fault.severity not in (None, *SEVERITIES):
            raise ValueError(f"its severity is {fault.severity!r:.60}")
        usual = self.strict if is_strict else self.severity
        return Finding(
            code=self.code,
            severity=fault.severity or usual,
            where=f"{name}.{fault.field}" if fault.field else name,
            what=fault.what,
            why=fault.why or self.why,
            fix=fault.fix,
            source=self.source,
        )


def rule(
    code: str,
    *,
    severity: Severity,
    source: str,
    strict: Severity | None = None,
    view: Callable[[Subject], Any] | None = None,
) -> Callable[[Check], Rule]:
    """
    Make a rule of a function that is given a service and yields faults.

    Raises:
        ValueError: The code, a severity or the source is none, or the function has no docstring.
    """
    strict = strict or severity
    letters = code.rstrip("0123456789")
    if letters in ("", code) or not CAPITALS.issuperset(letters):
        raise ValueError(
            f"code: {code!r} does not fit; a name of capitals and then digits is allowed; "
            "write 'ACME001', for example"
        )
    for level in (severity, strict):
        if level not in SEVERITIES:
            raise ValueError(
                f"severity: {level!r} is not known; {', '.join(SEVERITIES)} are allowed; "
                "write 'warning', for example"
            )
    if not source:
        raise ValueError(
            "source: is empty; where it is known from is allowed; write 'our handbook', for example"
        )

    def make(check: Check) -> Rule:
        if not (check.__doc__ or "").strip():
            raise ValueError(
                f"{code}: has no docstring; one that says what the rule is about, then why that "
                "matters, is allowed; write it"
            )
        return Rule(code, severity, strict, source, view, check)

    return make


class Accepted(NamedTuple):
    """
    A finding that the stack's author knows of.

    Attributes:
        finding: The finding.
        reason: Why it stays.
    """

    finding: Finding
    reason: str


class Report(NamedTuple):
    """
    What all rules found.

    Attributes:
        findings: The worst first, then as the services and rules are ordered.
        accepted: Those that the stack accepts.
    """

    findings: tuple[Finding, ...]
    accepted: tuple[Accepted, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those that stop an apply."""
        return tuple(each for each in self.findings if each.severity == "error")


def check(
    apps: Sequence[AppResources],
    rules: Sequence[Rule],
    *,
    accept: Mapping[str, str],
    is_strict: bool,
) -> Report:
    """
    What the rules find in a stack's services.

    Args:
        apps: The stack, lowered.
        rules: All of them, the stack's own included.
        accept: By code, or by code and service, why findings stay.
        is_strict: Whether the stack is one that people depend on.

    Raises:
        InfraError: A rule fails, or two have one code.
    """
    by_code: dict[str, Rule] = {}
    for each in rules:
        if by_code.setdefault(each.code, each) is not each:
            raise InfraError(f"{each.code}: is the code of two rules; each has its own; rename one")
    known = subjects(apps, is_strict)
    by_subject: dict[Subject, list[Finding]] = {subject: [] for subject in known}
    for each in rules:  # rule by rule: with a hundred services that takes a third less time
        for subject, finding in each.findings(known):
            by_subject[subject].append(finding)
    accepted: list[Accepted] = []
    left: list[Finding] = []
    hit: set[str] = set()
    for subject, findings in by_subject.items():
        for finding in findings:
            key = f"{finding.code} {subject.service.name}"
            if key not in accept:
                key = finding.code
            if key in accept:
                hit.add(key)
                accepted.append(Accepted(finding=finding, reason=accept[key]))
            else:
                left.append(finding)
    stale = dict(_left_behind((key for key in accept if key not in hit), by_code))
    left += [
        acceptance_left_behind.finding(fault, "stack", is_strict=is_strict)
        for fault in acceptance_left_behind.check(stale)
    ]
    return Report(
        findings=tuple(sorted(left, key=lambda each: SEVERITIES.index(each.severity))),
        accepted=tuple(accepted),
    )


def _left_behind(accept: Iterable[str], codes: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Each acceptance with what it may be meant to be, itself included; None: nothing known."""
    meant = {code.lower(): code for code in codes}
    for key in accept:
        code, _, service = key.partition(" ")
        known = meant.get(code.lower())
        yield key, known and f"{known} {service}".strip()


def subjects(apps: Iterable[AppResources], is_strict: bool) -> Sequence[Subject]:
    """Every service with its image."""
    stack: list[Subject] = []
    for app in apps:
        images = {image.name: image for image in app.images}
        for service in app.services:
            if service.name in images:
                image = images[service.name]
                stack.append(Subject(app, service, image, is_strict=is_strict, stack=stack))
    return stack


@rule("INF001", severity="warning", source="infra")
def acceptance_left_behind(codes: Mapping[str, str | None]) -> Iterator[Fault]:
    """
    An acceptance that matches no finding.

    Left behind, it would hide the fault when it comes back.
    """
    for code, meant in codes.items():
        so = "matches no finding any more" if meant == code else "is the code of no rule"
        is_slip = meant not in (None, code)
        yield Fault(
            field="accept",
            what=f"{code} is accepted, and {so}",
            fix=f"write {meant!r}" if is_slip else f"take {code!r} out of accept=",
        )
