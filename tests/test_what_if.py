"""Other values of a service's fields: what each would cost, need and break."""

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import worlds
from hypothesis import given
from hypothesis import strategies as st

from components import InferenceService, KernelCache, SGLang, SpeculativeDecoding
from infra import App, Stack
from infra.display_what_if import what_if_json, what_if_markdown, what_if_text
from infra.errors import UsageError
from infra.estimates import ColdStart, Estimate, Kernels
from infra.rules import Finding, Severity
from infra.text import Style
from infra.what_if import MOST, Variant, WhatIf, what_if


def one(**fields: Any) -> Stack:
    """A stack with one service."""
    return worlds.stack(worlds.service(engine=SGLang(mem_fraction_static=0.8), **fields))


def tried(stack: Stack, *settings: str, service: str | None = None) -> WhatIf:
    """The variants of a stack's service."""
    return what_if(worlds.project(stack), settings, service)


def wrong(stack: Stack, *settings: str, service: str | None = None) -> str:
    """Why variants can't be asked for."""
    with pytest.raises(UsageError) as caught:
        tried(stack, *settings, service=service)
    return str(caught.value)


def values(found: WhatIf) -> list[tuple[Any, ...]]:
    """What was tried."""
    return [each.values for each in found.variants]


def codes(variant: Variant) -> set[str]:
    """What the rules have found in it."""
    return {each.code for each in variant.findings}


def test_the_service_as_it_is_comes_first() -> None:
    """Each value is a row with its price; the GPU's also with what is expected on it."""
    found = tried(one(), "gpu=H200:2,B300:2")
    assert values(found) == [(("H100:2",),), (("H200:2",),), (("B300:2",),)]
    now, larger, unknown = found.variants
    assert now.price and larger.price and unknown.price
    assert now.price.floor and larger.price.floor
    assert larger.price.floor.low > now.price.floor.low
    assert unknown.price.floor is None
    assert now.estimate and larger.estimate
    assert now.estimate.memory and larger.estimate.memory
    assert larger.estimate.memory.capacity > now.estimate.memory.capacity


def test_several_fields_make_all_combinations() -> None:
    """The last field varies first."""
    found = tried(one(), "routing.target_inputs=8,16", "min_containers=0,2")
    assert found.fields == ("routing.target_inputs", "min_containers")
    assert values(found) == [(10, 1), (8, 0), (8, 2), (16, 0), (16, 2)]


def test_too_little_memory_is_told_as_what_it_does() -> None:
    """Requests wait where some of them fit; where none does, that is not said."""
    found = tried(one(), "gpu=H100:1", "engine.mem_fraction_static=0.8,0.05")
    rows = what_if_text(found).split("\n\n")[1].splitlines()
    assert "short by 1.4: requests wait  " in rows[2]
    assert "short by 65.6  " in rows[3]


def test_a_flag_of_the_engine_is_a_field() -> None:
    """The engine's flags have its other fields' form, and its rules see them."""
    found = tried(one(), "engine.mem_fraction_static=0.8,0.9", "engine.no_such_flag=1")
    assert values(found)[0] == (0.8, None)
    assert values(found)[1:] == [(0.8, 1), (0.9, 1)]
    now, first, _ = found.variants
    assert codes(first) - codes(now)
    assert all(not each.problems for each in found.variants)
    free = [
        each.estimate.memory.free
        for each in found.variants
        if each.estimate and each.estimate.memory
    ]
    assert free[1] is not None
    assert free[2] is not None
    assert free[2] > free[1]


def test_the_stack_stays_as_it_is() -> None:
    """Trying changes no value that the stack file gave."""
    stack = one(environment={"A": "1"})
    project = worlds.project(stack)
    before = attrs.asdict(project, recurse=False)
    what_if(project, ["gpu=L4", "environment.A=2"], None)
    assert attrs.asdict(project, recurse=False) == before


FORMS = {
    "gpu=H100:2": [(("H100:2",),)],
    'gpu=["H100:2","H200:2"],"B200:2"': [(("H100:2", "H200:2"),), (("B200:2",),)],
    "min_containers=1,2": [(1,), (2,)],
    "speculative=null": [(None,)],
    "weights=None": [(None,)],
    "routing.unauthenticated=true,False": [(True,), (False,)],
    "model=Qwen/Qwen3-32B-FP8": [("Qwen/Qwen3-32B-FP8",)],
    "model.name=Qwen/Qwen3-32B-FP8": [("Qwen/Qwen3-32B-FP8",)],
    "model.revision=123": [(123,)],
    "environment.LEVEL=2": [("2",)],
    "environment.OTHER=x": [("x",)],
    "environment.OTHER=1,true": [("1",), ("true",)],
    "engine.flags.some_flag=1": [(1,)],
    "kernels.volume=1": [("1",)],
    "port=NaN,1e999": [("NaN",), ("1e999",)],
}


@pytest.mark.parametrize(("setting", "expected"), FORMS.items(), ids=FORMS)
def test_values_are_words_or_json(setting: str, expected: list[tuple[Any, ...]]) -> None:
    """A word is what it spells, but for a field that holds words; JSON says more."""
    stack = one(environment={"LEVEL": "1"}, kernels=KernelCache("kernels"))
    assert values(tried(stack, setting))[1:] == expected


def test_what_can_t_be_is_a_row_that_says_why() -> None:
    """The components' own validators speak, of one field and of several."""
    found = tried(one(), "min_containers=0,3,-1,many", "max_containers=2")
    problems = [each.problems for each in found.variants]
    assert problems[:2] == [(), ()]
    assert "chat.max_containers: 2 is less than min_containers, 3" in problems[2][0]
    assert "chat.min_containers: -1 is too small" in problems[3][0]
    assert "chat.min_containers: 'many' is a str" in problems[4][0]
    assert found.variants[3].price is None


@given(st.text(max_size=8), st.text(max_size=8))
def test_no_value_is_a_crash(first: str, second: str) -> None:
    """Whatever is tried is a row, or a mistake in the command line that is told."""
    for field in ("gpu", "routing.region", "engine.flag", "environment.A", "port", "model"):
        try:
            found = tried(one(), f"{field}={first},{second}")
        except UsageError:
            continue
        assert what_if_text(found)
        assert json.dumps(what_if_json(found, "dev"))


MISTAKES = {
    "gpus=1": "gpus: InferenceService has no gpus; name, model, gpu, image, ",
    "routing.regions=us": "RoutingPolicy has no regions; front_door, region, ",
    "speculative.num_steps=3": "speculative.num_steps: speculative is not set; ",
    "port.number=1": "int has no number; no field is allowed; take it out",
    "gpu": "--what-if gpu: names no values; FIELD=VALUE,VALUE is allowed; ",
    "gpu=": "names no values",
    '="x"': "names no values",
    'gpu=["H100"': "is no JSON",
    "name=other": "--what-if name: makes another service of it",
    "None.gpu=H200": "--what-if None.gpu: None is neither a service nor a field of one; one of "
    "chat is allowed before a field; write chat.gpu",
    "min_containers=" + ",".join(map(str, range(MOST + 1))): f"{MOST} are allowed",
}


@pytest.mark.parametrize(("setting", "said"), MISTAKES.items(), ids=range(len(MISTAKES)))
def test_what_is_asked_for_wrongly(setting: str, said: str) -> None:
    """What there is instead is listed."""
    assert said in wrong(one(), setting)


def test_a_field_given_twice() -> None:
    """Neither of the two is silently left out."""
    assert "--what-if port: is given 2 times; " in wrong(one(), "port=1", "port=2")


def test_a_field_of_what_another_setting_takes_away() -> None:
    """Only the combinations in which the field is there can be."""
    speculative = SpeculativeDecoding.ngram(num_draft_tokens=4)
    stack = one(speculative=speculative)
    found = tried(stack, "speculative=null", "speculative.num_draft_tokens=2,3")
    assert [bool(each.problems) for each in found.variants] == [False, True, True]
    assert "speculative is not set" in found.variants[1].problems[0]


def test_one_of_several_services() -> None:
    """Its name stands before the field, or is given for all of them."""
    stack = worlds.stack(
        alpha=[worlds.service("chat"), worlds.service("chat.small")], beta=[worlds.service("echo")]
    )
    assert tried(stack, "echo.gpu=L4").service == "echo"
    assert tried(stack, "chat.small.gpu=L4").service == "chat.small"
    assert tried(stack, "gpu=L4", "port=9000", service="chat").service == "chat"
    assert "no service is named; one of chat, chat.small, echo is allowed" in wrong(stack, "gpu=L4")
    assert "chat, echo are meant" in wrong(stack, "chat.gpu=L4", "echo.gpu=L4")
    assert "one of chat, chat.small, echo is allowed before a field; write echo.gpu" in wrong(
        stack, "ecco.gpu=L4"
    )
    assert "nobody is meant" in wrong(stack, "gpu=L4", service="nobody")


def test_what_another_service_is_found_for_is_not_told() -> None:
    """The findings are those of the service that varies."""
    bad = worlds.service("chat-bad", gpu="L4:2", model="nvidia/Llama-3.1-405B-Instruct-FP4")
    stack = worlds.stack(worlds.service("chat"), bad)
    found = tried(stack, "chat.gpu=H200:2")
    assert all(
        f"{each.where}.".startswith("chat.") for one in found.variants for each in one.findings
    )


class Plain:
    """A component that can tell nothing beside what it consists of."""

    def __init__(self, inner: InferenceService) -> None:
        self.inner = inner
        self.name = inner.name

    def resources(self) -> Any:
        """What the inner one consists of."""
        return self.inner.resources()


def test_a_component_of_somebody_s_own() -> None:
    """One without attrs fields has none to vary; that is said."""
    stack = Stack("dev", apps=[App("one", [Plain(worlds.service())])])
    assert "Plain has no gpu; no field is allowed" in wrong(stack, "gpu=L4")


def test_the_table() -> None:
    """A row per variant, with why one can't be below; its JSON says the same in full."""
    found = tried(one(min_containers=0), "gpu=H200:2,B300:2", "min_containers=1,-1")
    text = what_if_text(found)
    title, rows, notes, *_ = text.split("\n\n")
    assert title == "What if: service.chat (USD, list prices of 2026-05-07)"
    lines = rows.splitlines()
    assert " ".join(lines[0].split()) == (
        "gpu min_containers FREE GB/GPU REPLICA/H FLOOR/MONTH LOAD START FINDINGS"
    )
    assert lines[1].split()[:3] == ["now", "H100:2", "0"]
    assert " 15.90 11,609 " in " ".join(lines[2].split())
    assert "can't be: see below" in lines[3]
    assert "price not known  price not known" in lines[4]
    assert notes.startswith("2, 4: chat.min_containers: -1 is too small; ")
    data = what_if_json(found, "dev")
    assert [each["is_current"] for each in data["variants"]] == [True, *[False] * 4]
    assert data["variants"][1]["values"] == {"gpu": ["H200:2"], "min_containers": 1}
    assert data["variants"][1]["price"]["floor"]["per_month"] == [11608.51, 11608.51]
    assert data["variants"][2]["problems"] == list(found.variants[2].problems)


def finding(code: str, severity: Severity = "warning", what: str = "so") -> Finding:
    """A finding of a service."""
    return Finding(
        code=code,
        severity=severity,
        where="chat.gpu",
        what=what,
        why="",
        fix=f"mend {code}",
        source="here",
    )


def compared(*findings: Sequence[Finding]) -> WhatIf:
    """Variants of which each has these findings, the service as it is first."""
    found = tried(one(), f"port={','.join(str(9000 + each) for each in range(1, len(findings)))}")
    variants = zip(found.variants, findings, strict=True)
    return attrs.evolve(
        found,
        variants=tuple(attrs.evolve(each, findings=tuple(held)) for each, held in variants),
    )


def test_only_what_differs_from_now_is_told() -> None:
    """What comes and goes stands in the row, and each new error or warning once below as it is."""
    kept, gone, info = finding("INF001"), finding("INF002"), finding("INF003", "info")
    new, worse = finding("INF004", what="3 GB lack"), finding("INF001", "error")
    other = finding("INF004", what="5 GB lack")
    text = what_if_text(compared([kept, gone], [kept, gone], [kept, new], [worse, info, other]))
    _, rows, *blocks = text.split("\n\n")
    assert [line.rpartition("  ")[2].strip() for line in rows.splitlines()[1:]] == [
        "2 warnings (INF001, INF002)",
        "as now",
        "+1 warning (INF004), -1 warning (INF002)",
        "+1 error (INF001), +1 warning (INF004), +1 info (INF003), -2 warnings (INF001, INF002)",
    ]
    assert blocks == [
        "New in 3:\n  error INF001 chat.gpu: so\n      mend INF001\n"
        "  warning INF004 chat.gpu: 5 GB lack\n      mend INF004",
        "New in 2:\n  warning INF004 chat.gpu: 3 GB lack\n      mend INF004",
    ]


def test_two_findings_of_a_kind_are_two() -> None:
    """Neither hides the other; one with other figures than now is told as such."""
    first, second = finding("INF004", what="3 GB lack"), finding("INF004", what="5 GB lack")
    both = what_if_text(compared([], [first, second], [second, first])).split("\n\n")
    assert [line.rpartition("  ")[2] for line in both[1].splitlines()[2:]] == [
        "+2 warnings (INF004)"
    ] * 2
    assert both[2:] == [
        "New in 1, 2:\n  warning INF004 chat.gpu: 3 GB lack\n      mend INF004\n"
        "  warning INF004 chat.gpu: 5 GB lack\n      mend INF004"
    ]
    rows, new = what_if_text(compared([first], [second])).split("\n\n")[1:]
    assert rows.endswith("  ~1 warning (INF004)")
    assert "5 GB lack" in new


def test_each_gpu_is_told_for_what_it_lacks() -> None:
    """A finding speaks of the variant that it stands under."""
    found = tried(one(model="nvidia/Qwen3-32B-FP4"), "gpu=H200:1,L4:1")
    text = what_if_text(found)
    for index, gpu in enumerate(("H200", "L4"), start=1):
        [lacks] = [each for each in found.variants[index].findings if each.code == "INF062"]
        [block] = [each for each in text.split("\n\n") if each.startswith(f"New in {index}:")]
        assert f"  error INF062 chat.gpu: {lacks.what}\n" in block
        assert f", and {gpu} has " in block


def test_what_is_accepted_and_gets_worse_is_told() -> None:
    """The reason was given for the service as it is; beside it stands what it covers by now."""
    engine = SGLang(mem_fraction_static=0.8)
    stack = Stack(
        "dev",
        apps=[App("one", [worlds.service(engine=engine)])],
        accept={"INF070": "measured at 0.8"},
    )
    found = tried(stack, "engine.mem_fraction_static=0.98")
    _, rows, *blocks = what_if_text(found).split("\n\n")
    assert "+1 accepted (INF070)" in rows.splitlines()[2]
    [block] = [each for each in blocks if "INF070" in each]
    assert block.startswith("New in 1:\n")
    assert block.endswith("\n      accepted: measured at 0.8")
    assert "; accepted: measured at 0.8" in what_if_markdown(found)
    now, worse = what_if_json(found, "dev")["variants"]
    assert "INF070" not in {each["code"] for each in now["accepted"]}
    [held] = [each for each in worse["accepted"] if each["code"] == "INF070"]
    assert held["reason"] == "measured at 0.8"


def test_a_value_given_twice_is_one_row() -> None:
    """However it is spelled; True is another value than 1."""
    assert len(tried(one(), 'gpu="H100:2",["H100:2"],"L4:2"').variants) == 3
    assert len(tried(one(), "engine.flag=1,true,1").variants) == 3


def test_all_of_a_start_is_told() -> None:
    """Loading, what each container compiles and the rest; or that it is not known."""
    compiled = Kernels(
        name="DeepGEMM",
        state="compiled in every container",
        seconds=(600, 1200),
        depends_on=(),
        source="seen",
    )
    kept = attrs.evolve(compiled, state="kept in a Volume")
    start = ColdStart(
        load_bytes=1, load_seconds=(30, 60), kernels=(compiled, kept), other_seconds=60
    )
    found = compared([], [])
    for held, said in ((start, "12 to 22 min"), (attrs.evolve(start, other_seconds=None), "")):
        estimate = Estimate(service="service.chat", memory=None, start=held)
        variant = attrs.evolve(found.variants[1], estimate=estimate)
        told = what_if_text(attrs.evolve(found, variants=(found.variants[0], variant)))
        assert f" 30 to 60 s {said or 'not known'} as now" in " ".join(told.split())


def test_a_pull_request_has_the_same() -> None:
    """A table with what is new and what can't be below it, in which no text can break it."""
    found = compared([], [finding("INF004", what="a | b <b>`c`")], [])
    worse = attrs.evolve(found.variants[2], price=None, problems=("port: 1 | 2",))
    text = what_if_markdown(attrs.evolve(found, variants=(*found.variants[:2], worse)))
    title, table, problems, new = text.split("\n\n")
    assert title == "### infra plan: `What if: service.chat (USD, list prices of 2026-05-07)`"
    assert {line.count("|") for line in table.splitlines()} == {9}
    assert table.splitlines()[0].startswith("|  | `port` | FREE GB/GPU | ")
    assert "| +1 warning (INF004) |" in table.splitlines()[3]
    assert problems == "- 2: `port: 1 | 2`"
    assert new == "- new in 1: **warning** `` INF004 chat.gpu: a | b <b>`c`; mend INF004 ``"


def test_a_narrow_terminal_has_a_line_per_figure() -> None:
    """Columns that don't fit stand below each other, and texts are wrapped."""
    found = compared([finding("INF001")], [finding("INF004", what="word " * 30)])
    wide, narrow = (what_if_text(found, Style(width=width)) for width in (120, 60))
    assert wide.splitlines()[2].split()[:2] == ["port", "FREE"]
    lines = narrow.splitlines()
    assert lines[2:5] == ["now", "  port         8000", "  FREE GB/GPU  33.5"]
    assert max(map(len, lines[2:])) <= 60
    assert max(map(len, wide.splitlines())) <= 120
