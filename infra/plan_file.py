"""A plan as a file, and back."""

import json
from typing import Any

import attrs

from infra.compile import Artifact
from infra.diff import Action, Change, FieldChange
from infra.drift import Drift
from infra.errors import InfraError
from infra.manifest import Manifest, canonical
from infra.plan import AppPlan, Base, Cycled, Plan
from infra.rules import Accepted, Finding

FORMAT = "1.0"


def to_json(plan: Plan) -> bytes:
    """The plan as text that `from_json` reads back; it holds no secret."""
    return canonical({"format_version": FORMAT, **_plain(plan)})


def from_json(text: bytes, name: str) -> Plan:
    """
    Read a saved plan.

    Args:
        text: What `to_json` gave.
        name: The file's, for the message.

    Raises:
        InfraError: The file is no plan, or one of another format.
    """
    try:
        data = json.loads(text)
        if data.pop("format_version") != FORMAT:
            raise ValueError("another format")
        apps = tuple(map(_app, data.pop("apps")))
        obstacles, left_out = tuple(data.pop("obstacles")), tuple(data.pop("left_out"))
        findings = tuple(Finding(**each) for each in data.pop("findings"))
        accepted = tuple(
            Accepted(finding=Finding(**each["finding"]), reason=each["reason"])
            for each in data.pop("accepted")
        )
        return Plan(
            apps=apps,
            obstacles=obstacles,
            left_out=left_out,
            findings=findings,
            accepted=accepted,
            **data,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InfraError(
            f"{name}: can't be read ({type(error).__name__}: {error}); a plan of format {FORMAT} "
            "is allowed; run `infra plan` again"
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Action):
        return value.label
    if isinstance(value, Manifest):
        return attrs.asdict(value, recurse=False)
    if attrs.has(type(value)):
        return {
            field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _app(data: dict[str, Any]) -> AppPlan:
    artifact = data.pop("artifact")
    if artifact is not None:
        artifact = Artifact(**{**artifact, "manifest": Manifest(**artifact["manifest"])})
    return AppPlan(
        artifact=artifact,
        base=Base(**data.pop("base")),
        changes=tuple(map(_change, data.pop("changes"))),
        drift=tuple(
            Drift(**{**each, "fields": _fields(each["fields"])}) for each in data.pop("drift")
        ),
        cycled=tuple(Cycled(**each) for each in data.pop("cycled")),
        **data,
    )


def _change(data: dict[str, Any]) -> Change:
    actions = {action.label: action for action in Action}
    given = {**data, "action": actions[data["action"]], "fields": _fields(data["fields"])}
    return Change(**given)


def _fields(data: list[dict[str, Any]]) -> tuple[FieldChange, ...]:
    return tuple(FieldChange(**each) for each in data)
