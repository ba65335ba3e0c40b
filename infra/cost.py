"""A plan and what is deployed in, what that costs before and after out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from infra.comparison import configurations, services, with_strangers
from infra.configuration import recorded
from infra.facts.data import read
from infra.facts.gpus import hours_per_month, region_multiplier
from infra.live import Live
from infra.plan import AppPlan, Plan
from infra.rates import Rates, list_rates

MIB_PER_GIB = 1024


@attrs.frozen
class Range:
    """
    USD per hour; two figures where Modal may give one of several GPUs.

    Attributes:
        low: With the cheapest of them.
        high: With the dearest.
    """

    low: float
    high: float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "Range":
        """So many of it."""
        return Range(self.low * factor, self.high * factor)

    def per_month(self) -> "Range":
        """USD per month, of 730 hours."""
        return self.times(hours_per_month())


NOTHING = Range(0, 0)


@attrs.frozen(kw_only=True)
class Price:
    """
    What a service costs at one moment.

    Attributes:
        replica: USD per hour of one container; None: not known. CPU and memory as reserved;
            Modal bills what is used where that is more.
        unknown: The GPUs whose price is not known.
        least: Containers at all times.
        most: Containers at the most; None: there is no limit.
    """

    replica: Range | None
    unknown: tuple[str, ...] = ()
    least: int
    most: int | None

    @property
    def floor(self) -> Range | None:
        """USD per hour with the least containers; None: not known."""
        return self._of(self.least)

    @property
    def ceiling(self) -> Range | None:
        """USD per hour with the most containers; None: not known, or there is no limit."""
        return None if self.most is None else self._of(self.most)

    def _of(self, containers: int) -> Range | None:
        if containers == 0:
            return NOTHING
        return None if self.replica is None else self.replica.times(containers)


@attrs.frozen(kw_only=True)
class ServiceCost:
    """
    What a service costs.

    Attributes:
        address: Such as ``service.qwen3-8b``.
        before: As it is deployed, changes of its autoscaler included; None: it is not.
        after: Once the plan is carried out; None: it is gone.
    """

    address: str
    before: Price | None
    after: Price | None


@attrs.frozen(kw_only=True)
class Cost:
    """
    What a plan's services cost.

    Attributes:
        rates: What that was reckoned with.
        services: Those that are there before or after, by App and name.
    """

    rates: Rates
    services: tuple[ServiceCost, ...]

    @property
    def floor_before(self) -> Range | None:
        """USD per hour of what always runs; None: not known."""
        return _total(each.before for each in self.services)

    @property
    def floor_after(self) -> Range | None:
        """The same once the plan is carried out."""
        return _total(each.after for each in self.services)

    @property
    def raises(self) -> bool:
        """Whether what always runs comes to cost more, or that can't be ruled out."""
        changed = [
            each
            for each in self.services
            if each.before != each.after
            and (_floor(each.after) is None or _floor(each.after) != _floor(each.before))
        ]
        before = _total(each.before for each in changed) or NOTHING
        after = _total(each.after for each in changed)
        return bool(changed) and (after is None or after.high > before.high)


def cost(plan: Plan, live: Live) -> Cost:
    """
    What the plan's services cost before and after.

    Args:
        plan: What would be done; an App that it leaves alone costs what it costs now.
        live: What is deployed, with the rates; list prices where it has none.
    """
    rates = live.rates or list_rates()
    found = [each for app in plan.apps for each in _app(app, live, rates)]
    return Cost(rates=rates, services=tuple(found))


def price(configuration: Mapping[str, Any], rates: Rates) -> Price:
    """
    What a service costs.

    Args:
        configuration: Its fields by path, as `infra.configuration.recorded` has them.
        rates: USD per hour.
    """
    reserved = read("prices")["reserved"]
    cores = max(configuration.get("cpu") or 0, reserved["cores"])
    memory_mib = max(configuration.get("memory") or 0, reserved["memory_mib"])
    base = cores * rates.core + memory_mib / MIB_PER_GIB * rates.memory_gib
    factor = region_multiplier(tuple(configuration.get("routing.region", ())))
    requests = [each.partition(":") for each in configuration.get("gpu", ())]
    prices = {name: rates.gpu(name) for name, _, _ in requests}
    choices = [
        base + int(count or 1) * known
        for name, _, count in requests
        if (known := prices[name]) is not None
    ]
    unknown = tuple(name for name, known in prices.items() if known is None)
    every = choices if requests else [base]
    return Price(
        replica=None if unknown else Range(min(every), max(every)).times(factor),
        unknown=unknown,
        least=configuration.get("autoscaler.min_containers", 0),
        most=configuration.get("autoscaler.max_containers"),
    )


def together(costs: Sequence[Cost]) -> Cost:
    """What one plan or more cost, as of one stack."""
    services = tuple(service for each in costs for service in each.services)
    return Cost(rates=costs[0].rates, services=services)


def limited(
    plans: Sequence[tuple[Plan, Live]], limit: float | None
) -> tuple[tuple[Plan, ...], str]:
    """
    Plans that would raise the floor above a limit get an obstacle; others, at the most a note.

    A plan that leaves the floor as it is, or lowers it, is the way out of what is above the limit.

    Args:
        plans: One or more, each with what is deployed; the sum of their floors counts.
        limit: USD per month; None: there is none.

    Returns:
        The plans, and the note, or an empty one.
    """
    made = tuple(plan for plan, _ in plans)
    if limit is None or all(plan.is_empty() for plan in made):
        return made, ""
    costs = [cost(plan, live) for plan, live in plans]
    found = together(costs)
    over = _over(found, [plan.stack for plan in made], limit)
    if not over or not found.raises:
        note = f"Note: {over}; this does not raise it, so it is not stopped" if over else ""
        return made, note
    advice = (
        "ask for other GPUs, set min_containers=0, or leave the limit out"
        if found.floor_after is None
        else "lower min_containers, take smaller GPUs, or raise the limit"
    )
    stopped = (
        attrs.evolve(plan, obstacles=(*plan.obstacles, f"{over}; {advice}"))
        if paid.raises
        else plan
        for plan, paid in zip(made, costs, strict=True)
    )
    return tuple(stopped), ""


def _over(found: Cost, stacks: Sequence[str], limit: float) -> str:
    """What is so and what is allowed, where the floor is above the limit or not known."""
    floor = found.floor_after
    where, whose = f"stack.{stacks[0]}", "the monthly floor"
    if len(stacks) > 1:
        where, whose = f"stacks {', '.join(stacks)}", "their monthly floor together"
    allowed = f"--max-monthly-floor allows {limit:,.2f}".removesuffix(".00")
    if floor is None:
        unknown = [
            f"{each.address} ({', '.join(each.after.unknown)})"
            for each in found.services
            if each.after and each.after.floor is None
        ]
        return (
            f"{where}: {whose} after this apply is not known, since no price is known of "
            f"{', '.join(unknown)}; {allowed} USD"
        )
    month = round(floor.per_month().high)  # as the plan shows it
    return f"{where}: {month:,} USD is {whose} after this apply; {allowed}" if month > limit else ""


def _app(app: AppPlan, live: Live, rates: Rates) -> Iterator[ServiceCost]:
    deployment = live.deployments.get(app.app)
    wanted = app.artifact.manifest if app.artifact else None
    before: dict[str, dict[str, Any]] = {}
    if deployment is not None:
        before = configurations(with_strangers(deployment, wanted), deployment)
    after = before
    if app.changes:
        after = {address: recorded(each) for address, each in services(wanted)} if wanted else {}
    for address in sorted({*before, *after}):
        yield ServiceCost(
            address=address,
            before=price(before[address], rates) if address in before else None,
            after=price(after[address], rates) if address in after else None,
        )


def _floor(price: Price | None) -> Range | None:
    return price.floor if price else NOTHING


def _total(prices: Iterable[Price | None]) -> Range | None:
    total = NOTHING
    for each in prices:
        floor = _floor(each)
        if floor is None:
            return None
        total += floor
    return total
