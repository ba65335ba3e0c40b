"""What is deployed as an HTTP service, with what its front door needs to know."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs
from modal_proto import api_pb2

from infra.local import definitions, ports
from infra.local.call import Call
from infra.local.definitions import Definition
from infra.local.layout import Layout
from infra.local.offline import reading
from infra.local.store import DEFAULT_ENVIRONMENT

FrontDoor = Literal["http_server", "server"]

_DEFAULT_STARTUP_SECONDS = 300


@attrs.frozen(kw_only=True)
class ServiceVersion:
    """
    One version of one service.

    Attributes:
        definition_id: Equal for two versions that do not differ in this service.
        class_name: The class that serves it.
        port: Where the module's engine listens.
        front_door: Which of Modal's two ways to serve HTTP the class uses.
        startup_timeout: Seconds until the enter hooks must be done.
        exit_grace_period: Seconds that requests in flight have once a replica is to stop.
        target_concurrency: Requests per replica that the autoscaler aims at; None: any number.
        max_concurrency: Requests that a replica takes at once; None: any number.
        unauthenticated: Whether callers need no token.
        routing_regions: Where callers come in.
        compute_regions: Where replicas may run.
        place: What its URL is kept by.
        url: Where callers reach it here, as the SDK shows it.
        gpu: In Modal's words, such as `H100!:2`; empty: none.
    """

    function_id: str
    definition_id: str
    app_id: str
    app_name: str
    environment_name: str
    version: int
    class_name: str
    port: int
    front_door: FrontDoor
    startup_timeout: float
    exit_grace_period: float
    target_concurrency: float | None
    max_concurrency: int | None
    unauthenticated: bool
    routing_regions: tuple[str, ...]
    compute_regions: tuple[str, ...]
    place: ports.Place
    url: str
    gpu: str

    @property
    def name(self) -> str:
        """The App's and the class's, and the environment's unless it is the default one."""
        home = "" if self.environment_name == DEFAULT_ENVIRONMENT else f"{self.environment_name}/"
        return f"{home}{self.app_name}.{self.class_name}"


def deployed_services(root: Path) -> list[ServiceVersion]:
    """The live version of every service in the state under this folder, by App and class."""
    if not (root / "state.db").exists():
        return []
    with reading(root) as call:
        return list(live(call))


def live(call: Call) -> Iterator[ServiceVersion]:
    """The same, for who is reading the state already."""
    for app in call.all(
        "SELECT apps.*, environments.name AS home FROM apps "
        "JOIN environments ON environments.id = environment_id "
        "WHERE state = ? AND version > 0 ORDER BY environments.name, apps.name",
        api_pb2.APP_STATE_DEPLOYED,
    ):
        for name, (_, definition_id) in sorted(Layout.parse(app["layout"]).functions.items()):
            definition = definitions.load(call, definition_id)
            if definition.data.HasField("http_config"):
                yield _service(app, name, definition)


def _service(app: sqlite3.Row, name: str, definition: Definition) -> ServiceVersion:
    # With several GPU choices the first is as good as any: here there is none of them.
    function = definition.data.ranked_functions[0].function
    http = definition.data.http_config
    gpu = function.resources.gpu_config
    scaling = definition.data.autoscaler_settings
    target = scaling.target_concurrency_float or scaling.target_concurrency
    return ServiceVersion(
        function_id=definition.function_id,
        definition_id=definition.id,
        app_id=app["id"],
        app_name=app["name"],
        environment_name=app["home"],
        version=app["version"],
        class_name=name.removesuffix(".*"),
        port=http.port,
        front_door="server" if definition.data.is_server else "http_server",
        startup_timeout=function.startup_timeout_secs or _DEFAULT_STARTUP_SECONDS,
        exit_grace_period=http.exit_grace_period,
        target_concurrency=target or function.target_concurrent_inputs or None,
        max_concurrency=function.max_concurrent_inputs or None,
        # Only the newer front door asks for a token.
        unauthenticated=http.unauthenticated or not definition.data.is_server,
        routing_regions=tuple(http.proxy_regions),
        compute_regions=tuple(function.scheduler_placement.regions),
        place=ports.place(app["environment_id"], app["name"], name, http.proxy_regions),
        url=definition.data.flash_service_urls[0],
        gpu=f"{gpu.gpu_type}:{gpu.count}" if gpu.count else "",
    )
