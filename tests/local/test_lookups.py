"""What the SDK learns of a deployed App."""

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import modal
import pytest

from infra.local import ControlPlane

Service = Callable[[], ModuleType]


def created(plane: ControlPlane, name: str) -> Any:
    """The last FunctionCreate request of this name."""
    return [
        request
        for request in plane.requests("FunctionCreate")
        if name in (request.function.function_name, request.function_data.function_name)
    ][-1]


def test_app_lists_functions_and_servers_by_name(service: Service) -> None:
    """An App's info tells Functions from Servers and does not list build steps."""
    service().app.deploy()
    info = modal.App.lookup("service").info()
    assert sorted(info.functions) == ["Counter.*", "Engine.*", "answer"]
    assert sorted(info.servers) == ["Gateway"]
    assert info.lifecycle.version == 1
    assert modal.App.lookup("service").get_tags() == {"team": "inference"}


def test_class_service_reports_what_was_declared(
    control_plane: ControlPlane, service: Service
) -> None:
    """Every setting of an HTTP class is readable through the public SDK."""
    service().app.deploy()
    function = modal.Function.from_id(modal.App.lookup("service").info().functions["Engine.*"])
    info = function.info()
    volume = modal.Volume.from_name("weights").hydrate()
    secret = modal.Secret.from_name("hub-token").hydrate()
    request = created(control_plane, "Engine.*")
    assert info.gpus == [("H100!", 2)]
    assert info.regions == ["us-east"]
    assert info.volumes["/weights"].volume_id == volume.object_id
    assert info.secrets[0] == secret.object_id
    assert info.image_info.image_id == request.function.image_id
    assert info.concurrency_info is not None
    assert info.concurrency_info.target_inputs == 10
    assert info.startup_timeout == request.function.http_config.startup_timeout
    urls = modal.Cls.from_name("service", "Engine")._experimental_get_flash_urls()
    assert urls is not None and len(urls) == 1
    assert re.fullmatch(r"http://127\.0\.0\.1:2\d{4}", urls[0])


def test_server_reports_what_was_declared(service: Service) -> None:
    """A Server's info, URL and autoscaler settings are those of its decorator."""
    service().app.deploy()
    server = modal.Server.from_name("service", "Gateway")
    info = server.info()
    assert (info.port, info.unauthenticated, info.routing_region) == (9000, True, "us-east")
    assert server.get_url() == info.server_url
    assert info.server_url and info.server_url.startswith("http://127.0.0.1:2")
    assert server.autoscaler.settings().target_concurrency == 1.5


def test_gpu_choices_keep_their_order(control_plane: ControlPlane, service: Service) -> None:
    """A list of GPUs comes back as that list, first choice first."""
    service().app.deploy()
    info = modal.Function.from_name("service", "answer").info()
    assert info.gpus == [("H100", 1), ("A100", 1)]
    ranks = [
        ranked.rank for ranked in created(control_plane, "answer").function_data.ranked_functions
    ]
    assert ranks == [0, 1]


def test_methods_are_found_through_their_class(service: Service) -> None:
    """A looked-up class knows its methods, and refuses others."""
    service().app.deploy()
    counter = modal.Cls.from_name("service", "Counter")()
    assert counter.count.hydrate().object_id.startswith("fu-")
    with pytest.raises(modal.exception.NotFoundError, match="no method `missing`"):
        counter.missing.hydrate()


@pytest.mark.parametrize(
    ("look_up", "message"),
    [
        (lambda: modal.App.lookup("nothing"), "App 'nothing' not found in environment 'main'"),
        (lambda: modal.Function.from_name("nothing", "f").hydrate(), "App 'nothing' not found"),
        (lambda: modal.Function.from_name("service", "f").hydrate(), "has no Function 'f'"),
        (lambda: modal.Cls.from_name("service", "C").hydrate(), "has no class 'C'"),
        (lambda: modal.Function.from_id("fu-0").hydrate(), "Function 'fu-0' not found"),
        (
            lambda: modal.App.lookup("service", environment_name="dev"),
            "Environment 'dev' not found",
        ),
    ],
)
def test_what_is_not_there_is_not_found(
    service: Service, look_up: Callable[[], object], message: str
) -> None:
    """A lookup of nothing raises NotFoundError and names what was looked for."""
    service().app.deploy()
    with pytest.raises(modal.exception.NotFoundError, match=message):
        look_up()


def test_overrides_last_until_the_next_version(service: Service) -> None:
    """Autoscaler overrides merge, keep what they do not name, and end with a new version."""
    service().app.deploy()
    engine = modal.Function.from_id(modal.App.lookup("service").info().functions["Engine.*"])
    assert engine.autoscaler.settings().min_containers == 1
    engine.autoscaler.update(max_containers=4)
    after = engine.autoscaler.update(scaledown_window=300)
    assert (after.min_containers, after.max_containers, after.scaledown_window) == (1, 4, 300)
    service().app.deploy(tag="next")
    settings = engine.autoscaler.settings()
    assert (settings.min_containers, settings.max_containers) == (1, None)
    assert settings.scaledown_window == 60


def test_overrides_of_a_server(service: Service) -> None:
    """A Server's fractional target and windows can be overridden."""
    service().app.deploy()
    scaler = modal.Server.from_name("service", "Gateway").autoscaler
    scaler.update(target_concurrency=2.5, scaleup_window=30, max_containers=3)
    settings = scaler.settings()
    assert (settings.target_concurrency, settings.scaleup_window) == (2.5, 30)
    assert settings.max_containers == 3


def test_layout_has_a_handle_for_every_object(service: Service) -> None:
    """The layout names every Function and class with what is needed to use it."""
    service().app.deploy()
    objects = modal.experimental.get_app_objects("service")
    assert sorted(objects) == ["Counter", "Engine", "Gateway", "answer"]
