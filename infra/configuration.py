"""What Modal reports of a service, in the manifest's words, so that the two compare."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Fields of the manifest's services that Modal reports; the engine's flags and the image's recipe
# are not among them.
READABLE = (
    "gpu",
    "cpu",
    "memory",
    "secrets",
    "routing.front_door",
    "routing.region",
    "routing.proxy_regions",
    "routing.target_inputs",
    "routing.max_inputs",
    "routing.exit_grace_period",
    "routing.unauthenticated",
    "autoscaler.min_containers",
    "autoscaler.max_containers",
    "autoscaler.buffer_containers",
    "autoscaler.scaleup_window",
    "autoscaler.scaledown_window",
    "port",
    "startup_timeout",  # of the `server` front door; Modal does not tell the other one's
    # Which of these infra sets none, so that each of them is somebody else's work.
    "block_network",
    "cloud",
    "ephemeral_disk",
    "h2_enabled",
    "nonpreemptible",
    "restrict_modal_access",
    "retries",
    "schedule",
    "sessioned",
    "single_use_containers",
    "timeout",
    "image id",  # where it is not the one that infra left
)
MODAL_TIMEOUT = 300  # seconds; modal 1.6: both startup_timeout and timeout, if unset
NOTHING: tuple[Any, ...] = (None, 0, False, "", [], {})


def is_readable(path: str) -> bool:
    """Whether Modal can be asked for a field of a service."""
    return path in READABLE or path.startswith("volumes ")


def recorded(service: Mapping[str, Any]) -> dict[str, Any]:
    """
    The readable fields of a manifest's service, as Modal would report them.

    Nothing, zero and empty are one: Modal's messages do not tell them apart.
    """
    volumes = {f"volumes {path}": name for path, name in service.get("volumes", {}).items()}
    held = {path: _at(service, path) for path in READABLE}
    is_server = held["routing.front_door"] == "server"
    held["startup_timeout"] = (held["startup_timeout"] or MODAL_TIMEOUT) if is_server else None
    return normal({**held, **volumes})


def normal(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The same with GPUs spelled one way, sets sorted, and without what is nothing."""
    return dict(_normal(configuration.items()))


def _normal(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for path, value in items:
        if path == "gpu":
            value = [gpu if ":" in gpu else f"{gpu}:1" for gpu in map(str.upper, value or [])]
        elif path == "routing.proxy_regions":
            value = list(value or [])[:1]  # the SDK tells only the first
        elif path == "secrets":
            value = sorted(value or [])
        elif path == "timeout" and value == MODAL_TIMEOUT:
            value = None
        if value not in NOTHING:
            yield path, value


def _at(data: Mapping[str, Any], path: str) -> Any:
    for key in path.split("."):
        if not isinstance(data, Mapping):
            return None
        data = data.get(key, {})
    return None if data == {} else data
