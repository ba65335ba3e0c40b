"""Two records in, their differences out: nothing invented, nothing overlooked."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import records

from infra.diff import Action, Change, diff
from infra.manifest import Manifest

SERVICE = {
    "name": "chat",
    "class_name": "Chat",
    "model": "a/b",
    "gpu": ["H100:2"],
    "routing": {
        "front_door": "http_server",
        "proxy_regions": ["us-east"],
        "target_inputs": 10,
        "unauthenticated": False,
    },
    "autoscaler": {"min_containers": 1},
    "engine": {"--tp-size": "2", "--enable-metrics": True},
    "follows": {"--tp-size": "gpu"},
    "volumes": {"/cache": "huggingface-cache"},
    "secrets": ["token"],
}
IMAGE = {
    "name": "chat",
    "steps": [
        {"call": "from_registry", "args": ["base:1"]},
        {"call": "entrypoint", "args": [[]]},
        {"call": "env", "args": [{"A": "1"}]},
    ],
    "builds": [{"command": ["hf", "download"], "gpu": False}],
}


def record(module: str = "x" * 64, **resources: dict[str, Any]) -> Manifest:
    """The record of an App with one service, with some resources changed."""
    all_resources: dict[str, Any] = {
        "volume.huggingface-cache": {"name": "huggingface-cache"},
        "secret.token": {"name": "token"},
        "image.chat": IMAGE,
        "service.chat": SERVICE,
    }
    named = {key.replace("_", ".", 1): held for key, held in resources.items()}
    return Manifest(stack="dev", app="app", module=module, resources=all_resources | named)


def one(before: Manifest, after: Manifest) -> Change:
    """The only change."""
    (change,) = diff(before, after)
    return change


def fields(change: Change) -> dict[str, tuple[Any, Any]]:
    """What differs, by path."""
    return {field.path: (field.before, field.after) for field in change.fields}


@given(records())
def test_a_record_does_not_differ_from_itself(same: Manifest) -> None:
    """Nothing changed means nothing to say, and nothing between two Apps that are not there."""
    assert diff(same, same) == ()
    assert diff(None, None) == ()


@given(records())
def test_a_record_does_not_differ_from_what_is_read_back(same: Manifest) -> None:
    """A record that went through a file is still the same, and so is every step in it."""
    stored = Manifest.from_json(same.to_json(), same.fingerprint)
    assert diff(stored, same) == diff(same, stored) == ()


@pytest.mark.parametrize(
    ("key", "before", "after", "tier"),
    [
        ("timeout", 3600, 7200, "rolling"),
        ("timeout", None, 7200, "rolling"),
        ("gpu", False, True, "rebuild"),
        ("engine_flags", ["--tp-size"], ["--tp-size", "--revision"], "rebuild"),
    ],
)
def test_a_build_differs_in_more_than_its_command(
    key: str, before: Any, after: Any, tier: str
) -> None:
    """What a build is run with is told by its name, as of the second of two of one command."""
    first = {"command": ["hf", "download"]}

    def built(value: Any) -> Manifest:
        build = {**first, key: value} if value is not None else first
        return record(
            "y" * 64 if value == after else "x" * 64, image_chat=IMAGE | {"builds": [first, build]}
        )

    change = one(built(before), built(after))
    assert (change.address, change.tier) == ("image.chat", tier)
    assert fields(change) == {f"builds[1].{key}": (before, after)}


@given(records(), records())
def test_what_was_stored_shows_no_other_change(before: Manifest, after: Manifest) -> None:
    """A change is told alike whether its record was stored or not."""
    stored = Manifest.from_json(before.to_json(), before.fingerprint)
    told = {change.address: sorted(fields(change).items()) for change in diff(before, after)}
    assert {c.address: sorted(fields(c).items()) for c in diff(stored, after)} == told


@given(records())
def test_an_app_that_is_not_there_is_created_whole(after: Manifest) -> None:
    """Everything but Secrets, which are nobody's to create here, comes into being."""
    changes = diff(None, after)
    wanted = [key for key in after.resources if not key.startswith("secret.")]
    assert [change.address for change in changes] == ["app.app", *wanted]
    assert {change.action for change in changes} == {Action.CREATE}
    assert all(field.before is None for change in changes for field in change.fields)


@given(records())
def test_an_app_that_goes_takes_no_volume_along(before: Manifest) -> None:
    """Volumes hold data: they are forgotten, and all else is deleted."""
    for change in diff(before, None):
        is_volume = change.address.startswith("volume.")
        assert change.action is (Action.FORGET if is_volume else Action.DELETE)
        assert change.after is None
        assert all(field.after is None for field in change.fields)


@given(records(), records())
def test_a_change_says_what_differs(before: Manifest, after: Manifest) -> None:
    """No change without a field, no field whose value is what it was, no field twice."""
    for change in diff(before, after):
        if change.action in (Action.UPDATE, Action.REPLACE):
            assert change.fields
        paths = [field.path for field in change.fields if "[" not in field.path]
        assert len(paths) == len(set(paths))
        assert all(field.before != field.after for field in change.fields)


@given(records(), records())
def test_the_way_back_touches_the_same(before: Manifest, after: Manifest) -> None:
    """What a change does, its inverse undoes: the same resources, the values turned round."""
    there = {change.address: change for change in diff(before, after)}
    back = {change.address: change for change in diff(after, before)}
    assert there.keys() == back.keys()
    inverse = {
        Action.CREATE: {Action.DELETE, Action.FORGET},
        Action.DELETE: {Action.CREATE},
        Action.FORGET: {Action.CREATE},
        Action.UPDATE: {Action.UPDATE},
        Action.REPLACE: {Action.REPLACE},
    }
    for address, change in there.items():
        assert back[address].action in inverse[change.action]
        plain = {path: values for path, values in fields(change).items() if "[" not in path}
        turned = {path: values[::-1] for path, values in fields(back[address]).items()}
        assert plain == {path: values for path, values in turned.items() if "[" not in path}


@given(records(), records())
def test_what_is_not_told_is_the_same(before: Manifest, after: Manifest) -> None:
    """A resource without a change is equal in both records, but for where a value comes from."""
    told = {change.address for change in diff(before, after)}

    def rest(manifest: Manifest) -> dict[str, dict[str, Any]]:
        return {
            key: {name: value for name, value in held.items() if name != "follows"}
            for key, held in manifest.resources.items()
            if key not in told and not key.startswith("secret.")
        }

    assert rest(before) == rest(after)
    assert told or before.module == after.module


@pytest.mark.parametrize(
    ("path", "value", "action"),
    [
        ("class_name", "Server", Action.REPLACE),
        ("routing.front_door", "server", Action.REPLACE),
        ("routing.proxy_regions", ["us-west"], Action.REPLACE),
        ("model", "c/d", Action.UPDATE),
        ("gpu", ["H200:2"], Action.UPDATE),
        ("routing.target_inputs", 16, Action.UPDATE),
        ("routing.unauthenticated", True, Action.UPDATE),
        ("autoscaler.min_containers", 0, Action.UPDATE),
        ("secrets", ["other"], Action.UPDATE),
    ],
)
def test_a_field_changes(path: str, value: Any, action: Action) -> None:
    """What Modal keeps under an identity is replaced with it; all else is changed as it is."""
    outer, _, inner = path.partition(".")
    held = {**SERVICE[outer], inner: value} if inner else value  # type: ignore[dict-item]
    before = SERVICE[outer][inner] if inner else SERVICE[outer]  # type: ignore[index]
    change = one(record(), record(service_chat=SERVICE | {outer: held}))
    assert (change.address, change.action) == ("service.chat", action)
    assert fields(change) == {path: (before, value)}


@pytest.mark.parametrize(
    ("engine", "changed"),
    [
        ({"--tp-size": "4", "--enable-metrics": True}, {"engine --tp-size": ("2", "4")}),
        ({"--tp-size": "2"}, {"engine --enable-metrics": (True, None)}),
        (
            {"--tp-size": "2", "--enable-metrics": True, "--name": ["a", "b"]},
            {"engine --name": (None, ["a", "b"])},
        ),
        ({"--enable-metrics": True, "--tp-size": "2"}, {}),
    ],
)
def test_a_flag_changes(engine: dict[str, Any], changed: dict[str, tuple[Any, Any]]) -> None:
    """Each flag is a field of its own, wherever it stands in the command line."""
    changes = diff(record(), record(service_chat=SERVICE | {"engine": engine}))
    assert [fields(change) for change in changes] == ([changed] if changed else [])


def test_a_derived_flag_names_what_it_follows() -> None:
    """Whoever changes one field is told why another one changes, too."""
    engine = {**SERVICE["engine"], "--tp-size": "4"}  # type: ignore[dict-item]
    change = one(record(), record(service_chat=SERVICE | {"gpu": ["H100:4"], "engine": engine}))
    assert {field.path: field.follows for field in change.fields} == {
        "gpu": None,
        "engine --tp-size": "gpu",
    }


def test_where_a_value_comes_from_is_no_change() -> None:
    """A derived value that is now given, and is what it was, deploys nothing."""
    assert diff(record(), record(service_chat=SERVICE | {"follows": {}})) == ()


@pytest.mark.parametrize(
    ("volumes", "changed"),
    [
        ({"/cache": "other"}, {"volumes /cache": ("huggingface-cache", "other")}),
        (
            {"/elsewhere": "huggingface-cache"},
            {
                "volumes /cache": ("huggingface-cache", None),
                "volumes /elsewhere": (None, "huggingface-cache"),
            },
        ),
    ],
)
def test_a_mount_changes(volumes: dict[str, str], changed: dict[str, tuple[Any, Any]]) -> None:
    """A mount is known by its path."""
    assert fields(one(record(), record(service_chat=SERVICE | {"volumes": volumes}))) == changed


STEP = {"call": "run_commands", "args": ["make"], "kwargs": {"gpu": "H100"}}
STEPS: list[dict[str, Any]] = IMAGE["steps"]  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("steps", "changed"),
    [
        ([*STEPS, STEP], {"steps[3]": (None, 'run_commands("make", gpu="H100")')}),
        (
            [STEPS[0], STEP, *STEPS[1:]],
            {"steps[1]": (None, 'run_commands("make", gpu="H100")')},
        ),
        (STEPS[:1] + STEPS[2:], {"steps[1]": ("entrypoint([])", None)}),
        (
            [*STEPS[:2], {"call": "env", "args": [{"A": "2"}]}],
            {"steps[2]": ('env({"A": "1"})', 'env({"A": "2"})')},
        ),
        (
            [{"call": "from_registry", "args": ["base:2"]}, *STEPS[1:]],
            {"steps[0]": ('from_registry("base:1")', 'from_registry("base:2")')},
        ),
    ],
)
def test_a_step_changes(steps: list[dict[str, Any]], changed: dict[str, tuple[Any, Any]]) -> None:
    """A step more or less is one line, not every step behind it."""
    change = one(record(), record(image_chat=IMAGE | {"steps": steps}))
    assert (change.address, change.action) == ("image.chat", Action.UPDATE)
    assert fields(change) == changed


def test_a_build_command_changes() -> None:
    """A command of the build is shown as it is run."""
    builds = [{"command": ["hf", "download", "a/b"], "gpu": False}]
    change = one(record(), record(image_chat=IMAGE | {"builds": builds}))
    assert fields(change) == {"builds[0]": ('run("hf download")', 'run("hf download a/b")')}


def test_a_module_changes() -> None:
    """A new template deploys the App anew, which is told where nothing else is."""
    change = one(record(), record(module="y" * 64))
    assert (change.address, change.action) == ("app.app", Action.UPDATE)
    assert fields(change) == {"module": ("x" * 12, "y" * 12)}
    other = diff(record(), record(module="y" * 64, service_chat=SERVICE | {"model": "c/d"}))
    assert [change.address for change in other] == ["service.chat"]


def test_a_volume_is_forgotten() -> None:
    """A Volume that no service mounts any more stays where it is."""
    resources = dict(record().resources)
    del resources["volume.huggingface-cache"]
    after = attrs.evolve(
        record(service_chat=SERVICE | {"volumes": {}}),
        resources={**resources, "service.chat": SERVICE | {"volumes": {}}},
    )
    actions = {change.address: change.action for change in diff(record(), after)}
    assert actions == {
        "volume.huggingface-cache": Action.FORGET,
        "service.chat": Action.UPDATE,
    }


@given(st.sampled_from([None, record()]), st.sampled_from([None, record()]))
def test_a_secret_is_never_changed(before: Manifest | None, after: Manifest | None) -> None:
    """Secrets are somebody else's: they show as a service's field only."""
    assert not [each for each in diff(before, after) if each.address.startswith("secret.")]
