"""The JSON of `status`, `drift` and `history`: what programs read of what is deployed."""

import json
from pathlib import Path
from typing import Any

import attrs
import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from test_show_json import URL, chat, deployed, plan, planned

import infra
from infra.drift_json import drift_json
from infra.live import Live
from infra.past import Version
from infra.plan import Plan
from infra.show_json import plan_json
from infra.state_json import history_json, status_json
from infra.timestamps import timestamp

SCHEMAS = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for path in (Path(infra.__file__).parent / "schemas").glob("*.json")
}
# As the schemas lie side by side, they name one another by file.
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)
NOW = 1_795_310_306.5


def valid(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """The document as a reader gets it, held against its schema."""
    read: dict[str, Any] = json.loads(json.dumps(data))
    Draft202012Validator(SCHEMAS[f"{name}.schema.json"], registry=REGISTRY).validate(read)
    return read


def status(live: Live, *apps: str) -> dict[str, Any]:
    """What `infra status --json` prints of a stack with these Apps."""
    return valid("status", status_json(live, "dev", apps, NOW))


@pytest.mark.parametrize("name", ["drift", "status"])
def test_the_schemas_are_some(name: str) -> None:
    """What is shipped is a schema of the draft that it names, and every key in it is required."""
    schema = SCHEMAS[f"{name}.schema.json"]
    Draft202012Validator.check_schema(schema)
    assert set(schema["required"]) == set(schema["properties"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (NOW, "2026-11-22T01:18:26Z"), (7.999, "1970-01-01T00:00:07Z")],
)
def test_a_moment_is_in_rfc_3339(seconds: float, text: str) -> None:
    """Whole seconds that have passed, in UTC, on whatever machine."""
    assert timestamp(seconds) == text


@given(planned())
def test_drift_is_that_of_the_plan(given: tuple[Plan, Live]) -> None:
    """Whatever has drifted keeps to the schema, and stands there as the plan has it."""
    data = valid("drift", drift_json(*given, NOW))
    assert data["resource_drift"] == plan_json([given])["resource_drift"]
    assert (len(data["resource_drift"]) > 0) == any(given[0].drift())


@given(planned(), st.sampled_from([(), ("one",), ("one", "two", "three")]))
def test_every_app_is_told_once(given: tuple[Plan, Live], apps: tuple[str, ...]) -> None:
    """Those of the stack file and those that are deployed, with all of their services."""
    _, live = given
    data = status(live, *apps)
    told = {each["app"]: each for each in data["apps"]}
    assert len(told) == len(data["apps"])
    assert set(told) == {*apps, *live.deployments}
    assert {app for app, each in told.items() if each["deployment"]} == set(live.deployments)
    for app, deployment in live.deployments.items():
        classes = [each["class_name"] for each in told[app]["services"]]
        assert classes == [each.name for each in deployment.endpoints]


def test_what_is_deployed() -> None:
    """Version, who, when and from where; a service under the name that the stack has for it."""
    assert status(deployed(chat()), "one", "two") == {
        "format_version": "1.0",
        "infra_version": plan_json([plan()])["infra_version"],
        "timestamp": "2026-11-22T01:18:26Z",
        "stack": "dev",
        "target": "local",
        "workspace": "local",
        "environment": "main",
        "apps": [
            {
                "app": "one",
                "deployment": {
                    "app_id": "ap-one",
                    "version": 7,
                    "at": "1970-01-01T00:00:00Z",
                    "by": "alice",
                    "commit": "a1b2c3d4e5",
                    "dirty": False,
                    "stack": "dev",
                    "fingerprint": chat().fingerprint,
                },
                "services": [
                    {
                        "name": "chat",
                        "class_name": chat().resources["service.chat"]["class_name"],
                        "containers": 2,
                        "url": URL,
                    }
                ],
            },
            {"app": "two", "deployment": None, "services": []},
        ],
    }


def test_what_others_deployed_has_no_stack() -> None:
    """An App that infra did not deploy says so, and its services bear their classes' names."""
    live = golden.deployed(chat())
    foreign = attrs.evolve(live.deployments["one"], stack=None, fingerprint=None, manifest=None)
    [app] = status(attrs.evolve(live, deployments={"one": foreign}))["apps"]
    assert (app["deployment"]["stack"], app["deployment"]["fingerprint"]) == (None, None)
    [service] = app["services"]
    assert service["name"] == service["class_name"]


def test_drift_says_where_and_when() -> None:
    """One stack's document names the stack and the target; without drift its list is empty."""
    data = valid("drift", drift_json(*plan(chat(), live=deployed(chat())), NOW))
    assert data["resource_drift"] == []
    assert (data["format_version"], data["timestamp"]) == ("1.2", "2026-11-22T01:18:26Z")
    assert (data["stack"], data["target"], data["environment"]) == ("dev", "local", "main")


def test_versions_have_their_time() -> None:
    """All that is known of a version is told, its time as programs read it."""
    version = Version(
        version=2, at=NOW, by="bob", commit="", dirty=False, fingerprint=None, what="created"
    )
    assert history_json({"one": [version], "two": []}) == {
        "one": [{**attrs.asdict(version), "at": "2026-11-22T01:18:26Z"}],
        "two": [],
    }
