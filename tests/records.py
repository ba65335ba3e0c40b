"""Random records of Apps, as components could have given them, much alike so that they meet."""

import hashlib
from typing import Any

import attrs
from hypothesis import strategies as st

from infra.compile import APP_STATEMENT, Artifact, scaling_lines, statement_of_app
from infra.manifest import Manifest, manifest
from infra.resources import (
    AppResources,
    Argument,
    Autoscaler,
    BuildCommand,
    Image,
    ImageStep,
    Mount,
    Routing,
    Secret,
    Service,
    Volume,
)

BASE = Service(
    name="",
    class_name="Chat",
    model="a/b",
    gpu=("H100",),
    entrypoint=("sglang", "serve"),
    arguments=(),
    port=8000,
    warm_up_timeout=120,
    autoscaler=Autoscaler(min_containers=0),
    routing=Routing(front_door="http_server", proxy_regions=("us-east",)),
)
MOUNTS = [Mount(path=f"/{name}", volume=Volume(name=name)) for name in ("one", "two", "three")]
ARGUMENTS = [
    Argument(flag="--a"),
    Argument(flag="--a", values=("1",)),
    Argument(flag="--a", values=("1", "2"), follows="gpu"),
    Argument(flag="--b", values=("",)),
    Argument(flag="--b", values=("1",), follows="routing.target_inputs"),
]
ROUTING: list[dict[str, Any]] = [
    {"front_door": "server"},
    {"region": ("us-west",)},
    {"proxy_regions": ("us-west",)},
    {"target_inputs": 10},
    {"target_inputs": 16, "max_inputs": 20},
    {"exit_grace_period": 0},
    {"session_affinity": False},
]
# What a service may differ in from the base.
FIELDS: list[dict[str, Any]] = [
    {"class_name": "Server"},
    {"model": "c/d"},
    {"gpu": ("H100:2", "H200:2")},
    {"cpu": 2.5},
    {"memory": 1024},
    {"port": 9000},
    {"startup_timeout": 900},
    {"secrets": ("one",)},
    {"secrets": ("one", "two")},
    {"autoscaler": Autoscaler(min_containers=1)},
    {"autoscaler": Autoscaler(min_containers=0, max_containers=4, scaledown_window=60)},
    *({"mounts": (mount,)} for mount in MOUNTS),
    {"mounts": tuple(MOUNTS)},
    *({"arguments": (argument,)} for argument in ARGUMENTS),
    {"arguments": (ARGUMENTS[0], ARGUMENTS[4])},
    *({"routing": attrs.evolve(BASE.routing, **fields)} for fields in ROUTING),
]
STEPS = [
    ImageStep(method="from_registry", args=("base:1",)),
    ImageStep(method="apt_install", args=("one",)),
    ImageStep(method="apt_install", args=("one", "two")),
    ImageStep(method="run_commands", args=("make",), kwargs={"gpu": "H100", "force_build": True}),
    ImageStep(method="env", args=({"Z": "1", "A": "2"},)),
    ImageStep(method="env", args=({"A": "2", "Z": "2"}, (1, (2,)))),
]
BUILD = BuildCommand(command=("make",))

# Texts of modules without their tags, by their digests.
TEXTS = {
    hashlib.sha256(text.encode()).hexdigest(): text
    for text in (f"{APP_STATEMENT}\n", f"{APP_STATEMENT}\npass\n")
}
MODULE, OTHER_MODULE = TEXTS

SERVICES = st.lists(st.sampled_from(FIELDS), max_size=3).map(
    lambda changed: attrs.evolve(BASE, **{name: v for each in changed for name, v in each.items()})
)
IMAGES = st.builds(
    lambda steps, built: Image(name="", steps=tuple(steps), builds=(BUILD,) * built),
    st.lists(st.sampled_from(STEPS), max_size=4),
    st.integers(0, 1),
)


def records(app: str = "app") -> st.SearchStrategy[Manifest]:
    """The record of an App with some of the services that it could have."""
    parts = st.dictionaries(st.sampled_from("ab"), st.tuples(SERVICES, IMAGES))
    modules = st.sampled_from([MODULE, OTHER_MODULE])
    return st.builds(lambda held, module: record(app, held, module), parts, modules)


def record(app: str, parts: dict[str, tuple[Service, Image]], module: str) -> Manifest:
    """The record of an App with these services and images, by name."""
    services = [
        attrs.evolve(service, name=name, class_name=f"{service.class_name}{name.upper()}")
        for name, (service, _) in parts.items()
    ]
    mounted = {mount.volume: None for service in services for mount in service.mounts}
    secrets = {name: None for service in services for name in service.secrets}
    resources = AppResources(
        stack="dev",
        app=app,
        volumes=tuple(mounted),
        secrets=tuple(Secret(name=name) for name in secrets),
        images=tuple(attrs.evolve(image, name=name) for name, (_, image) in parts.items()),
        services=tuple(services),
    )
    return manifest(resources, module)


def artifact(record: Manifest) -> Artifact:
    """An App as it could have been generated with this record."""
    text = TEXTS[record.module].replace(APP_STATEMENT, statement_of_app(record))
    return Artifact(record, text + "".join(scaling_lines(record)))
