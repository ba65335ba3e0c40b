"""Which port of this machine each service has, kept so that its URL stays the same."""

import random
from collections.abc import Iterable

from infra.local import loopback
from infra.local.call import Call

# Below those that systems give to outgoing connections, which may take one at any time.
_PORTS = range(20_000, 30_000)
_DEFAULT_REGION = "us-east"


# What Modal's URL of a service is made of: the environment's id, the App's name, the class's, and
# the routing regions.
Place = tuple[str, str, str, str]


def place(environment_id: str, app_name: str, function_name: str, regions: Iterable[str]) -> Place:
    """Services of one place have one URL, whatever else changes."""
    return (
        environment_id,
        app_name,
        function_name.removesuffix(".*"),
        ",".join(regions) or _DEFAULT_REGION,
    )


def port(call: Call, place: Place) -> int | None:
    """The port of a place, if it has one."""
    row = call.one(
        "SELECT port FROM ports WHERE (environment_id, app_name, class_name, regions) "
        "= (?, ?, ?, ?)",
        *place,
    )
    return None if row is None else int(row["port"])


def reserve(call: Call, place: Place) -> None:
    """Give a place a port, unless it has one."""
    if port(call, place) is None:
        move(call, place)


def move(call: Call, place: Place) -> int:
    """Give a place another port, as somebody else uses its own; the new one."""
    found = _free(call)
    call.do("INSERT OR REPLACE INTO ports VALUES (?, ?, ?, ?, ?)", *place, found)
    return found


def _free(call: Call) -> int:
    """One that no service has and nobody listens on; any, so that two folders rarely agree."""
    kept = {row["port"] for row in call.all("SELECT port FROM ports")}
    for port in random.sample(_PORTS, len(_PORTS)):
        if port not in kept:
            try:
                loopback.listen(port).close()
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port from {_PORTS[0]} to {_PORTS[-1]} of this machine is free")
