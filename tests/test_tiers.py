"""How much each change disturbs: what the plan says of it is what an apply then does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import worlds
from worlds import DOORS, World, addresses, change, fields, scale, service, stack

from components import KernelCache, SGLang
from infra import Stack
from infra.compile import Artifact
from infra.diff import Action
from infra.local import ControlPlane
from infra.plan import Plan, make_plan
from infra.tiers import IN_PLACE, REBUILD, REPLACE, ROLLING

UNSET = {"min_containers": 0, "max_containers": None, "buffer_containers": 0}


@pytest.fixture
def world(control_plane: ControlPlane, tmp_path: Path) -> World:
    """A checkout and a workspace."""
    return worlds.new(control_plane, tmp_path)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """Each of Modal's front doors."""
    return str(request.param)


def images(world: World, stack: Stack) -> dict[str, str]:
    """Which image each class runs."""
    deployments = world.live(stack).deployments.values()
    return {each.name: each.image_id for app in deployments for each in app.endpoints}


def tiers(plan: Plan, address: str) -> dict[str, str | None]:
    """The tier of each field of a change."""
    return {path: field.tier for path, field in fields(change(plan, address)).items()}


def evolved(artifact: Artifact, **manifest: Any) -> Artifact:
    """The same App as another version of infra would have generated it."""
    record = attrs.evolve(artifact.manifest, **manifest)
    source = artifact.source.replace(artifact.manifest.fingerprint, record.fingerprint)
    return artifact._replace(manifest=record, source=source)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"min_containers": 0}, {"min_containers": 3}),
        ({"min_containers": 3}, {"min_containers": 1}),
        ({"min_containers": 3}, {"min_containers": 0}),
        ({}, {"max_containers": 4}),
        ({"max_containers": 4}, {"max_containers": 8}),
        ({"max_containers": 4}, {"max_containers": None}),
        ({}, {"buffer_containers": 2}),
        ({"buffer_containers": 2}, {"buffer_containers": 1}),
        ({"buffer_containers": 2}, {"buffer_containers": None}),
        ({}, {"scaledown_window": 300}),
        ({"scaledown_window": 300}, {"scaledown_window": 60}),
        (
            {"min_containers": 1, "max_containers": 4},
            {"min_containers": 2, "max_containers": None, "buffer_containers": 1},
        ),
    ],
)
def test_scaling_is_in_place(
    world: World, door: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """The autoscaler is told what is set, changed and unset; nothing is published."""
    first = service(door=door, **before)
    world.converge(stack(first))
    published = world.publishes()
    wanted = stack(attrs.evolve(first, **after))
    plan = world.converge(wanted)
    assert world.publishes() == published
    assert set(tiers(plan, "service.chat").values()) == {IN_PLACE}
    assert [app.is_in_place for app in plan.apps] == [True]
    assert [app.cycled for app in plan.apps] == [()]
    assert change(plan, "service.chat").reason == "in place: no container is replaced"
    now = worlds.scaling("alpha", "Chat")
    expected = {**UNSET, "min_containers": 1, **before, **after}
    for name, value in expected.items():
        assert getattr(now, name) == (UNSET.get(name) if value is None else value), name
    # A deployment of the same stack says the same.
    world.deploy(worlds.artifact(wanted).source)
    assert world.plan(wanted).is_empty()
    assert worlds.scaling("alpha", "Chat") == now


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"target_inputs": 10}, {"target_inputs": 16}),
        ({"target_inputs": None}, {"target_inputs": 16}),
    ],
)
def test_the_target_of_a_server_is_in_place(
    world: World, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """`@app.server` has its target in the autoscaler; the graphs for it are fixed here."""
    engine = SGLang(cuda_graph_max_bs=32)
    world.converge(stack(service(door="server", engine=engine, routing=before)))
    published = world.publishes()
    plan = world.converge(stack(service(door="server", engine=engine, routing=after)))
    assert world.publishes() == published
    assert tiers(plan, "service.chat") == {"routing.target_inputs": IN_PLACE}
    assert worlds.scaling("alpha", "Chat").target_concurrency == 16


def test_the_scaleup_window_of_a_server_is_in_place(world: World) -> None:
    """`@app.server` alone has one; it can be set and changed while the App runs."""
    world.converge(stack(service(door="server")))
    published = world.publishes()
    for seconds in (5, 9):
        world.converge(stack(service(door="server", scaleup_window=seconds)))
        assert worlds.scaling("alpha", "Chat").scaleup_window == seconds
    assert world.publishes() == published


@pytest.mark.parametrize(
    ("door", "before", "after", "path"),
    [
        ("http_server", {"scaledown_window": 300}, {}, "autoscaler.scaledown_window"),
        ("server", {"scaledown_window": 300}, {}, "autoscaler.scaledown_window"),
        ("server", {"scaleup_window": 5}, {}, "autoscaler.scaleup_window"),
        ("server", {}, {"routing": {"target_inputs": None}}, "routing.target_inputs"),
        ("http_server", {}, {"routing": {"target_inputs": 16}}, "routing.target_inputs"),
        ("http_server", {}, {"routing": {"exit_grace_period": 20}}, "routing.exit_grace_period"),
        ("http_server", {}, {"routing": {"region": "us"}}, "routing.region"),
        ("server", {}, {"memory": 4096}, "memory"),
        ("http_server", {}, {"gpu": "H200:2"}, "gpu"),
        ("server", {}, {"weights": None}, "volumes /root/.cache/huggingface"),
        ("http_server", {}, {"engine": SGLang(enable_metrics=True)}, "engine --enable-metrics"),
        ("http_server", {}, {"warm_up_timeout": 60}, "warm_up_timeout"),
    ],
)
def test_the_rest_is_rolling(
    world: World, door: str, before: dict[str, Any], after: dict[str, Any], path: str
) -> None:
    """What the SDK has no other way for is one new version, and so are the containers."""
    after.setdefault("routing", {}).setdefault("proxy_regions", ["us-east"])
    world.converge(stack(service(door=door, **before)))
    published = world.publishes()
    plan = world.converge(stack(service(door=door, **after)))
    assert world.publishes() == published + 1
    assert tiers(plan, "service.chat")[path] == ROLLING
    assert change(plan, "service.chat").action is Action.UPDATE
    assert plan.apps[0].tier in (ROLLING, REBUILD)


# A change, the tier of each of its fields by address and path, and the reason on the line.
KERNELS = KernelCache.deep_gemm("kernels")
STEPS = worlds.IMAGE.run_commands("one").run_commands("two")
AGAIN = "`python3 -m sglang.compile_deep_gemm` runs again"
REBUILDS: list[tuple[dict[str, Any], dict[str, Any], str, str, str]] = [
    ({"image": STEPS}, {"image": STEPS.run_commands("three")},
     "image.chat", "steps[4]", "from step 5 of 6 on"),
    ({"image": STEPS}, {"image": worlds.IMAGE.run_commands("two").run_commands("two")},
     "image.chat", "steps[2]", "from step 3 of 5 on"),
    ({"image": STEPS, "weights": None}, {"image": worlds.IMAGE.run_commands("one")},
     "image.chat", "steps[3]", "it ends with step 3"),
    ({"kernels": KERNELS}, {"environment": {"A": "1"}},
     "image.chat", "steps[4]", f"from step 5 of 5 on; {AGAIN}"),
    ({"kernels": attrs.evolve(KERNELS, compile_deep_gemm=False)}, {"kernels": KERNELS},
     "image.chat", "builds[0]", f"its steps are kept; {AGAIN}"),
    ({"kernels": KERNELS}, {"gpu": "H200:2"},
     "service.chat", "gpu", f"a command of its image is given other arguments; {AGAIN}"),
    ({"kernels": KERNELS}, {"engine": SGLang(chunked_prefill_size=4096)},
     "service.chat", "engine --chunked-prefill-size",
     f"a command of its image is given other arguments; {AGAIN}"),
    ({"kernels": KERNELS}, {"engine": SGLang(chunked_prefill=4096)},
     "service.chat", "engine --chunked-prefill",
     f"a command of its image is given other arguments; {AGAIN}"),
    ({"kernels": KERNELS}, {"weights": None},
     "service.chat", "volumes /root/.cache/huggingface",
     f"a command of its image is given other arguments; {AGAIN}"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "address", "path", "reason"), REBUILDS)
def test_what_an_image_is_made_of_is_a_rebuild(
    world: World,
    before: dict[str, Any],
    after: dict[str, Any],
    address: str,
    path: str,
    reason: str,
) -> None:
    """The plan says from which step on and what is compiled again; the image is another one."""
    first, wanted = stack(service(**before)), stack(service(**before | after))
    world.converge(first)
    image = images(world, first)["Chat"]
    plan = world.converge(wanted)
    assert tiers(plan, address)[path] == REBUILD
    assert change(plan, address).reason == f"rebuild: {reason}, then rolling"
    assert plan.apps[0].tier == REBUILD
    assert images(world, wanted)["Chat"] != image


@pytest.mark.parametrize(
    "after",
    [
        {"engine": SGLang(enable_metrics=True)},
        {"cpu": 8},
        {"routing": {"region": "us", "proxy_regions": ["us-east"]}},
        {"routing": {"target_inputs": 16}},
        {"startup_timeout": 900},
        {"min_containers": 2},
    ],
)
def test_what_an_image_is_not_made_of_is_no_rebuild(world: World, after: dict[str, Any]) -> None:
    """Where the plan does not say that the image is built anew, it is the same one."""
    first = stack(service(kernels=KERNELS))
    wanted = stack(service(kernels=KERNELS, **after))
    world.converge(first)
    image = images(world, first)["Chat"]
    plan = world.converge(wanted)
    assert plan.apps[0].tier in (IN_PLACE, ROLLING)
    assert images(world, wanted)["Chat"] == image


@pytest.mark.parametrize(
    ("after", "path", "reason"),
    [
        ({"class_name": "Assistant"}, "class_name", "it gets another URL"),
        ({"routing": {"region": "us-west"}}, "routing.proxy_regions", "it gets another URL"),
        ({"door": "server"}, "routing.front_door", "another one takes its place"),
    ],
)
def test_another_identity_is_a_replacement(
    world: World, after: dict[str, Any], path: str, reason: str
) -> None:
    """What Modal keeps under an identity is another thing, mostly at another URL."""
    world.converge(stack())
    (before,) = world.live(stack()).deployments["alpha"].endpoints
    wanted = stack(service(**after))
    plan = world.converge(wanted)
    held = change(plan, "service.chat")
    assert held.action is Action.REPLACE
    assert tiers(plan, "service.chat")[path] == REPLACE
    assert held.reason == f"replace: {reason}"
    (now,) = world.live(wanted).deployments["alpha"].endpoints
    moved = (now.url != before.url, now.function_id != before.function_id)
    assert moved == (reason == "it gets another URL", path != "routing.proxy_regions")


def test_a_rolling_change_takes_the_others_along(world: World, door: str) -> None:
    """The services of an App that do not change are named; those of other Apps have peace."""
    chat, draft = service(door=door), service("draft", door=door)
    other = service("other", door=door)
    world.converge(stack(alpha=[chat, draft], beta=[other]))
    plan = world.plan(stack(alpha=[attrs.evolve(chat, memory=4096), draft], beta=[other]))
    cycled = {app.app: [each.address for each in app.cycled] for app in plan.apps}
    assert cycled == {"alpha": ["service.draft"], "beta": []}
    # An image that is built anew is a change of its service.
    steps = worlds.IMAGE.run_commands("true")
    plan = world.plan(stack(alpha=[attrs.evolve(chat, image=steps), draft], beta=[other]))
    assert [each.address for each in plan.apps[0].cycled] == ["service.draft"]
    # Also a service that comes or goes takes the others along; scaling does not.
    plan = world.plan(stack(alpha=[chat], beta=[other]))
    assert [each.address for each in plan.apps[0].cycled] == ["service.chat"]
    plan = world.plan(stack(alpha=[attrs.evolve(chat, min_containers=2), draft], beta=[other]))
    assert plan.apps[0].cycled == ()


def test_another_template_is_not_applied_in_place(world: World) -> None:
    """Where the module's text changes too, an autoscaler's change goes along with the version."""
    world.converge(stack())
    wanted = evolved(worlds.artifact(stack(service(min_containers=2))), module="another")

    def plan() -> Plan:
        live = world.live(stack())
        return make_plan(stack="dev", stack_file="dev.py", artifacts=[wanted], live=live)

    planned = plan()
    assert addresses(planned) == ["service.chat", "app.alpha"]
    assert tiers(planned, "service.chat") == {"autoscaler.min_containers": IN_PLACE}
    assert tiers(planned, "app.alpha") == {"module": ROLLING}
    assert not planned.apps[0].is_in_place
    published = world.publishes()
    world.carry_out(planned)
    assert world.publishes() == published + 1
    assert plan().is_empty()


def test_another_template_alone_is_rolling(world: World) -> None:
    """What no resource shows is told as a change of the App."""
    world.converge(stack())
    wanted = evolved(worlds.artifact(stack()), module="another")
    live = world.live(stack())
    plan = make_plan(stack="dev", stack_file="dev.py", artifacts=[wanted], live=live)
    assert addresses(plan) == ["app.alpha"]
    assert [each.address for each in plan.apps[0].cycled] == ["service.chat"]


@pytest.mark.parametrize("setting", ["scaledown_window", "scaleup_window"])
def test_overrides_that_cannot_be_unset_are_deployed_away(world: World, setting: str) -> None:
    """An override of what a stack leaves to Modal ends by a deployment of the same."""
    wanted = stack(service(door="server"))
    world.converge(wanted)
    untouched = worlds.scaling("alpha", "Chat")
    scale("alpha", "Chat", **{setting: 99}, max_containers=5)
    published = world.publishes()
    plan = world.converge(wanted)
    assert tiers(plan, "service.chat") == {
        f"autoscaler.{setting}": ROLLING,
        "autoscaler.max_containers": IN_PLACE,
    }
    assert world.publishes() == published + 1
    assert worlds.scaling("alpha", "Chat") == untouched
    # And once more, with the same record behind the same version.
    scale("alpha", "Chat", **{setting: 99})
    world.converge(wanted)
    assert worlds.scaling("alpha", "Chat") == untouched
