"""What is deployed in, plain data for JSON out."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from infra.live import Deployment, Live, service_names
from infra.past import Version
from infra.timestamps import timestamp

FORMAT = "1.0"
Plain = dict[str, Any]


def status_json(live: Live, stack: str, apps: Sequence[str], now: float) -> Plain:
    """
    What is deployed; ``infra/schemas/status.schema.json`` describes it.

    Args:
        live: The target.
        stack: The stack's name.
        apps: Those that the stack file has; they are told of even if they are not deployed.
        now: Seconds since 1970.
    """
    names = dict.fromkeys([*apps, *live.deployments])
    return {
        "format_version": FORMAT,
        **heading_json(live, stack, now),
        "apps": [_app(name, live.deployments.get(name)) for name in names],
    }


def heading_json(live: Live, stack: str, now: float) -> Plain:
    """Who says this, when, and about what."""
    return {
        "infra_version": version("infra"),
        "timestamp": timestamp(now),
        "stack": stack,
        "target": live.target,
        "workspace": live.workspace,
        "environment": live.environment,
    }


def history_json(versions: Mapping[str, Sequence[Version]]) -> dict[str, list[Plain]]:
    """Deployments, a list per App."""
    return {
        app: [{**attrs.asdict(each), "at": timestamp(each.at)} for each in found]
        for app, found in versions.items()
    }


def _app(name: str, deployment: Deployment | None) -> Plain:
    if deployment is None:
        return {"app": name, "deployment": None, "services": []}
    newest, names = deployment.newest, service_names(deployment)
    return {
        "app": name,
        "deployment": {
            "app_id": deployment.app_id,
            "version": newest.version,
            "at": timestamp(newest.at),
            "by": newest.by,
            "commit": newest.commit,
            "dirty": newest.dirty,
            "stack": deployment.stack,
            "fingerprint": deployment.fingerprint,
        },
        "services": [
            {
                "name": names[each.name],
                "class_name": each.name,
                "containers": each.containers,
                "url": each.url,
            }
            for each in deployment.endpoints
        ],
    }
