"""What a plan costs before and after: by hand, for whatever can be planned, and as it is told."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modal_proto import api_pb2
from records import BASE, record, records
from test_show_json import planned

from infra.compile import Artifact
from infra.cost import Cost, Price, Range, cost, limited, price
from infra.display import list_text, plan_text, plans_table
from infra.facts.gpus import compute_regions, gpu_names
from infra.live import Live
from infra.local import ControlPlane
from infra.local.calls import READS
from infra.manifest import Manifest
from infra.plan import Plan, make_plan
from infra.rates import list_rates, workspace_rates
from infra.resources import Autoscaler, Image, Service
from infra.target import Target

RATES = list_rates()
NOTHING = golden.NOTHING
UNPRICED = ["B300", "RTX-PRO-6000"]
# One container of a service as worlds and seeds have it: 0.125 cores and 128 MiB beside its GPUs.
RESERVED = 0.125 * 0.04716 + 0.125 * 0.007992


def service(*gpu: str, least: int = 0, most: int | None = None, region: str = "") -> Service:
    """A service that asks for these GPUs."""
    return attrs.evolve(
        BASE,
        gpu=gpu,
        autoscaler=Autoscaler(min_containers=least, max_containers=most),
        routing=attrs.evolve(BASE.routing, region=(region,) if region else ()),
    )


def app(name: str = "one", **services: Service) -> Manifest:
    """The record of an App with these services."""
    image = Image(name="", steps=())
    return record(name, {key: (each, image) for key, each in services.items()}, "x" * 64)


def planned_for(*wanted: Manifest, live: Live = NOTHING, **options: Any) -> Plan:
    """The plan of a stack with these Apps."""
    artifacts = [Artifact(each, "# the module") for each in wanted]
    return make_plan(stack="dev", stack_file="dev.py", artifacts=artifacts, live=live, **options)


def dollars(found: Range | None) -> tuple[float, float]:
    """Both figures, to the cent."""
    assert found is not None
    return round(found.low, 2), round(found.high, 2)


CONFIGURATIONS = st.fixed_dictionaries(
    {
        "gpu": st.lists(
            st.builds("{}:{}".format, st.sampled_from(gpu_names()), st.integers(1, 8)), max_size=3
        ),
        "routing.region": st.lists(st.sampled_from([*compute_regions()]), max_size=2),
    },
    optional={
        "cpu": st.floats(0.125, 64),
        "memory": st.integers(128, 1 << 20),
        "autoscaler.min_containers": st.integers(0, 20),
        "autoscaler.max_containers": st.integers(20, 100),
    },
)


@given(CONFIGURATIONS, st.integers(0, 50), st.integers(0, 50))
def test_the_floor_is_linear_in_its_containers(
    configuration: Mapping[str, Any], one: int, two: int
) -> None:
    """So many containers cost so many times one, at any price."""

    def floor(count: int) -> Range | None:
        return price({**configuration, "autoscaler.min_containers": count}, RATES).floor

    first, second, both = floor(one), floor(two), floor(one + two)
    if first and second and both:
        assert (both.low, both.high) == pytest.approx(
            (first.low + second.low, first.high + second.high)
        )
    else:
        assert both is None


@given(CONFIGURATIONS)
def test_a_floor_is_never_above_its_ceiling(configuration: Mapping[str, Any]) -> None:
    """The least containers cost no more than the most, and the cheapest GPU than the dearest."""
    found = price(configuration, RATES)
    for each in (found.floor, found.replica, found.ceiling):
        assert each is None or 0 <= each.low <= each.high
    if found.floor and found.ceiling:
        assert found.floor.low <= found.ceiling.low
        assert found.floor.high <= found.ceiling.high
    if found.replica and len(configuration["gpu"]) < 2:
        assert found.replica.low == found.replica.high


@given(CONFIGURATIONS)
def test_a_price_that_is_not_known_is_never_zero(configuration: Mapping[str, Any]) -> None:
    """One GPU without a price among those that Modal may give makes the whole sum unknown."""
    found = price(configuration, RATES)
    asked = {each.partition(":")[0].rstrip("!+") for each in configuration["gpu"]}
    assert (found.replica is None) == bool(asked & {*UNPRICED}) == bool(found.unknown)
    assert found.replica is None or found.replica.low >= RESERVED
    if found.replica is None:
        assert (found.floor is None) == (found.least > 0)


@given(planned())
def test_what_is_left_alone_costs_what_it_costs(given: tuple[Plan, Live]) -> None:
    """Where a plan changes nothing, nothing costs more or less."""
    plan, live = given
    for each in cost(
        attrs.evolve(plan, apps=tuple(attrs.evolve(app, changes=()) for app in plan.apps)), live
    ).services:
        assert each.before == each.after
    if plan.is_empty():
        assert cost(plan, live).floor_before == cost(plan, live).floor_after


def prices(found: Cost, side: str) -> dict[str, Price]:
    """What the services cost that are there then."""
    held = {each.address: getattr(each, side) for each in found.services}
    return {address: each for address, each in held.items() if each}


@given(records(), records())
def test_what_is_said_of_afterwards_is_so_afterwards(before: Manifest, after: Manifest) -> None:
    """Once a plan is carried out, what is deployed costs what the plan said."""
    live, done = golden.deployed(before), golden.deployed(after)
    told = cost(planned_for(after, live=live), live)
    found = cost(planned_for(after, live=done), done)
    assert prices(told, "after") == prices(found, "before") == prices(found, "after")


REPLICAS = {
    # two H100s in us-east, and four B200s somewhere in the US
    (service("H100!:2", region="us-east"), 13.84, 13.84),
    (service("B200:4", region="us"), 37.51, 37.51),
    (service("H200", "B200"), 4.55, 6.26),
    (service("A100"), 2.11, 2.11),
    (service("B200+"), 6.26, 6.26),
    (attrs.evolve(service("L4"), cpu=8.0, memory=65536), 1.69, 1.69),
}


@pytest.mark.parametrize(("one", "low", "high"), REPLICAS, ids=lambda each: str(each)[:0])
def test_one_replica(one: Service, low: float, high: float) -> None:
    """GPUs, cores and memory by the list, times the region's multiplier, as reckoned by hand."""
    plan = planned_for(app(chat=one))
    [found] = cost(plan, NOTHING).services
    assert found.before is None
    assert found.after is not None
    assert dollars(found.after.replica) == (low, high)


def test_what_is_deployed_costs_what_its_autoscaler_does_now() -> None:
    """Before are the containers that somebody has set, not those that were recorded."""
    manifest = app(chat=service("L4", least=1))
    live = golden.deployed(manifest)
    [endpoint] = live.deployments["one"].endpoints
    scaled = attrs.evolve(
        endpoint, configuration={**endpoint.configuration, "autoscaler.min_containers": 3}
    )
    deployment = attrs.evolve(live.deployments["one"], endpoints=(scaled,))
    live = attrs.evolve(live, deployments={"one": deployment})
    plan = planned_for(manifest, live=live)
    found = cost(plan, live)
    assert dollars(found.floor_before) == (2.42, 2.42)
    assert dollars(found.floor_after) == (0.81, 0.81)
    kept = cost(planned_for(manifest, live=live, leave=["one"]), live)
    assert kept.floor_after == found.floor_before


def test_what_others_deployed_and_what_is_destroyed() -> None:
    """Services that go cost nothing afterwards, whoever has deployed them."""
    live = golden.deployed(app(chat=service("L4", least=1), draft=service("T4", least=1)))
    found = cost(planned_for(live=live, destroy=True), live)
    assert dollars(found.floor_before) == (1.40, 1.40)
    assert found.floor_after == Range(0, 0)
    alone = attrs.evolve(live.deployments["one"], manifest=None, stack=None)
    foreign = attrs.evolve(live, deployments={"one": alone})
    taken = cost(planned_for(app(chat=service("L4", least=2)), live=foreign, adopt=True), foreign)
    assert dollars(taken.floor_before) == (1.40, 1.40)
    assert dollars(taken.floor_after) == (1.61, 1.61)


def test_a_table_of_what_changes() -> None:
    """What changes has a row, the rest is counted, and the sum is of all."""
    live = golden.deployed(
        app(
            chat=service("H100:2", least=1, most=4, region="us-east"),
            gone=service("T4", least=1),
            same=service("L4", least=1),
        )
    )
    wanted = app(
        chat=service("H100:2", least=2, most=4, region="us-east"),
        new=service("B300:8", most=2),
        same=service("L4", least=1),
    )
    plan = planned_for(wanted, live=live)
    assert plan_text(plan, live, 0).split("\n\n")[-2].splitlines() == [
        "Cost in USD per hour (per month), list prices of 2026-05-07",
        "                            floor                              "
        "one replica              ceiling",
        "  service.chat              13.84 -> 27.67 (10,101 -> 20,202)  "
        "13.84 (10,101)           55.35 (40,404)",
        "  service.gone              0.60 -> 0 (436 -> 0)               "
        "0.60 (436)               no ceiling",
        "  service.new               0                                  "
        "price not known of B300  price not known",
        "  total (and 1 that stays)  15.24 -> 28.48 (11,126 -> 20,791)",
    ]
    line = (
        "Floor in USD per hour (per month): 15.24 -> 28.48 (11,126 -> 20,791), "
        "list prices of 2026-05-07"
    )
    assert line in list_text(plan, live, 0).splitlines()


def test_a_plan_that_changes_no_cost_tells_the_floor_in_a_line() -> None:
    """An unchanged stack says what it costs, an empty one says nothing."""
    manifest = app(chat=service("H200", "B200", least=1))
    live = golden.deployed(manifest)
    text = plan_text(planned_for(manifest, live=live), live, 0)
    assert text.splitlines()[-3] == (
        "Floor in USD per hour (per month): 4.55 to 6.26 (3,319 to 4,568), "
        "list prices of 2026-05-07"
    )
    assert "USD" not in plan_text(planned_for(app()), NOTHING, 0)
    unknown = planned_for(app(chat=service("B300", least=1)), live=live)
    assert "4.55 to 6.26 -> price not known (3,319 to 4,568)" in plan_text(unknown, live, 0)


LIMITS = [
    (service("H100!:2", least=1, region="us-east"), 10_100.0, "10,101 USD is the monthly floor"),
    (service("H100!:2", least=1, region="us-east"), 10_101.0, None),
    (service("H200", "B200", least=1), 4_000.0, "4,568 USD is the monthly floor"),
    (service("H100:8"), 0.0, None),
    (service("B300"), 0.0, None),
    (service("B300", least=1), 1e9, "is not known, since no price is known of service.chat (B300)"),
]


@pytest.mark.parametrize(("one", "limit", "said"), LIMITS)
def test_a_floor_above_the_limit_is_an_obstacle(
    one: Service, limit: float, said: str | None
) -> None:
    """The dearest that it may become counts, and what is not known is not allowed either."""
    (plan,), note = limited([(planned_for(app(chat=one)), NOTHING)], limit)
    assert note == ""
    assert bool(plan.obstacles) == (said is not None)
    for obstacle in plan.obstacles:
        assert obstacle.startswith("stack.dev: ")
        assert str(said) in obstacle
        assert f"--max-monthly-floor allows {limit:,.0f}" in obstacle


def test_what_changes_nothing_needs_no_leave() -> None:
    """There is nothing to stop in an empty plan, whatever is deployed costs."""
    manifest = app(chat=service("B300:8", least=1))
    live = golden.deployed(manifest)
    for plan, limit in ((planned_for(manifest, live=live), 0.0), (planned_for(manifest), None)):
        assert limited([(plan, live)], limit) == ((plan,), "")


def changed(*, now: Service, then: Service, limit: float) -> tuple[tuple[str, ...], str]:
    """What stands in the way of a change, and the note on it."""
    live = golden.deployed(app(chat=now))
    (plan,), note = limited([(planned_for(app(chat=then), live=live), live)], limit)
    return plan.obstacles, note


WAYS_OUT = [
    (service("H100:8", least=2), service("H100:8", least=1), "23,073 USD"),
    (service("H100:8", least=1), attrs.evolve(service("H100:8", least=1), port=9000), "23,073 USD"),
    (service("B300", least=1), attrs.evolve(service("B300", least=1), port=9000), "not known"),
    (service("B300", least=2), service("H100:8"), ""),
]


@pytest.mark.parametrize(("now", "then", "said"), WAYS_OUT)
def test_a_floor_that_does_not_rise_is_not_stopped(now: Service, then: Service, said: str) -> None:
    """Whoever is above the limit can come down, or change what costs nothing; a note tells it."""
    obstacles, note = changed(now=now, then=then, limit=5_000)
    assert obstacles == ()
    assert bool(note) == bool(said)
    assert said in note
    assert not note or "this does not raise it, so it is not stopped" in note


def test_a_floor_that_may_rise_is_stopped() -> None:
    """More of what has no price, or a price in the place of none, may be more."""
    for then in (service("B300", least=3), service("H100:8", least=1)):
        obstacles, note = changed(now=service("B300", least=2), then=then, limit=5_000)
        assert len(obstacles) == 1
        assert note == ""


def test_of_several_stacks_the_sum_counts() -> None:
    """Each that raises it is stopped; one that stays as it is counts, but is not."""
    same, one, two = (app(name, chat=service("H100:8", least=1)) for name in ("a", "b", "c"))
    live = golden.deployed(same)
    pairs = [
        (planned_for(same, live=live), live),
        *((planned_for(each), NOTHING) for each in (one, two)),
    ]
    assert not any(plan.obstacles for plan in limited(pairs, 69_219)[0])
    kept, *stopped = limited(pairs, 69_218)[0]
    assert kept.obstacles == ()
    for plan in stopped:
        assert plan.obstacles == (
            "stacks dev, dev, dev: 69,219 USD is their monthly floor together after this apply; "
            "--max-monthly-floor allows 69,218; lower min_containers, take smaller GPUs, or raise "
            "the limit",
        )
    *table, total = plans_table(pairs, ["gone.py"]).splitlines()
    assert total.split() == ["total", "23,073", "->", "69,219"]
    assert [line.split()[5:] for line in table] == [
        ["FLOOR", "USD/MONTH", "RESULT"],
        ["23,073", "no", "changes"],
        *[["0", "->", "23,073", "new"]] * 2,
        ["-", "error"],
    ]


ANSWERS = [
    {"H100": "3", "CPU": "0.05", "MEMORY": "0.01"},
    {"gpu_h100": "3", "cpu": "0.05", "mem": "0.01", "storage": "oops"},
    {"NVIDIA H100": "3", "cpu core": "0.05", "Memory GiB": "0.01", "B9000": "7"},
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_a_workspace_s_rates(answer: Mapping[str, str]) -> None:
    """Names are known in several spellings, and what else there is does not matter."""
    known = {key: Decimal(rate) for key, rate in answer.items() if rate != "oops"}
    rates = workspace_rates(known)
    assert (rates.gpu("H100!"), rates.core, rates.memory_gib) == (3, 0.05, 0.01)
    assert rates.gpu("H200") is None
    assert rates.source == "the workspace's own rates"


WRONG = [
    {},
    {"H100": "3"},
    {"H100": "3", "CPU": "0.05"},
    {"CPU": "0.05", "MEMORY": "0.01", "HAL9000": "3"},
    *(
        {"H100": number, "CPU": "0.05", "MEMORY": "0.01"}
        for number in ("0", "-1", "NaN", "Infinity")
    ),
]


@pytest.mark.parametrize("answer", WRONG, ids=range(len(WRONG)))
def test_rates_that_can_t_be_are_refused(answer: Mapping[str, str]) -> None:
    """A price that is none, or names that nobody knows, are no reason to say that it is free."""
    with pytest.raises(ValueError, match=r" is |names"):
        workspace_rates({key: Decimal(rate) for key, rate in answer.items()})


def read(name: str, *, rates: bool) -> Live:
    """What a target of that name says."""
    return asyncio.run(Target(name=name, environment=None).read("dev", apps=[], rates=rates))


def test_rates_are_asked_of_a_workspace(control_plane: ControlPlane) -> None:
    """Through the SDK, in one call, when somebody wants them; the local plane has none."""
    assert read("modal", rates=False).rates is None
    assert read("local", rates=True).rates is None
    assert control_plane.calls["WorkspaceBillingRates"] == 0
    found = read("modal", rates=True).rates
    assert control_plane.calls["WorkspaceBillingRates"] == 1
    assert found is not None
    assert (found.gpu("H100!"), found.source) == (3.9492, "the workspace's own rates")


def test_a_workspace_that_does_not_tell(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may not ask, or gets no sense, plans with the list prices and is told why."""
    with monkeypatch.context() as patch:
        patch.delitem(READS, "WorkspaceBillingRates")
        found = read("modal", rates=True).rates
        assert found is not None
        assert found.gpus == RATES.gpus
        assert "WorkspaceBillingRates is not part" in found.source
    for nonsense in ("NaN", "much"):
        answer = api_pb2.WorkspaceBillingRatesResponse(rates={"H100": nonsense})
        monkeypatch.setitem(READS, "WorkspaceBillingRates", lambda *_, held=answer: held)
        found = read("modal", rates=True).rates
        assert found is not None
        assert found.gpus == RATES.gpus
        assert found.source.startswith("list prices of 2026-05-07; the workspace's own can't be")
