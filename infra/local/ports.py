"""Which port of this machine each service has, kept so that its URL stays the same."""

import random

from infra.local import loopback
from infra.local.call import Call

# Below those that systems give to outgoing connections, which may take one at any time.
_PORTS = range(20_000, 30_000)


def reserve(call: Call, function_id: str) -> None:
    """Give a service its port, unless its name has one already in this App's environment."""
    if _port(call, function_id) is None:
        _keep(call, function_id, _free(call))


def move(call: Call, function_id: str) -> int:
    """Give a service another port, as somebody else uses its own; the new one."""
    port = _free(call)
    _keep(call, function_id, port)
    return port


def _port(call: Call, function_id: str) -> int | None:
    row = call.one(
        "SELECT port FROM ports JOIN apps USING (environment_id) JOIN functions "
        "ON functions.app_id = apps.id AND functions.name = function_name "
        "WHERE app_name = apps.name AND functions.id = ?",
        function_id,
    )
    return None if row is None else int(row["port"])


def _keep(call: Call, function_id: str, port: int) -> None:
    call.do(
        "INSERT OR REPLACE INTO ports SELECT environment_id, apps.name, functions.name, ? "
        "FROM functions JOIN apps ON apps.id = app_id WHERE functions.id = ?",
        port,
        function_id,
    )


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
