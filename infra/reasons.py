"""A change in, one line on what it does to what is running out."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.diff import Action, Change
from infra.manifest import Manifest
from infra.tiers import IN_THE_URL


def reason(change: Change, containers: Mapping[str, int | None], after: Manifest | None) -> str:
    """One line on what the change does to what is running."""
    name = change.address.partition(".")[2]
    builds = after.resources.get(f"image.{name}", {}).get("builds", ()) if after else ()
    if change.action in (Action.CREATE, Action.FORGET, Action.DELETE):
        count = containers.get(change.address)
        return f"{_containers(count)} stopped" if count else ""
    match change.tier:
        case "in place":
            return "in place: no container is replaced"
        case "rebuild":
            return f"rebuild: {_rebuilt(change, builds)}, then rolling"
        case "replace":
            moves = any(field.path in IN_THE_URL for field in change.fields)
            return f"replace: {'it gets another URL' if moves else 'another one takes its place'}"
    count = containers.get(change.address)
    if change.address.startswith("service."):
        if count == 0:
            return "rolling: no container runs now, so none is replaced"
        turns = "" if count == 1 else " one after the other"
        return f"rolling: {_containers(count)} replaced{turns}"
    return "rolling: a new version replaces all containers"


def _containers(count: int | None) -> str:
    if count is None:
        return "the containers that run are"
    return "1 container is" if count == 1 else f"{count} containers are"


def _rebuilt(change: Change, builds: Iterable[Mapping[str, Any]]) -> str:
    """From which step on, and which commands run again because of that."""
    commands = "`, `".join(" ".join(build["command"]) for build in builds)
    again = [f"`{commands}` runs again"] if commands else []
    if change.address.startswith("service."):
        return "; ".join(["a command of its image is given other arguments", *again])
    steps = len((change.after or {}).get("steps", ()))
    changed = [
        int(field.path.removeprefix("steps[").rstrip("]"))
        for field in change.fields
        if field.path.startswith("steps[")
    ]
    first = min(changed, default=None)
    if first is None:
        where = "its steps are kept"
    elif first >= steps:
        where = f"it ends with step {steps}"
    else:
        where = f"from step {first + 1} of {steps} on"
    return "; ".join([where, *again])
