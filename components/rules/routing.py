"""Whether requests take a short way, and find a container that has room for them."""

from collections.abc import Iterator

from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
from infra.facts.gpus import compute_regions, region_multiplier
from infra.resources import Routing
from infra.rules import Fault, Rule, Subject, rule

REGIONS = "https://modal.com/docs/guide/region-selection"


@rule("INF080", severity="error", source=REGIONS)
def region_not_known(subject: Subject) -> Iterator[Fault]:
    """
    A compute region that Modal does not have.

    Modal's client passes the word on; no container is ever placed there.
    """
    for region in subject.service.routing.region:
        if region not in compute_regions():
            yield Fault(
                field="routing.region",
                what=f"{region!r} is no compute region of Modal's",
                fix=f"write one of {', '.join(compute_regions())}",
            )


@rule("INF081", severity="warning", source=REGIONS)
def proxies_far_away(subject: Subject) -> Iterator[Fault]:
    """
    Containers that may run far from the proxies in front of them.

    Each request and each streamed token crosses the distance: between us-east and us-west some
    60 ms for the first token.
    """
    routing = subject.service.routing
    known = compute_regions()
    if not routing.region:
        yield Fault(
            field="routing.region",
            what=f"is not given, so containers may run anywhere, and the proxies are in "
            f"{', '.join(routing.proxy_regions) or 'us-east'}",
            fix="write region=, near to your callers",
            severity=None if subject.is_strict else "info",
        )
    for region in routing.region:
        near = known.get(region, {}).get("routing", [])
        far = [each for each in near if each not in routing.proxy_regions]
        if far and (len(far) == len(near) or _is_wide(region)):
            proxies = ", ".join(routing.proxy_regions) or "us-east"
            yield Fault(
                field="routing.region",
                what=f"{region} containers may run near {' or '.join(far)}, and the proxies are "
                f"in {proxies}",
                fix=_nearer(routing),
            )


def _is_wide(region: str) -> bool:
    """Whether a region has others in it, and they are near to different proxies."""
    known = compute_regions()
    has_parts = any(each.startswith(f"{region}-") for each in known)
    return has_parts and len(known[region]["routing"]) > 1


def _nearer(routing: Routing) -> str:
    """What brings the proxies and the containers of all regions together."""
    near = {
        region: found["routing"]
        for region in routing.region
        if (found := compute_regions().get(region))
    }
    if routing.front_door != "server":  # which has as many proxies as it takes
        needed = [
            place
            for region, places in near.items()
            for place in (places if _is_wide(region) else places[:1])
        ]
        return f"write proxy_regions={sorted(set(needed))!r}"
    wide = [region for region in near if _is_wide(region)]
    shared = set.intersection(*map(set, near.values()))
    if shared and not wide:
        return "write " + " or ".join(f"proxy_regions={each!r}" for each in sorted(shared))
    if len(near) > 1:
        return (
            f"a server has one proxy region, which can't be near to {' and '.join(near)}: keep "
            "one of them, or make a service for each"
        )
    places = near[wide[0]]
    home = next((each for each in routing.proxy_regions if each in places), places[0])
    moved = "" if home in routing.proxy_regions else f" and proxy_regions={home!r}"
    now, then = region_multiplier(routing.region), region_multiplier((home,))
    dearer = f"; its price is {then:g} times the list's, not {now:g} times" if then > now else ""
    return f"write region={home!r}{moved}{dearer}"


@rule(
    "INF082",
    severity="warning",
    source="inferred: affinity serves the prefix cache",
    view=Engine.of,
)
def affinity_without_cache(engine: Engine) -> Iterator[Fault]:
    """
    Sessions that stay on one container, whose prefix cache is off.

    Affinity keeps a conversation where its prefix is in the KV cache; without that cache it only
    spreads the load less evenly.
    """
    if engine.service.routing.session_affinity and (off := engine.no_prefix_cache):
        instead = f"take {off} out" if off.startswith("-") else "write enable_prefix_caching=True"
        yield Fault(
            field="routing.session_affinity",
            what=f"sessions stay on a container, and {off} keeps nothing for them",
            fix=f"write session_affinity=False, or {instead}",
        )


@rule(
    "INF083",
    severity="warning",
    source="server_args.py of SGLang 0.5.6 to 0.5.23; get_batch_defaults of vLLM 0.11.2 and 0.33.0",
    view=Engine.of,
)
def hidden_queue(engine: Engine) -> Iterator[Fault]:
    """
    More requests per container than the engine runs at once.

    The rest waits inside the engine, where the autoscaler does not see it: latency grows while no
    container is added.
    """
    routing = engine.service.routing
    name = "target_inputs" if routing.target_inputs else "max_inputs"
    asked = routing.target_inputs or routing.max_inputs
    limit, why = engine.requests
    copies = engine.dp  # each runs so many
    if asked and limit and asked > limit * copies:
        keyword = engine.requests_flag.removeprefix("--").replace("-", "_")
        each = f" in each of {copies} copies" if copies > 1 else ""
        yield Fault(
            field=f"routing.{name}",
            what=f"{asked} requests per container, and the engine runs {limit} at once{each}{why}",
            fix=f"write {name}={limit * copies}, or {keyword}={-(-asked // copies)}",
        )


@rule("INF084", severity="warning", source="inferred: batches above it run without", view=Engine.of)
def batches_without_graphs(engine: Engine) -> Iterator[Fault]:
    """
    More requests per container than CUDA graphs are captured for.

    Larger batches are launched kernel by kernel, which is slow just when the load is high.
    """
    target, largest = engine.service.routing.target_inputs, engine.graphs
    if not target or not largest or largest >= target:
        return
    ranks = engine.dp  # each has its own batch
    if isinstance(engine, SGLangEngine):
        ranks *= engine.attention_copies
    if largest * ranks < target:
        among = f" among {ranks} ranks" if ranks > 1 else ""
        yield Fault(
            field="routing.target_inputs",
            what=f"{target} requests per container{among}, and CUDA graphs up to {largest}",
            fix=f"raise the graphs' batch to {-(-target // ranks)} or more, or leave it out",
        )


@rule("INF085", severity="warning", source="https://modal.com/docs/guide/servers")
def no_room_to_replace(subject: Subject) -> Iterator[Fault]:
    """
    At the most one container.

    A deployment starts the new one before the old one goes; with max_containers=1 it can't, and
    callers get 503 meanwhile.
    """
    if subject.service.autoscaler.max_containers == 1:
        yield Fault(
            field="max_containers",
            what="is 1: a new version can't start beside the old one",
            fix="write max_containers=2, or take it out together with target_inputs, without "
            "which load adds no containers"
            if subject.service.routing.target_inputs
            else "take it out; without target_inputs load adds no containers",
        )


@rule("INF086", severity="info", source=REGIONS)
def narrow_for_nothing(subject: Subject) -> Iterator[Fault]:
    """
    Narrow regions that cost more than the broad one around them, and bring nobody nearer.

    The price has a multiplier: of a narrow region a higher one. It buys nearness only where the
    proxies stand in that very region. Containers of a narrow region are also harder to come by.
    """
    routing, known = subject.service.routing, compute_regions()
    dear = region_multiplier(routing.region)
    by_broad: dict[str, list[str]] = {}
    for region in routing.region:
        broad = region.partition("-")[0]
        if region in known and broad in known and broad != region:
            by_broad.setdefault(broad, []).append(region)
    for broad, narrow in by_broad.items():
        is_near = {*narrow} <= {*routing.proxy_regions}
        is_served = {*known[broad]["routing"]} <= {*routing.proxy_regions}
        cheap = region_multiplier((broad,))
        if dear > cheap and is_served and (len(narrow) > 1 or not is_near):
            yield Fault(
                field="routing.region",
                what=f"{', '.join(narrow)} cost{'s' if len(narrow) == 1 else ''} {dear:g} times "
                f"the price, {broad} {cheap:g} times, and the proxies are the same",
                fix=f"write region={broad!r}, or accept it with why the place matters",
            )


@rule("INF087", severity="warning", source="https://modal.com/docs/guide/servers")
def scaling_without_target(subject: Subject) -> Iterator[Fault]:
    """
    Limits of an autoscaler that nothing sets going.

    Without target_inputs a server is not scaled by load, so these settings do nothing, and all
    requests go to the containers that are there.
    """
    scaler = subject.service.autoscaler
    if subject.service.routing.front_door != "server" or subject.service.routing.target_inputs:
        return
    for name in ("max_containers", "buffer_containers", "scaleup_window"):
        value = getattr(scaler, name)
        if value and not (name == "max_containers" and value == max(scaler.min_containers, 1)):
            yield Fault(
                field=name,
                what=f"is {value}, and without target_inputs load adds no containers",
                fix=f"write target_inputs=, or take {name} out",
            )


RULES: tuple[Rule, ...] = (
    region_not_known,
    proxies_far_away,
    affinity_without_cache,
    hidden_queue,
    batches_without_graphs,
    no_room_to_replace,
    narrow_for_nothing,
    scaling_without_target,
)
