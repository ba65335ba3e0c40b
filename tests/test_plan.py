"""What is wanted and what is deployed in, everything that an apply would do out."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import golden
import pytest
from hypothesis import given, settings
from records import BASE, MODULE, MOUNTS, artifact, record, records

from infra.diff import Action
from infra.display import list_text, plan_text, summary
from infra.errors import InfraError
from infra.live import Live
from infra.manifest import Manifest
from infra.markdown import markdown
from infra.plan import Base, Plan, make_plan
from infra.plan_file import from_json, to_json
from infra.resources import Image, Service
from infra.rules import Accepted, Finding, Report
from infra.show_json import plan_json_text
from infra.text import Style

NOTHING = golden.NOTHING
IMAGE = Image(name="", steps=())


def app(name: str, **services: Service) -> Manifest:
    """The record of an App with these services."""
    parts = {key.replace("_", "-"): (service, IMAGE) for key, service in services.items()}
    return record(name, parts, MODULE)


CHAT = app("one", chat=BASE)
MOUNTED = attrs.evolve(BASE, mounts=(MOUNTS[0],))
SECRET = attrs.evolve(BASE, secrets=("token",))


def plan(*wanted: Manifest, live: Live = NOTHING, **options: Any) -> Plan:
    """The plan of a stack with these Apps."""
    artifacts = [artifact(each) for each in wanted]
    return make_plan(
        stack="dev", stack_file="stacks/dev.py", artifacts=artifacts, live=live, **options
    )


def actions(plan: Plan) -> dict[str, Action]:
    """What happens to what, in the plan's order."""
    return {change.address: change.action for change in plan.changes()}


def live(*manifests: Manifest, **changes: Any) -> Live:
    """A target on which the Apps are deployed, with some of its fields changed."""
    return attrs.evolve(golden.deployed(*manifests), **changes)


def test_what_is_not_there_is_created() -> None:
    """A first plan adds all that the stack holds."""
    made = plan(CHAT)
    assert list(actions(made)) == ["app.one", "image.chat", "service.chat"]
    assert set(actions(made).values()) == {Action.CREATE}
    assert made.apps[0].base == Base()
    assert summary(made) == "Plan: 3 to add, 0 to change, 0 to destroy."


def test_what_is_as_it_should_be_is_left_alone() -> None:
    """A plan of what is deployed is empty, and says so in the words that tools look for."""
    made = plan(CHAT, live=live(CHAT))
    assert made.is_empty()
    assert summary(made) == "No changes. Your infrastructure matches the configuration."
    assert made.apps[0].base == Base(app_id="ap-one", version=7, fingerprint=CHAT.fingerprint)


SUMMARIES = {
    "Plan: 1 to add, 0 to change, 0 to destroy.": (
        [app("one", chat=MOUNTED)],
        live(app("one", chat=MOUNTED), volumes={"one": False}),
        {},
    ),
    "Plan: 0 to add, 1 to change, 0 to destroy.": (
        [app("one", chat=attrs.evolve(BASE, model="c/d"))],
        live(CHAT),
        {},
    ),
    "Plan: 1 to add, 0 to change, 1 to destroy.": (
        [app("one", chat=attrs.evolve(BASE, class_name="Server"))],
        live(CHAT),
        {},
    ),
    "Plan: 0 to add, 1 to change, 0 to destroy, 1 to forget.": (
        [CHAT],
        live(app("one", chat=MOUNTED)),
        {},
    ),
    "Plan: 0 to add, 0 to change, 3 to destroy.": ([], live(CHAT), {}),
    "Plan: 0 to add, 0 to change, 3 to destroy, 1 to forget.": (
        [app("one", chat=MOUNTED)],
        live(app("one", chat=MOUNTED)),
        {"destroy": True},
    ),
    "No changes. Nothing of this stack is deployed.": ([CHAT], NOTHING, {"destroy": True}),
    "No changes. Your infrastructure matches the configuration.": ([CHAT], live(CHAT), {}),
}


@pytest.mark.parametrize(("said", "given"), SUMMARIES.items(), ids=range(len(SUMMARIES)))
def test_the_last_line(said: str, given: tuple[list[Manifest], Live, Mapping[str, Any]]) -> None:
    """The summary counts each resource, and is the end of the text."""
    wanted, found, options = given
    made = plan(*wanted, live=found, **options)
    assert summary(made) == said
    assert plan_text(made, found, now=0).splitlines()[-1] == said


def test_what_was_left_out_does_not_match_the_configuration() -> None:
    """A plan that is empty because all was left out does not say that nothing is to be done."""
    made = plan(CHAT, leave=["one"])
    assert made.is_empty()
    text = plan_text(made, NOTHING, now=0)
    assert "Left out by the command line, though they would change: one" in text
    assert text.splitlines()[-1] == "No changes. What would change was left out."


@pytest.mark.parametrize(
    ("running", "said"),
    [
        (0, "no container runs now, so none is replaced"),
        (1, "1 container is replaced"),
        (2, "2 containers are replaced one after the other"),
        (None, "the containers that run are replaced one after the other"),
    ],
)
def test_a_rolling_change_says_how_many_containers(running: int | None, said: str) -> None:
    """One container takes no turns with others."""
    there = live(CHAT).deployments["one"]
    endpoints = tuple(attrs.evolve(each, containers=running) for each in there.endpoints)
    held = live(CHAT, deployments={"one": attrs.evolve(there, endpoints=endpoints)})
    made = plan(app("one", chat=attrs.evolve(BASE, port=9000)), live=held)
    assert [change.reason for change in made.changes()] == [f"rolling: {said}"]


def test_a_plan_lists_its_actions_once() -> None:
    """However many there are, the details are not followed by a list of the same."""
    text = plan_text(plan(*(app(name, chat=BASE) for name in "abcdefgh")), NOTHING, now=0)
    assert all(text.count(f" + app.{name}\n") == 1 for name in "abcdefgh")


def test_what_was_accepted_is_listed_where_something_changes() -> None:
    """A plan that does nothing, and a concise one, only count what the stack accepts."""
    told = {"what": "so", "fix": "do", "why": "why", "source": "a paper"}
    finding = Finding(code="INF070", severity="info", where="chat", **told)
    report = Report(findings=(), accepted=(Accepted(finding=finding, reason="measured"),))
    reason = "Findings: 1 accepted\n  accepted INF070 chat: measured\n"
    assert reason in plan_text(plan(CHAT, report=report), NOTHING, now=0)
    twice = attrs.evolve(plan(CHAT, report=report), accepted=report.accepted * 2)
    assert ("Findings: 2 accepted\n  accepted INF070 chat, 2 times: measured\n") in plan_text(
        twice, NOTHING, now=0
    )
    same = plan_text(plan(CHAT, live=live(CHAT), report=report), live(CHAT), now=0)
    for text in (same, list_text(plan(CHAT, report=report), NOTHING, now=0)):
        assert "Findings: 1 accepted\n\n" in text


def test_what_is_found_in_many_services_is_told_once() -> None:
    """The first stands for all, dots in names or not; another field or text is another finding."""
    names = [f"q{number}-0.6b" for number in range(14)]
    told = {"code": "INF070", "severity": "error", "fix": "do", "why": "why", "source": "a paper"}
    found = [Finding(where=f"{name}.gpu", what="so", **told) for name in names]
    other = Finding(where=f"{names[0]}.port", what="so", **told)
    report = Report(
        findings=(*found, other), accepted=tuple(Accepted(each, "measured") for each in found[:3])
    )
    made = plan(record("one", dict.fromkeys(names, (BASE, IMAGE)), MODULE), report=report)
    text = plan_text(made, NOTHING, now=0)
    assert (
        "Findings: 15 errors, 3 accepted\n"
        "  error INF070 q0-0.6b.gpu: so\n      do\n"
        f"      and 13 more: {', '.join(names[1:11])}, ...\n"
        "  error INF070 q0-0.6b.port: so\n      do\n"
        "  accepted INF070 q0-0.6b.gpu, and 2 more: q1-0.6b, q2-0.6b: measured\n"
    ) in text
    assert "can't be applied\n  - errors among the findings: INF070\n" in text
    page = markdown([(made, NOTHING)], {}, now=0)
    assert f"`INF070 q0-0.6b.gpu: so` `and 13 more: {', '.join(names[1:11])}, ...`\n" in page
    [stack] = json.loads(plan_json_text([(made, NOTHING)], errored=False, now=0))["stacks"]
    assert len(stack["findings"]) == 15


def test_every_command_that_is_named_goes_to_the_same_place() -> None:
    """Whatever a plan says to run next has the target and the environment that it was made for."""
    made = plan(CHAT)
    assert made.command("apply") == "infra apply stacks/dev.py --target local --env main"
    there = attrs.evolve(made, target="modal", environment="")
    assert there.command("status") == "infra status stacks/dev.py"


def test_the_gravest_comes_first() -> None:
    """What is lost is read first, what is gained last."""
    before = app("one", a=MOUNTED, b=BASE, c=BASE, d=BASE)
    after = app(
        "one",
        e=BASE,
        d=attrs.evolve(BASE, model="c/d"),
        c=attrs.evolve(BASE, class_name="Server"),
        a=BASE,
    )
    made = plan(after, live=live(before))
    order = [Action.DELETE, Action.REPLACE, Action.UPDATE, Action.CREATE, Action.FORGET]
    happens = list(actions(made).values())
    assert happens == sorted(happens, key=order.index)
    assert set(happens) == set(order)
    assert made.counts() == {"destroy": 3, "add": 3, "change": 2, "forget": 1}


def test_an_app_that_the_stack_does_not_hold_any_more_is_stopped() -> None:
    """What was once deployed from a stack goes when it is taken out of it."""
    other = app("two", draft=BASE)
    made = plan(CHAT, live=live(CHAT, other))
    assert actions(made) == {
        "app.two": Action.DELETE,
        "image.draft": Action.DELETE,
        "service.draft": Action.DELETE,
    }
    assert [(each.app, each.artifact is None) for each in made.apps] == [
        ("one", False),
        ("two", True),
    ]


def test_destroy_wants_nothing() -> None:
    """Every App goes; every Volume, with what is in it, stays."""
    deployed = app("one", chat=MOUNTED)
    made = plan(deployed, live=live(deployed), destroy=True)
    assert made.destroy
    assert actions(made) == {
        "app.one": Action.DELETE,
        "image.chat": Action.DELETE,
        "service.chat": Action.DELETE,
        "volume.one": Action.FORGET,
    }


ONE, TWO = app("one", chat=MOUNTED), app("two", draft=MOUNTED)


def test_a_volume_that_apps_share_is_counted_once() -> None:
    """Two Apps create, or forget, one Volume between them."""
    made = plan(ONE, TWO)
    assert actions(made)["volume.one"] is Action.CREATE
    assert made.counts() == {"add": 7}
    gone = plan(ONE, TWO, live=live(ONE, TWO), destroy=True)
    assert gone.counts() == {"destroy": 6, "forget": 1}


def test_a_volume_that_another_app_uses_is_not_forgotten() -> None:
    """The plan does not say of a Volume in use that it is no longer used."""
    assert "volume.one" not in actions(plan(ONE, live=live(ONE, TWO)))
    assert plan(live=live(ONE, TWO)).counts()["forget"] == 1


def test_a_volume_that_was_deleted_is_created_again() -> None:
    """Each App that mounts it is deployed anew, or it would go on with the one that is gone."""
    made = plan(ONE, TWO, live=live(ONE, TWO, volumes={"one": False}))
    assert actions(made) == {"volume.one": Action.CREATE}
    assert [bool(each.changes) for each in made.apps] == [True, True]
    assert made.counts() == {"add": 1}


def test_a_volume_that_is_there_is_not_created() -> None:
    """An App that starts to use somebody's Volume adds nothing by that."""
    assert "volume.one" not in actions(plan(ONE, live=live(volumes={"one": True})))
    made = plan(ONE, live=live(CHAT, volumes={"one": True}))
    assert actions(made) == {"service.chat": Action.UPDATE}


@pytest.mark.parametrize(
    ("stack", "owner"), [("prod", "stack prod"), (None, "somebody without infra")]
)
def test_an_app_of_somebody_else_is_an_obstacle(stack: str | None, owner: str) -> None:
    """A stack changes its own Apps only; whose the other one is, is said."""
    foreign = attrs.evolve(golden.deployment(CHAT), stack=stack)
    found = attrs.evolve(NOTHING, deployments={"one": foreign})
    (obstacle,) = plan(CHAT, live=found).obstacles
    assert obstacle.startswith(
        f"app.one: {owner} has deployed it (version 7, by alice); "
        "stack dev may change its own Apps only; "
    )
    gone = plan(CHAT, live=found, destroy=True)
    assert len(gone.obstacles) == 1
    assert gone.is_empty()
    assert plan(live=live(CHAT)).obstacles == ()


def test_a_missing_secret_is_an_obstacle() -> None:
    """What Modal would refuse after minutes is said at once, with the command that helps."""
    needy = app("one", chat=SECRET)
    made = plan(needy, live=live(secrets={"token": False}))
    assert made.obstacles == (
        "secret.token: does not exist in main; an App can only be deployed when its Secrets "
        "exist; run `infra local secret set token KEY=VALUE --env main`",
    )
    text = plan_text(made, NOTHING, now=0)
    assert made.obstacles[0] in text
    assert "this plan can't be applied" in text


def test_a_secret_matters_to_what_is_deployed() -> None:
    """An App that does not change, or goes, needs no Secret; nor does one that is there."""
    needy = app("one", chat=SECRET)
    without = {"secrets": {"token": False}}
    assert plan(needy, live=live(needy, **without)).obstacles == ()
    assert plan(needy, live=live(needy, **without), destroy=True).obstacles == ()
    assert plan(needy, live=live(secrets={"token": True})).obstacles == ()
    changed = app("one", chat=attrs.evolve(SECRET, model="c/d"))
    assert len(plan(changed, live=live(needy, **without)).obstacles) == 1


@settings(max_examples=60)
@given(records(), records())
def test_a_plan_leads_to_what_is_wanted(before: Manifest, after: Manifest) -> None:
    """Once it is carried out, the next plan is empty; the counts are those of its changes."""
    made = plan(after, live=live(before))
    assert made.is_empty() == (not list(made.changes()))
    counted = sum(made.counts().values())
    replaced = sum(change.action is Action.REPLACE for change in made.changes())
    assert counted == len(list(made.changes())) + replaced
    assert plan(after, live=live(after)).is_empty()


@settings(max_examples=60)
@given(records(), records("other"), records())
def test_a_plan_is_read_back(before: Manifest, other: Manifest, after: Manifest) -> None:
    """A saved plan is the same plan, and its text is the same text."""
    found = live(before, other)
    made = plan(after, live=found)
    text = to_json(made)
    again = from_json(text, "plan.json")
    assert again == made
    assert to_json(again) == text
    assert plan_text(again, found, now=0) == plan_text(made, found, now=0)


SAVED: dict[str, Any] = json.loads(to_json(plan(CHAT, TWO, live=live(CHAT))))
DAMAGED = {
    "empty": b"",
    "half": to_json(plan(CHAT))[:-100],
    "no JSON": b"\xff\x00",
    "another type": b"[]",
    "a number": b"1",
    "another format": json.dumps(SAVED | {"format_version": "9.0"}).encode(),
    "a field too many": json.dumps(SAVED | {"more": 1}).encode(),
    "Apps of another type": json.dumps(SAVED | {"apps": ["one"]}).encode(),
    "an App without changes": json.dumps(
        SAVED | {"apps": [{k: v for k, v in SAVED["apps"][0].items() if k != "changes"}]}
    ).encode(),
    "a field of another type": json.dumps(SAVED | {"stack": 7}).encode(),
    "a finding without its cure": json.dumps(SAVED | {"findings": [{"code": "INF001"}]}).encode(),
    "an unknown action": json.dumps(SAVED).replace('"create"', '"explode"').encode(),
    **{
        f"without {key}": json.dumps({k: v for k, v in SAVED.items() if k != key}).encode()
        for key in ("format_version", "stack", "stack_file", "target", "environment", "apps")
    },
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_plan_is_refused(text: bytes) -> None:
    """What is no plan is not guessed at: the file is named, with the command that makes one."""
    with pytest.raises(InfraError) as caught:
        from_json(text, ".infra/plan.json")
    assert str(caught.value).startswith(".infra/plan.json: can't be read (")
    assert str(caught.value).endswith("; a plan of format 1.3 is allowed; run `infra plan` again")
    assert from_json(json.dumps(SAVED).encode(), "").stack == "dev"


CHANGED = {
    "code before the text": lambda app: app["artifact"].update(
        source=f"import os\n{app['artifact']['source']}"
    ),
    "code as a setting": lambda app: app["artifact"].update(
        source=app["artifact"]["source"].replace("min_containers=0", "min_containers=os.abort()")
    ),
    "no text": lambda app: app["artifact"].update(source=""),
    "another App's text": lambda app: app.update(artifact=SAVED["apps"][1]["artifact"]),
    "another record": lambda app: app["artifact"]["manifest"].update(stack="prod"),
    "a record without its settings": lambda app: app["artifact"]["manifest"]["resources"][
        "service.chat"
    ].pop("autoscaler"),
    "a file of its own choice": lambda app: app["artifact"].update(module="../../tmp/x"),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_saved_plan_carries_no_other_code(change: Callable[[dict[str, Any]], Any]) -> None:
    """What an apply executes is the text that the plan's record was made with, under its name."""
    data = json.loads(json.dumps(SAVED))
    change(data["apps"][0])
    with pytest.raises(InfraError, match=r"^plan.json: can't be read \("):
        from_json(json.dumps(data).encode(), "plan.json")


def test_colours_are_no_part_of_the_meaning() -> None:
    """With its colours taken away, a coloured plan is the plain one."""
    found = live(ONE)
    made = plan(app("one", chat=BASE, draft=BASE), live=found)

    def style(text: str, colour: str) -> str:
        return f"<{colour}>{text}</>"

    coloured = plan_text(made, found, 0, Style(paint=style))
    assert "<green>" in coloured
    for colour in ("bold", "green", "red", "yellow", "cyan", "magenta"):
        coloured = coloured.replace(f"<{colour}>", "")
    assert coloured.replace("</>", "") == plan_text(made, found, 0)
