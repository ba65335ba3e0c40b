"""The service that is meant is found in what is deployed, with what its record says."""

from pathlib import Path

import attrs
import pytest

from infra.errors import InfraError, UsageError
from infra.live import Deployment, Endpoint, Live
from infra.manifest import Manifest
from infra.probing.services import Service, find
from infra.project import open_project
from infra.stub import Deployed

CASES = Path(__file__).parent.parent / "cases"
HISTORY = Deployed(version=1, at=0, by="alice", commit="", dirty=False, tag="", rolled_back_to=None)


def deployment(app: str, class_name: str, url: str | None, manifest: Manifest | None) -> Deployment:
    """One App with one service."""
    return Deployment(
        app=app,
        app_id="ap-1",
        history=(HISTORY,),
        stack="dev",
        fingerprint=None,
        manifest=manifest,
        endpoints=(Endpoint(name=class_name, function_id="fu-1", url=url),),
    )


def live(*deployments: Deployment) -> Live:
    """What is deployed on Modal."""
    apps = {each.app: each for each in deployments}
    return Live(target="modal", workspace="acme", environment="", deployments=apps)


def found(there: Live, name: str | None = None) -> Service:
    """What a probe of the stack would call."""
    return find(there, stack="dev", arguments="stacks/dev.py --target modal", name=name)


BARE = deployment("a", "Alpha", "https://alpha", None)
OTHER = deployment("b", "Beta", "https://beta", None)


@pytest.mark.parametrize(
    ("case", "name", "wants_token", "startup"),
    [("server_door", "qwen3-8b", True, 1800), ("minimal", "chat", False, 300)],
)
def test_the_record_says_how_to_call_it(
    case: str, name: str, wants_token: bool, startup: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model, token, session and time to start are those of the deployed manifest."""
    monkeypatch.chdir(CASES.parent.parent)
    [artifact] = open_project(CASES / case / "stack.py").artifacts
    plain = artifact.manifest.resources[f"service.{name}"]
    there = live(deployment("app", plain["class_name"], "https://x", artifact.manifest))
    assert found(there) == Service(
        url="https://x",
        name=name,
        stack="dev",
        target="modal",
        model="Qwen/Qwen3-8B-FP8",
        wants_token=wants_token,
        is_sticky=plain["routing"]["session_affinity"],
        startup_timeout=plain.get("startup_timeout") or startup,
    )


def test_without_a_record_the_service_says_the_rest() -> None:
    """An App whose record can't be had is called under its class's name, with the token."""
    assert found(live(BARE)) == Service(
        url="https://alpha", name="Alpha", stack="dev", target="modal"
    )


def test_of_several_one_is_named() -> None:
    """A probe starts replicas, which cost: it does not take all services for the one meant."""
    there = live(BARE, OTHER)
    assert found(there, "Beta").url == "https://beta"
    with pytest.raises(UsageError, match=r"2 services are deployed.*Alpha, Beta is allowed; run"):
        found(there)


@pytest.mark.parametrize(
    ("there", "name", "said"),
    [
        (
            live(),
            None,
            "nothing of it is deployed on modal; .*infra apply stacks/dev.py --target m",
        ),
        (live(BARE), "gamma", "service gamma: .*no such service on modal; Alpha is allowed; "),
        (
            live(attrs.evolve(BARE, endpoints=(Endpoint(name="Alpha", function_id="fu"),))),
            None,
            "service Alpha: modal tells no URL of it; ",
        ),
    ],
)
def test_what_is_not_there(there: Live, name: str | None, said: str) -> None:
    """What is not deployed is told with what to run."""
    with pytest.raises(InfraError, match=said):
        found(there, name)
