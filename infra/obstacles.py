"""What is planned and its target in, what stands in the way of an apply out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from infra.live import Deployment, Live

if TYPE_CHECKING:
    from infra.plan import AppPlan


def not_ours(deployment: Deployment, stack: str, destroy: bool) -> str:
    """Somebody else has deployed an App of that name."""
    owner = f"stack {deployment.stack}" if deployment.stack else "somebody without infra"
    way_out = (
        "take it out of the stack file"
        if destroy
        else "give the App another name, or take it over with --adopt"
    )
    return (
        f"app.{deployment.app}: {owner} has deployed it (version {deployment.version}, by "
        f"{deployment.newest.by or 'an unknown user'}); stack {stack} may change its own Apps "
        f"only; {way_out}"
    )


def missing_secrets(apps: Sequence["AppPlan"], live: Live) -> list[str]:
    """Modal would refuse the deployment, after minutes of building images."""
    wanted = {
        address.removeprefix("secret.")
        for app in apps
        if app.artifact and app.changes
        for address in app.artifact.manifest.resources
        if address.startswith("secret.")
    }
    environment = f" --env {live.environment}" if live.environment else ""
    command = "infra local secret set" if live.target == "local" else "modal secret create"
    return [
        f"secret.{name}: does not exist in {live.environment or 'the default environment'}; an App "
        "can only be deployed when its Secrets exist; run "
        f"`{command} {name} KEY=VALUE{environment}`"
        for name in sorted(wanted)
        if live.secrets.get(name) is False
    ]
