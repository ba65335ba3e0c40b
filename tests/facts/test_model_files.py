"""Figures in files: the stack's own, pulled ones, the Hub's cache, in that order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.errors import InfraError, InvalidStack
from infra.facts.models import ModelFacts, model_of
from infra.model_files import facts, hub_cache, pulled_file, read_json, weight_bytes
from infra.project import open_project
from infra.resources import ModelUse

NAME = "some/model"
COMMIT = "220b46e3b2180893580a4454f21f22d3ebb187d3"
OTHER = "0" * 40
STACK = """
from components import InferenceService, ImageSpec, Model, ModelFacts
from infra import App, Stack

service = InferenceService(
    name="chat",
    model=Model("some/model", facts={facts}),
    gpu="H100",
    image=ImageSpec.from_registry("lmsysorg/sglang:v0.5.11"),
)
stack = Stack("dev", services=[service])
"""


def config(**figures: Any) -> dict[str, Any]:
    """A small config.json."""
    return {"architectures": ["LlamaForCausalLM"], **figures}


def written(path: Path, data: Any) -> Path:
    """A JSON file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that infra is run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def snapshot(hub: Path, commit: str = COMMIT, **figures: Any) -> Path:
    """A model in the Hub's cache, as its client lays it out."""
    repository = hub / "models--some--model"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    return written(repository / "snapshots" / commit / "config.json", config(**figures)).parent


def test_precedence(folder: Path) -> None:
    """The stack is above its file, that above what was pulled, that above the Hub's cache."""
    snapshot(folder / "hub", num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)
    cache = folder / "hub"
    bare = ModelUse(name=NAME)
    assert (found := facts(bare, cache)).layers == 1
    assert found.source("layers") == "config.json of some/model at 220b46e, in the Hub's cache"

    pulled = pulled_file(NAME, None)
    written(pulled, {"model": NAME, "config": config(num_hidden_layers=2, num_attention_heads=2)})
    assert (found := facts(bare, cache)).layers == 2
    assert (found.heads, found.kv_heads) == (2, 2)
    assert found.source("layers") == "models/some--model/main.json"

    written(folder / "qwen.json", config(num_hidden_layers=3))
    assert (found := facts(ModelUse(name=NAME, facts="qwen.json"), cache)).layers == 3
    assert found.heads == 2

    both = ModelFacts(weight_bytes=9_440_000_000, config="qwen.json")
    found = facts(ModelUse(name=NAME, facts=both), cache)
    assert (found.weight_bytes, found.layers, found.heads) == (9_440_000_000, 3, 2)
    assert found.source("weight_bytes") == "the stack"

    given = ModelUse(name=NAME, facts=ModelFacts(layers=4))
    assert (found := facts(given, cache)).layers == 4
    assert found.source("layers") == "the stack"
    assert found.heads == 2


@pytest.mark.parametrize(
    "environ",
    [
        {"HF_HUB_CACHE": "{folder}/hub"},
        {"HF_HOME": "{folder}"},
        {"XDG_CACHE_HOME": "{folder}/caches"},
        {"HOME": "{folder}/home"},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_the_hub_s_cache_is_where_its_client_keeps_it(
    folder: Path, environ: dict[str, str]
) -> None:
    """Each of huggingface_hub's variables moves the cache, and without them it is in the home."""
    places = {
        "HF_HUB_CACHE": "hub",
        "HF_HOME": "hub",
        "XDG_CACHE_HOME": "caches/huggingface/hub",
        "HOME": "home/.cache/huggingface/hub",
    }
    (name,) = environ
    snapshot(folder / places[name], num_hidden_layers=7)
    cache = hub_cache({name: environ[name].format(folder=folder)})
    found = facts(ModelUse(name=NAME), cache)
    assert found.layers == 7


def test_a_revision_is_that_one(folder: Path) -> None:
    """A pinned model is not described by another commit; a branch is followed by its name."""
    cache = folder
    snapshot(folder, COMMIT, num_hidden_layers=5)
    assert facts(ModelUse(name=NAME, revision=COMMIT), cache).layers == 5
    assert facts(ModelUse(name=NAME, revision="main"), cache).layers == 5
    assert facts(ModelUse(name=NAME, revision=OTHER), cache).layers is None
    written(pulled_file(NAME, OTHER), {"model": NAME, "config": config(num_hidden_layers=6)})
    assert facts(ModelUse(name=NAME, revision=OTHER), cache).layers == 6


def test_weights_are_counted(folder: Path) -> None:
    """Their index says how many bytes they have; without one, their files do."""
    place = snapshot(folder)
    (place / "a.safetensors").write_bytes(b"12345")
    (place / "b.safetensors").write_bytes(b"678")
    assert weight_bytes(place) == 8
    written(place / "model.safetensors.index.json", {"metadata": {"total_size": 99}})
    assert facts(ModelUse(name=NAME), folder).weight_bytes == 99


def test_a_broken_cache_is_passed_over(folder: Path) -> None:
    """What the Hub's client has half written does not keep a plan from being made."""
    place = snapshot(folder)
    (place / "config.json").write_text('{"architectures": [')
    assert facts(ModelUse(name=NAME), folder) == ModelFacts()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "can't be read"),
        (b"[1]", "it is no object"),
        (b'{"architectures": ["A"], "num_hidden_layers": NaN}', "NaN is no JSON"),
        (b"\xff\xfe{}", "can't be read"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"model": "a", "config": {}, "weight_bytes": -1}', "weight_bytes is -1"),
        (b'{"model": "a", "config": 3}', "is no config.json of a model"),
    ],
)
def test_a_file_of_the_stack_has_to_be_sound(folder: Path, text: bytes, said: str) -> None:
    """What the stack names is read strictly, and its error names the file."""
    (folder / "odd.json").write_bytes(text)
    with pytest.raises(InfraError) as refused:
        facts(ModelUse(name=NAME, facts="odd.json"), None)
    assert str(refused.value).startswith("odd.json: ")
    assert said in str(refused.value)


def test_a_huge_file_is_not_read(folder: Path) -> None:
    """A file that can't be a config.json by its size is refused before it is read."""
    with (folder / "huge.json").open("wb") as file:
        file.truncate(2**40)  # a hole: it takes no room
    with pytest.raises(InfraError, match="more than 67108864 bytes"):
        read_json(folder / "huge.json")


@pytest.fixture
def project(folder: Path) -> Callable[[str], Any]:
    """A stack file with these facts of its model."""

    def write(given: str) -> Any:
        path = folder / "stack.py"
        path.write_text(STACK.replace("{facts}", given))
        return open_project(path)

    return write


def test_a_project_knows_its_models(project: Callable[[str], Any], folder: Path) -> None:
    """A stack's figures and its files' reach the services; what is compiled is the same."""
    written(folder / "models" / "m.json", config(num_hidden_layers=8))
    bare, given, named = map(project, ("None", "ModelFacts(layers=9)", "'models/m.json'"))
    services = [each.known_apps[0].services[0] for each in (bare, given, named)]
    layers = [model_of(each.model, each.models).layers for each in services]
    assert layers == [None, 9, 8]
    assert bare.artifacts == given.artifacts == named.artifacts


def test_a_missing_file_is_told(project: Callable[[str], Any]) -> None:
    """A plan says which file is not there; generating modules does not need it."""
    made = project("'models/none.json'")
    with pytest.raises(InvalidStack) as refused:
        _ = made.known_apps
    (problem,) = refused.value.problems
    assert problem == (
        "models/none.json: is not there; a config.json of a model is allowed; copy it from the "
        "model's repository, or run `infra model pull`"
    )


def test_findings_are_the_same_on_every_machine(
    project: Callable[[str], Any], folder: Path
) -> None:
    """What only this machine's cache says of a model is in the estimates, and stops no apply."""
    place = snapshot(folder / "hub", num_attention_heads=3, num_key_value_heads=3)
    written(place / "model.safetensors.index.json", {"metadata": {"total_size": 10**12}})
    elsewhere = project("None")
    here = open_project(elsewhere.path, folder / "hub")
    assert here.report() == elsewhere.report()
    loaded = [each.estimates(["service.chat"])[0].start.load_bytes for each in (here, elsewhere)]
    assert loaded == [10**12, None]
    pulled = {"model": NAME, "config": config(), "weight_bytes": 10**12}
    written(pulled_file(NAME, None), pulled)
    codes = {each.code for each in open_project(elsewhere.path).report().findings}
    assert "INF071" in codes
