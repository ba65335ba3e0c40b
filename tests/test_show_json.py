"""The JSON of plans: what readers of Terraform's plans rely on, for whatever can be planned."""

import json
from pathlib import Path
from typing import Any

import attrs
import golden
from forecasts import ESTIMATES, REPORTS
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from records import BASE, MODULE, OTHER_MODULE, artifact, record, records

import infra
from infra.estimates import ColdStart, Download, Estimate, Kernels
from infra.live import Deployment, Live, Stopped
from infra.manifest import Manifest
from infra.plan import Plan, make_plan
from infra.plan_file import from_json, to_json
from infra.resources import Autoscaler, Image, ImageStep
from infra.rules import Accepted, Finding, Report
from infra.show_json import plan_json, plan_json_text
from infra.stub import Override

SCHEMA = json.loads((Path(infra.__file__).parent / "schemas/plan.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
NOTHING = golden.NOTHING
IMAGE = Image(name="", steps=())
URL = "https://acme--one-chat.modal.run"


def read(*planned: tuple[Plan, Live], **options: Any) -> dict[str, Any]:
    """The plans' JSON as a reader gets it."""
    data: dict[str, Any] = json.loads(plan_json_text(planned, **options))
    return data


def valid(*planned: tuple[Plan, Live], **options: Any) -> dict[str, Any]:
    """The same, held against the schema."""
    data = read(*planned, **options)
    VALIDATOR.validate(data)
    return data


def without(manifest: Manifest, names: set[str]) -> Manifest:
    """The record without some services."""
    gone = {f"{kind}.{name}" for kind in ("service", "image") for name in names}
    kept = {key: held for key, held in manifest.resources.items() if key not in gone}
    return attrs.evolve(manifest, resources=kept)


def names(manifest: Manifest) -> set[str]:
    """The record's services."""
    found = (address.partition(".") for address in manifest.resources)
    return {name for kind, _, name in found if kind == "service"}


@st.composite
def stacks(draw: st.DrawFn) -> list[Manifest]:
    """The records of a stack's Apps; each service is in one of them."""
    first, second = draw(records("one")), draw(records("two"))
    return draw(st.sampled_from([[], [first], [first, without(second, names(first))]]))


@st.composite
def deployments(draw: st.DrawFn, manifest: Manifest) -> Deployment:
    """The App as it was deployed, with what others have done to it since."""
    plain = golden.deployment(manifest)
    endpoints = [
        attrs.evolve(
            each,
            url=draw(st.sampled_from([None, URL])),
            containers=draw(st.sampled_from([None, 0, 1])),
            image_id=draw(st.sampled_from(["im-1", "im-2"])),
            configuration={
                **each.configuration,
                **draw(st.sampled_from([{}, {"gpu": ["L4"]}, {"autoscaler.max_containers": 4}])),
            },
            overrides={"autoscaler.max_containers": Override(by="bob", at=7)},
        )
        for each in plain.endpoints
        if draw(st.sampled_from([True, True, False]))
    ]
    stranger = (
        attrs.evolve(each, name="Stranger") if (each := next(iter(endpoints), None)) else None
    )
    return attrs.evolve(
        plain,
        endpoints=(*endpoints, *draw(st.sampled_from([[], [stranger] if stranger else []]))),
        images=draw(st.sampled_from([{}, {each.name: "im-1" for each in endpoints}])),
        stack=draw(st.sampled_from(["dev", "dev", "dev", None])),
        manifest=draw(st.sampled_from([manifest, manifest, manifest, None])),
        history=(
            attrs.evolve(plain.newest, rolled_back_to=draw(st.sampled_from([None, None, 5]))),
        ),
        has_receipts=draw(st.booleans()),
    )


@st.composite
def planned(draw: st.DrawFn) -> tuple[Plan, Live]:
    """Any plan of a stack, with what it was made from."""
    wanted, deployed = draw(stacks()), draw(stacks())
    live = golden.deployed(*deployed)
    live = attrs.evolve(
        live,
        deployments={each.app: draw(deployments(each)) for each in deployed},
        stopped=draw(st.sampled_from([{}, {"one": Stopped(by="bob", at=7), "two": Stopped()}])),
        volumes={name: draw(st.booleans()) for name in ("one", "two", "three")},
        secrets={name: draw(st.booleans()) for name in ("one", "two")},
    )
    plan = make_plan(
        stack="dev",
        stack_file="dev.py",
        artifacts=[artifact(each) for each in wanted],
        live=live,
        destroy=draw(st.booleans()),
        adopt=draw(st.booleans()),
        commit=draw(st.sampled_from([None, "a1b2c3d-dirty"])),
        report=draw(st.none() | REPORTS),
    )
    estimates = [attrs.evolve(draw(ESTIMATES), service=each) for each in plan.renewed()]
    return attrs.evolve(plan, estimates=tuple(estimates)), live


def test_the_schema_is_one() -> None:
    """What is shipped is a schema of the draft that it names."""
    Draft202012Validator.check_schema(SCHEMA)


@given(planned())
def test_any_plan_keeps_to_the_schema(given: tuple[Plan, Live]) -> None:
    """Whatever can be planned has the shape that is shipped."""
    valid(given)


@given(planned())
def test_a_plan_that_was_saved_has_the_same_json(given: tuple[Plan, Live]) -> None:
    """The text depends on what is planned alone, not on where its data came from."""
    plan, live = given
    again = from_json(to_json(plan), "plan.json")
    assert plan_json_text([(again, live)]) == plan_json_text([given])


@given(planned())
def test_every_resource_is_there_once(given: tuple[Plan, Live]) -> None:
    """What is wanted stands there with an after, what is deployed and goes without one."""
    plan, _ = given
    changes = read(given)["resource_changes"]
    assert len({(each["address"], each.get("deposed")) for each in changes}) == len(changes)
    after = {each["address"] for each in changes if each["change"]["after"] is not None}
    artifacts = [app.artifact for app in plan.apps if app.artifact]
    assert after == {f"app.{each.app}" for each in artifacts} | {
        address
        for each in artifacts
        for address in each.manifest.resources
        if not address.startswith("secret.")
    }


@given(planned())
def test_who_counts_actions_gets_the_plan_s_counts(given: tuple[Plan, Live]) -> None:
    """A replacement counts as a deletion and a creation, which is why actions are lists."""
    actions = [
        action for each in read(given)["resource_changes"] for action in each["change"]["actions"]
    ]
    counts = given[0].counts()
    assert actions.count("create") == counts["add"]
    assert actions.count("update") == counts["change"]
    assert actions.count("delete") == counts["destroy"]
    assert actions.count("forget") == counts["forget"]


@given(planned())
def test_before_and_after_differ_where_something_changes(given: tuple[Plan, Live]) -> None:
    """Who compares the two sees every change, that of what is live only as well."""
    for each in read(given)["resource_changes"]:
        change = each["change"]
        assert (change["before"] == change["after"]) == (change["actions"] == ["no-op"])


@given(st.lists(planned(), min_size=2, max_size=3), st.lists(st.sampled_from("ab"), min_size=3))
def test_addresses_of_several_stacks_are_distinct(
    given: list[tuple[Plan, Live]], stack_names: list[str]
) -> None:
    """Several plans are one list, in which stacks are told apart even if they have one name."""
    named = [
        (attrs.evolve(plan, stack=name), live)
        for (plan, live), name in zip(given, stack_names, strict=False)
    ]
    data = valid(*named)
    alone = [read(each) for each in named]
    for key in ("resource_changes", "resource_drift"):
        found = [(each["address"], each.get("deposed")) for each in data[key]]
        assert len(set(found)) == len(found) == sum(len(each[key]) for each in alone)
    assert len(data["output_changes"]) == sum(len(each["output_changes"]) for each in alone)
    assert len({each["module_address"] for each in data["stacks"]}) == len(named)


def plan(*wanted: Manifest, live: Live = NOTHING, **options: Any) -> tuple[Plan, Live]:
    """The plan of a stack with these Apps."""
    artifacts = [artifact(each) for each in wanted]
    made = make_plan(stack="dev", stack_file="dev.py", artifacts=artifacts, live=live, **options)
    return made, live


def deployed(*manifests: Manifest, **endpoint: Any) -> Live:
    """A target with these Apps, whose services differ from their records in some fields."""
    live = golden.deployed(*manifests)
    for name, each in live.deployments.items():
        changed = tuple(attrs.evolve(one, url=URL, **endpoint) for one in each.endpoints)
        there = {**live.deployments, name: attrs.evolve(each, endpoints=changed)}
        live = attrs.evolve(live, deployments=there)
    return live


def chat(app: str = "one", **fields: Any) -> Manifest:
    """The record of an App with one service."""
    return record(app, {"chat": (attrs.evolve(BASE, **fields), IMAGE)}, MODULE)


def change_of(data: dict[str, Any], address: str, key: str = "resource_changes") -> dict[str, Any]:
    """The only entry of that address."""
    [found] = [each for each in data[key] if each["address"] == address]
    assert isinstance(found, dict)
    return found


def test_a_first_plan() -> None:
    """What is created has nothing before; its URL is known when it is there."""
    data = valid(plan(chat()), now=0)
    service = change_of(data, "service.chat")
    assert service["change"]["actions"] == ["create"]
    assert service["change"]["after"]["model"] == "a/b"
    url = data["output_changes"]["chat"]
    assert (url["actions"], url["before"], url["after"]) == (["create"], None, None)
    assert url["after_unknown"] is True
    assert data["timestamp"] == "1970-01-01T00:00:00Z"
    assert (data["checks"], data["errored"]) == ([], False)


def test_nothing_to_do() -> None:
    """A plan of what is deployed changes nothing, and knows the URL."""
    data = valid(plan(chat(), live=deployed(chat())))
    assert {str(each["change"]["actions"]) for each in data["resource_changes"]} == {"['no-op']"}
    assert data["output_changes"]["chat"]["after"] == URL
    assert "timestamp" not in data


def test_a_replacement_says_what_forces_it() -> None:
    """The fields that force it are named as paths, and the URL is unknown again."""
    made = plan(chat(class_name="Server", model="c/d"), live=deployed(chat()))
    data = valid(made)
    service = change_of(data, "service.chat")
    assert service["change"]["actions"] == ["delete", "create"]
    assert service["change"]["replace_paths"] == [["class_name"]]
    assert (service["tier"], service["reason"]) == ("replace", "replace: it gets another URL")
    assert [field["path"] for field in service["fields"]] == ["class_name", "model"]
    assert data["output_changes"]["chat"]["before"] == URL
    assert data["output_changes"]["chat"]["after_unknown"] is True


def test_a_service_that_moves_leaves_a_deposed_one() -> None:
    """A service of the same name in another App is another object, as Terraform tells such."""
    made = plan(chat("two"), live=deployed(chat("one")))
    data = valid(made)
    entries = [each for each in data["resource_changes"] if each["address"] == "service.chat"]
    assert [(each["change"]["actions"], each.get("deposed")) for each in entries] == [
        (["delete"], "one"),
        (["create"], None),
    ]
    output = data["output_changes"]["chat"]
    assert (output["actions"], output["before"], output["after_unknown"]) == (["update"], URL, True)


def test_what_leaves_the_stack_says_so() -> None:
    """A deletion has its reason, but for a destroy, which needs none."""
    gone = change_of(valid(plan(live=deployed(chat()))), "service.chat")
    assert gone["action_reason"] == "delete_because_no_resource_config"
    destroyed = valid(plan(chat(), live=deployed(chat()), destroy=True))
    assert "action_reason" not in change_of(destroyed, "service.chat")
    assert destroyed["output_changes"]["chat"]["actions"] == ["delete"]


def test_drift_is_what_was_recorded_and_what_is_live() -> None:
    """An override stands in the drift with who and when, and as before in the change."""
    configuration = golden.deployed(chat()).deployments["one"].endpoints[0].configuration
    overridden = deployed(
        chat(),
        configuration={**configuration, "autoscaler.max_containers": 4},
        overrides={"autoscaler.max_containers": Override(by="bob", at=7)},
    )
    data = valid(plan(chat(), live=overridden))
    drift = change_of(data, "service.chat", "resource_drift")
    at = "1970-01-01T00:00:07Z"
    assert drift["events"] == [{"what": "autoscaler was overridden", "by": "bob", "at": at}]
    assert drift["change"]["before"]["autoscaler"] == {"min_containers": 0}
    assert drift["change"]["after"]["autoscaler"] == {"min_containers": 0, "max_containers": 4}
    change = change_of(data, "service.chat")["change"]
    assert change["before"] == drift["change"]["after"]
    assert change["after"] == drift["change"]["before"]


def test_what_is_gone_was_deleted() -> None:
    """A service that is not there any more is drift without an after."""
    live = golden.deployed(chat())
    bare = attrs.evolve(live.deployments["one"], endpoints=())
    data = valid(plan(chat(), live=attrs.evolve(live, deployments={"one": bare})))
    drift = change_of(data, "service.chat", "resource_drift")
    assert drift["change"]["actions"] == ["delete"]
    assert change_of(data, "service.chat")["change"]["actions"] == ["create"]


def test_what_happens_to_an_app_is_drift() -> None:
    """An App that was stopped is gone; one that was rolled back is there, if it is not the same."""
    stopped = attrs.evolve(NOTHING, stopped={"one": Stopped(by="bob", at=7)})
    drift = change_of(valid(plan(chat(), live=stopped)), "app.one", "resource_drift")
    assert drift["change"]["actions"] == ["delete"]
    live = golden.deployed(chat())
    before = live.deployments["one"]
    history = (attrs.evolve(before.newest, rolled_back_to=5),)
    back = attrs.evolve(live, deployments={"one": attrs.evolve(before, history=history)})
    data = valid(plan(chat(model="c/d"), live=back))
    drift = change_of(data, "app.one", "resource_drift")
    assert drift["change"]["actions"] == ["update"]
    at = "1970-01-01T00:00:00Z"
    assert drift["events"] == [{"what": "was rolled back to v5", "by": "alice", "at": at}]


def test_what_others_added_was_created() -> None:
    """A service that is in no record is drift without a before; it goes, and so does its URL."""
    live = deployed(chat())
    before = live.deployments["one"]
    stranger = attrs.evolve(before.endpoints[0], name="Stranger")
    both = attrs.evolve(before, endpoints=(*before.endpoints, stranger))
    data = valid(plan(chat(), live=attrs.evolve(live, deployments={"one": both})))
    drift = change_of(data, "service.Stranger", "resource_drift")
    assert (drift["change"]["actions"], drift["change"]["before"]) == (["create"], None)
    output = data["output_changes"]["Stranger"]
    assert (output["actions"], output["before"], output["after"]) == (["delete"], URL, None)


def test_an_app_that_is_taken_over_keeps_its_url() -> None:
    """A service that infra did not deploy is known by its class."""
    live = deployed(chat())
    foreign = attrs.evolve(live.deployments["one"], stack=None, manifest=None)
    live = attrs.evolve(live, deployments={"one": foreign})
    data = valid(plan(chat(), live=live, adopt=True))
    assert data["output_changes"]["chat"]["after"] == URL
    assert data["stacks"][0]["apps"][0]["adopted"] is True


def test_an_image_is_told_as_its_steps() -> None:
    """The steps that differ are fields; before and after hold them as they are recorded."""
    live = golden.deployed(chat())
    step = ImageStep(method="apt_install", args=("git",))
    image = Image(name="", steps=(step,))
    data = valid(plan(record("one", {"chat": (BASE, image)}, OTHER_MODULE), live=live))
    change = change_of(data, "image.chat")
    assert [field["after"] for field in change["fields"]] == ['apt_install("git")']
    assert change["change"]["before"] == {"name": "chat"}
    steps = [{"call": "apt_install", "args": ["git"]}]
    assert change["change"]["after"] == {"name": "chat", "steps": steps}


def test_what_stands_in_the_way_is_a_failed_check() -> None:
    """A missing Secret fails the plan, and the message is the one of the text."""
    made = plan(chat(secrets=("one", "two")), live=attrs.evolve(NOTHING, secrets={"two": False}))
    data = valid(made)
    [check] = data["checks"]
    assert check["address"]["name"] == "secret.two"
    assert check["instances"][0]["problems"] == [{"message": made[0].obstacles[0]}]
    assert data["errored"] is True


def test_a_plan_that_could_not_be_made_is_told() -> None:
    """What could be planned is there, and the whole says that it is not all."""
    assert valid(plan(chat()), errored=True)["errored"] is True
    assert valid(errored=True)["resource_changes"] == []


def test_what_was_left_out_is_not_said_to_stay() -> None:
    """An App that the command line left out is in no list of resources."""
    made, live = plan(chat(), live=deployed(chat(model="c/d")))
    [app] = made.apps
    narrowed = attrs.evolve(made, apps=(attrs.evolve(app, changes=()),), left_out=("one",))
    data = valid((narrowed, live))
    assert data["resource_changes"] == []
    assert data["stacks"][0]["left_out"] == ["one"]


def test_a_stack_as_a_whole() -> None:
    """Target, base and counts stand there for each stack."""
    made = plan(chat(model="c/d"), live=deployed(chat()), commit="a1b2c3d")
    [stack] = plan_json([made])["stacks"]
    assert stack["counts"] == {"add": 0, "change": 1, "destroy": 0, "forget": 0}
    assert (stack["workspace"], stack["commit"]) == ("local", "a1b2c3d")
    base = {"app_id": "ap-one", "version": 7, "fingerprint": chat().fingerprint, "autoscalers": {}}
    assert stack["apps"][0]["base"] == base
    assert stack["apps"][0]["tier"] == "rolling"


def test_what_it_costs_is_in_numbers() -> None:
    """A policy reads the floor before and after; what is not known is null, and no zero."""
    live = golden.deployed(chat(gpu=("T4",), autoscaler=Autoscaler(min_containers=1)))
    data = valid(plan(chat(gpu=("B300",), autoscaler=Autoscaler(min_containers=1)), live=live))
    found = data["stacks"][0]["cost"]
    assert (found["currency"], found["rates"]) == ("USD", "list prices of 2026-05-07")
    assert found["floor"]["before"]["per_hour"] == [0.5969, 0.5969]
    assert found["floor"]["before"]["per_month"] == [435.73, 435.73]
    assert found["floor"]["after"] is None
    [service] = found["services"]
    assert service["before"]["unknown_gpus"] == []
    assert service["after"]["unknown_gpus"] == ["B300"]
    assert service["after"]["max_containers"] is service["after"]["replica"] is None


def test_findings_are_told_with_all_that_is_known_of_them() -> None:
    """A finding has its code, its reason and its cure; an accepted one has why it stays."""
    finding = Finding(
        code="INF007",
        severity="warning",
        where="chat.gpu",
        what="so",
        why="since",
        fix="do",
        source="seen",
    )
    report = Report(findings=(finding,), accepted=(Accepted(finding=finding, reason="known"),))
    [told] = valid(plan(chat(), report=report))["stacks"]
    assert told["findings"] == [finding._asdict()]
    assert told["accepted"] == [{**finding._asdict(), "reason": "known"}]
    assert told["estimates"] == []


def test_kernels_say_why_they_are_compiled_again() -> None:
    """Of the fields that kernels depend on, those are told that change."""
    kernels = Kernels(
        name="DeepGEMM",
        state="kept in a Volume",
        seconds=None,
        depends_on=("gpu", "engine --tp-size", "steps"),
        source="seen",
    )
    download = Download(
        name="some/model", bytes=10**9, seconds=(3.0, 10.0), depends_on=("model", "gpu")
    )
    start = ColdStart(load_bytes=None, load_seconds=None, kernels=(kernels,), downloads=(download,))
    estimate = Estimate(service="service.chat", memory=None, start=start)
    image = Image(name="", steps=(ImageStep(method="apt_install", args=("git",)),))
    parts = {"chat": (attrs.evolve(BASE, gpu=("L4",), cpu=2.0), image)}
    wanted = record("one", parts, OTHER_MODULE)
    (made, live) = plan(wanted, live=golden.deployed(chat()))
    told = valid((attrs.evolve(made, estimates=(estimate,)), live))
    [held] = told["stacks"][0]["estimates"][0]["start"]["kernels"]
    assert held["compiled_again_by"] == ["steps[0]", "gpu"]
    [held] = told["stacks"][0]["estimates"][0]["start"]["downloads"]
    assert held["needed_by"] == ["gpu"]
    fresh, nothing = plan(wanted)
    told = valid((attrs.evolve(fresh, estimates=(estimate,)), nothing))
    assert told["stacks"][0]["estimates"][0]["start"]["kernels"][0]["compiled_again_by"] == []
