"""Other values of a service's fields: what each would cost, need and break."""

import json
from typing import Any

import attrs
import pytest
import worlds
from hypothesis import given
from hypothesis import strategies as st

from components import InferenceService, KernelCache, SGLang, SpeculativeDecoding
from infra import App, Stack
from infra.display_what_if import what_if_json, what_if_text
from infra.errors import UsageError
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
    assert values(found) == [(("H100:2",),), ("H200:2",), ("B300:2",)]
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
    "gpu=H100:2": [("H100:2",)],
    'gpu=["H100:2","H200:2"],"B200:2"': [(["H100:2", "H200:2"],), ("B200:2",)],
    "min_containers=1,2": [(1,), (2,)],
    "speculative=null": [(None,)],
    "weights=None": [(None,)],
    "routing.unauthenticated=true,False": [(True,), (False,)],
    "model=Qwen/Qwen3-32B-FP8": [("Qwen/Qwen3-32B-FP8",)],
    "model.name=Qwen/Qwen3-32B-FP8": [("Qwen/Qwen3-32B-FP8",)],
    "model.revision=123": [(123,)],
    "environment.LEVEL=2": [("2",)],
    "environment.OTHER=x": [("x",)],
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
    "None.gpu=H200": "InferenceService has no None; ",
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
    title, rows, notes = text.split("\n\n")
    assert title == "What if: service.chat (USD, list prices of 2026-05-07)"
    lines = rows.splitlines()
    assert " ".join(lines[0].split()) == (
        "gpu min_containers FREE GB/GPU REPLICA USD/H FLOOR USD/MONTH LOAD FINDINGS"
    )
    assert lines[1].split()[:3] == ["now", "H100:2", "0"]
    assert "15.90            11,609" in lines[2]
    assert "can't be: see below" in lines[3]
    assert "price not known  price not known" in lines[4]
    assert notes.startswith("2, 4: chat.min_containers: -1 is too small; ")
    data = what_if_json(found, "dev")
    assert [each["is_current"] for each in data["variants"]] == [True, *[False] * 4]
    assert data["variants"][1]["values"] == {"gpu": "H200:2", "min_containers": 1}
    assert data["variants"][1]["price"]["floor"]["per_month"] == [11608.51, 11608.51]
    assert data["variants"][2]["problems"] == list(found.variants[2].problems)
