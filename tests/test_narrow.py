"""A plan of some Apps of a stack: the others are left alone, and do not stand in its way."""

from pathlib import Path

import pytest
import worlds
from worlds import World, addresses, service, stack

from components import WeightCache
from infra import App, Stack
from infra.errors import UsageError
from infra.local import ControlPlane
from infra.plan import Plan
from infra.session import Session


@pytest.fixture
def world(control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A checkout and a workspace."""
    monkeypatch.chdir(tmp_path)
    return worlds.new(control_plane, tmp_path)


def plan(world: World, stack: Stack, **narrowed: list[str]) -> Plan:
    """What a command plans of the stack."""
    return Session(world.target).plan(
        worlds.project(stack),
        only=narrowed.get("only", ()),
        exclude=narrowed.get("exclude", ()),
    )[0]


def test_a_service_stands_for_its_app(world: World) -> None:
    """An App is deployed whole, so it is left out, or kept, whichever of its services is named."""
    world.converge(stack(alpha=[service("one"), service("two")], beta=[service("three")]))
    wanted = stack(
        alpha=[service("one", cpu=8), service("two")],
        beta=[service("three", cpu=8, startup_timeout=1800)],
    )
    for name in ("one", "two"):
        made = plan(world, wanted, exclude=[name])
        assert addresses(made) == ["service.three"]
        assert made.left_out == ("alpha",)
    assert addresses(plan(world, wanted, only=["one"])) == ["service.one"]
    assert addresses(plan(world, wanted, only=["one", "two"])) == ["service.one"]
    world.carry_out(plan(world, wanted, only=["three"]))
    assert addresses(plan(world, wanted)) == ["service.one"]


def test_what_nobody_has_asked_for_does_not_change(world: World) -> None:
    """An App whose other service would change along is refused; so is a contradiction."""
    world.converge(stack(service("one"), service("two")))
    wanted = stack(service("one"), service("two", cpu=8))
    with pytest.raises(UsageError, match="App alpha: two would change, too; "):
        plan(world, wanted, only=["one"])
    with pytest.raises(UsageError, match="App alpha: two is asked for and one is excluded; "):
        plan(world, wanted, only=["two"], exclude=["one"])
    with pytest.raises(UsageError, match=r"three: stack dev has no service .*; one, two are"):
        plan(world, wanted, exclude=["three"])


def test_a_service_that_goes_can_be_named(world: World) -> None:
    """An App that left the stack file is left alone when it is excluded."""
    world.converge(stack(alpha=[service("one")], beta=[service("two")]))
    wanted = stack(alpha=[service("one")])
    made = plan(world, wanted, exclude=["two"])
    assert made.is_empty() and made.left_out == ("beta",)
    assert "service.two" in addresses(plan(world, wanted, only=["two"]))


@pytest.mark.parametrize("narrowed", [{"exclude": ["beta.two"]}, {"only": ["beta"]}])
def test_what_is_left_out_stands_in_nobodys_way(
    world: World, narrowed: dict[str, list[str]]
) -> None:
    """A missing Secret, an App of somebody else's, findings and estimates count in what is kept."""
    needy = service("beta.two", weights=WeightCache("weights", secret="token"))
    wanted = stack(alpha=[service("beta", startup_timeout=1800)], beta=[needy])
    whole = plan(world, wanted)
    assert any(each.startswith("secret.token: ") for each in whole.obstacles)
    made = plan(world, wanted, **narrowed)
    assert not any("token" in each or "beta.two" in each for each in made.obstacles)
    assert made.left_out == ("beta",)
    assert not any(each.where.startswith("beta.two") for each in made.findings)
    assert len(whole.findings) > len(made.findings) > 0
    assert [each.service for each in made.estimates] == ["service.beta"]
    world.converge(Stack("theirs", apps=[App("beta", [service("two")])]))
    assert any("stack theirs has" in each for each in plan(world, wanted).obstacles)
    assert plan(world, wanted, **narrowed).obstacles == made.obstacles
