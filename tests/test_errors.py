"""Every mistake in a stack file is told at once, in words, with what to do about it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.errors import InvalidStack
from infra.project import open_project

STACK = Path("stacks/dev.py")
IMPORTS = """\
from components import *
from infra import App, Stack

IMAGE = ImageSpec.from_registry("lmsysorg/sglang:v0.5.11")
OWN = {"model": "Qwen/Qwen3-8B-FP8", "gpu": "H100", "image": IMAGE}
"""
NAME = "a name of up to 63 letters, digits, '.', '_' and '-', a letter or digit first,"
MEND = "a stack file that runs through is allowed; mend the line"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which the commands are run in."""
    monkeypatch.chdir(tmp_path)
    STACK.parent.mkdir()
    return tmp_path


def problems(path: Path = STACK) -> list[str]:
    """What is said of the stack file, line by line."""
    with pytest.raises(InvalidStack) as caught:
        open_project(path)
    assert caught.value.exit_code == 1
    first, *lines = str(caught.value).splitlines()
    if not lines:  # the file's name is not said twice
        assert first.startswith(f"{path}:")
        return [first]
    assert first == f"{path} has {len(lines)} problem{'s' if len(lines) > 1 else ''}:"
    assert all(line.startswith("  - ") and line.count("; ") >= 2 for line in lines)
    return [line.removeprefix("  - ") for line in lines]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("stacks/prod.py", "is not there; a stack file is allowed; write stacks/dev.py"),
        ("stacks", "is a folder; a stack file is allowed; write stacks/dev.py"),
        ("none/dev.py", "is not there; a stack file is allowed; write the path of one"),
    ],
)
def test_a_path_of_no_file(path: str, problem: str) -> None:
    """Whoever mistypes a path is shown the stack files that are near it, and no other files."""
    STACK.write_text("stack = None")
    Path("stacks/services.py").write_text("x = 1")
    assert problems(Path(path)) == [f"{path}: {problem}"]


def test_a_file_of_another_kind() -> None:
    """Only a Python file is run."""
    Path("stack.yaml").write_text("stack: dev")
    said = "stack.yaml: is no Python file; a name that ends in .py is allowed; rename it"
    assert problems(Path("stack.yaml")) == [said]


WHOLE_FILES = {
    "syntax": (
        "x = 1\ndef f(:\n",
        "stacks/dev.py:2: invalid syntax; a stack file is Python; mend the line",
    ),
    "bytes": (
        "x = '\0'",
        "stacks/dev.py: source code string cannot contain null bytes; a stack file is Python; "
        "mend the line",
    ),
    "raises": ("x = 1\n{}[x]\n", f"stacks/dev.py:2: raises KeyError: 1; {MEND}"),
    "exits": ("import sys\nsys.exit(0)\n", f"stacks/dev.py:2: raises SystemExit: 0; {MEND}"),
    "exits silently": ("raise SystemExit", f"stacks/dev.py:1: raises SystemExit; {MEND}"),
    "empty": (
        "",
        "stacks/dev.py: there is no `stack`; a Stack is allowed; "
        "write stack = Stack('dev', apps=[...])",
    ),
    "another type": (
        "stack = []",
        "stacks/dev.py: `stack` is a list; a Stack is allowed; "
        "write stack = Stack('dev', apps=[...])",
    ),
    "no such module": (
        "import stacks.nowhere",
        f"stacks/dev.py:1: raises ModuleNotFoundError: No module named 'stacks.nowhere'; {MEND}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_a_file_that_gives_no_stack(text: str, problem: str) -> None:
    """The message points at the line and repeats what Python says of it."""
    STACK.write_text(text)
    assert problems() == [problem]


KEYWORDS = {
    "App('a', service=[])": "App has no 'service'; name, services are allowed; write services=",
    "WeightCache('v', mount='/x')": "WeightCache has no 'mount'; volume, mount_path, secret, "
    "high_performance, download_at_build are allowed; write mount_path=",
    "WeightCache('v', zzz=1)": "WeightCache has no 'zzz'; volume, mount_path, secret, "
    "high_performance, download_at_build are allowed; take it out",
    "SpeculativeDecoding.ngram(num_draft_token=3)": "SpeculativeDecoding.ngram() has no "
    "'num_draft_token'; num_draft_tokens are allowed; write num_draft_tokens=",
    "IMAGE.uv_pip_install('x', extra_option='')": "ImageSpec.uv_pip_install() has no "
    "'extra_option'; packages, extra_options are allowed; write extra_options=",
    "InferenceService(name='a', gpu='H100')": "raises TypeError: InferenceService.__init__() "
    f"missing 2 required keyword-only arguments: 'model' and 'image'; {MEND}",
}


@pytest.mark.parametrize(("text", "problem"), KEYWORDS.items(), ids=KEYWORDS)
def test_a_misspelt_keyword(text: str, problem: str) -> None:
    """A keyword that a component does not have is answered with those that it has."""
    STACK.write_text(IMPORTS + text)
    assert problems() == [f"stacks/dev.py:6: {problem}"]


FIELDS = {
    """Stack("dev", services=[InferenceService(
        name="a b", model={"a": 1}, gpu="H100:9", image=None, routing="us-east", engine="sglang",
        weights=WeightCache("a b", mount_path="x/../y", secret="", high_performance="yes"),
        kernels=KernelCache("k", caches=[""], env=[1], compile_timeout=0),
        speculative=SpeculativeDecoding("eagle", num_steps=0, draft_model_revision="b7"),
        parts=[1, EngineArguments], min_containers="1", port=0, scaledown_window=1,
        startup_timeout=True, cpu=float("inf"), secrets=[1], environment={"A B": "x"},
        class_name="server",
    )])""": [
        "a b.name: 'a b' does not fit; a name of up to 63 letters, digits, '.', '_' and '-', a "
        "letter first, is allowed; write name='qwen3-8b', for example",
        "a b.model: {'a': 1} is a dict; Model is allowed; write model=Model(...)",
        "a b.gpu: 'H100:9' does not fit; a GPU, and behind a colon how many of them, 1 to 8, is "
        "allowed; write gpu='H100:2', for example",
        "a b.image: is None; ImageSpec is allowed; "
        "write image=ImageSpec.from_registry('lmsysorg/sglang:v0.5.11')",
        "a b.routing: 'us-east' is a str; RoutingPolicy is allowed; "
        "write routing=RoutingPolicy(...)",
        "a b.engine: 'sglang' is a str; a value with a method served() is allowed; "
        "write engine=SGLang(), for example",
        f"a b.weights.volume: 'a b' does not fit; {NAME} is allowed; "
        "write volume='huggingface-cache', for example",
        "a b.weights.mount_path: 'x/../y' is no place for a Volume; an absolute path without "
        "'..' is allowed, but not /, /root or /tmp; "
        "write mount_path='/root/.cache/huggingface', for example",
        "a b.weights.secret: is empty; a string that is not empty is allowed; "
        "write secret='huggingface-secret', for example",
        "a b.weights.high_performance: 'yes' is a str; True and False are allowed; "
        "write high_performance=True or high_performance=False",
        "a b.kernels.caches: is empty; a string that is not empty is allowed; "
        "write caches='triton', for example",
        "a b.kernels.env: [1] is a list; a dict of strings is allowed; "
        'write env={"NAME": "value"}',
        "a b.kernels.compile_timeout: 0 is too small; a whole number, 1 to 86400, is allowed; "
        "write compile_timeout=3600, for example",
        "a b.speculative.algorithm: 'eagle' does not fit; a name in capital letters is "
        "allowed; write algorithm='EAGLE3', for example",
        "a b.speculative.num_steps: 0 is too small; a whole number, 1 to 1024, is allowed; "
        "write num_steps=3, for example",
        "a b.speculative.draft_model_revision: is 'b7' without a draft model; it is allowed "
        "with one; write draft_model_path, or take it out",
        "a b.parts: 1 is an int; a value with a method contribution() is allowed; "
        "write parts=[KernelCache('triton-cache')], for example",
        "a b.min_containers: '1' is a str; a whole number, 0 to 10000, is allowed; "
        "write min_containers=1, for example",
        "a b.scaledown_window: 1 is too small; a whole number, 2 to 3600, is allowed; "
        "write scaledown_window=300, for example",
        "a b.startup_timeout: True is a bool; a whole number, 1 to 86400, is allowed; "
        "write startup_timeout=900, for example",
        "a b.port: 0 is too small; a whole number, 1 to 65535, is allowed; "
        "write port=8000, for example",
        "a b.cpu: inf is too large; a number, 0.125 to 1024, is allowed; "
        "write cpu=8, for example",
        "a b.secrets: 1 is an int; a string that is not empty is allowed; "
        "write secrets='my-secret', for example",
        "a b.environment: 'A B' does not fit; an environment variable's name of letters, digits "
        "and '_', no digit first, is allowed; write environment={'NAME': ...}, for example",
        "a b.class_name: 'server' does not fit; a name of letters, digits and '_', a capital "
        "first, is allowed; write class_name='Server', for example",
    ],
    """Stack("dev", services=[InferenceService(
        name="a", model="m", gpu=["H100:2", "A100"], image=IMAGE, min_containers=3,
        max_containers=1, scaleup_window=4, environment={"A": 1}, kernels=KernelCache,
        engine=SGLang(launch=[], mem_fraction_static={1}),
        routing=RoutingPolicy(region="eu", target_inputs=4, max_inputs=2, exit_grace_period=100,
                              unauthenticated=True),
    )])""": [
        "a.routing.exit_grace_period: 100 is too long; 25 seconds are allowed with "
        "front_door='http_server'; write exit_grace_period=25",
        "a.routing.target_inputs: 4 is more than max_inputs, 2; as many or fewer are allowed; "
        "lower one or raise the other",
        "a.routing.max_inputs: is 2, and modal refuses it for an http_server; it is allowed with "
        "front_door='server'; take it out",
        "a.routing.unauthenticated: is True, but an http_server never asks for a token; it is "
        "allowed with front_door='server'; take it out",
        "a.routing.proxy_regions: is not given, and no proxy stands in eu; us-east, us-west, "
        "ca-central, eu-west, ap-south are allowed; write the one nearest to it",
        "a.engine.mem_fraction_static: {1} is no value of a flag; a string, a number, True, a "
        "list or a dict is allowed; write mem_fraction_static='{1}', for example",
        "a.engine.launch: is empty; the words that start the engine are allowed; "
        "write launch=['sglang', 'serve'], or take it out",
        "a.kernels: KernelCache is a class, not a value of it; KernelCache is allowed; "
        "write kernels=KernelCache(...)",
        "a.environment: A is 1; a string is allowed; write 'A': '1'",
        "a.gpu: H100:2, A100 differ in their counts; one count is allowed, since it is the "
        "tensor parallelism; write the same number behind each",
        "a.max_containers: 1 is less than min_containers, 3; as many or more are allowed; "
        "raise it",
        "a.scaleup_window: an http_server has none; it is allowed with "
        "RoutingPolicy(front_door='server'); take it out",
    ],
    """Stack("dev", services=[InferenceService(
        name="a", model="m", gpu=[], environment=("A", "B"),
        image=ImageSpec.from_registry(5).run_commands("a", None).env({"A": 1}).entrypoint("b"),
        routing=RoutingPolicy(front_door="server", region=["us-east", "us-west"]),
    ), InferenceService(name="b", model="m", gpu="H100", image=ImageSpec(()))])""": [
        "a.image.steps: from_registry() is given 5; strings are allowed; write '5'",
        "a.image.steps: run_commands() is given None; strings are allowed; write 'None'",
        "a.image.steps: env() is given 1; strings are allowed; write '1'",
        "a.routing.proxy_regions: are us-east, us-west; a server has exactly one; "
        "write the one nearest to its callers",
        "a.environment: 'A' is no pair; a dict of strings is allowed; "
        'write environment={"NAME": "value"}',
        "a.gpu: is empty; one GPU request or more is allowed; write gpu='H100:2'",
        "b.image.steps: are none; a base image is the least; "
        "write ImageSpec.from_registry('lmsysorg/sglang:v0.5.11'), for example",
    ],
    "Stack('dev', services=[])": [
        "dev.apps: neither apps nor services is given; one of them is allowed; "
        "write apps=[App(...)]",
    ],
    "Stack('dev', services=None, apps=[])": [
        "dev.services: is None; a list is allowed; write services=[...]",
        "dev.apps: neither apps nor services is given; one of them is allowed; "
        "write apps=[App(...)]",
    ],
    "Stack('dev', services=[InferenceService(name='a', **OWN)], apps=[App('a', [])])": [
        "a.services: is empty; one service or more is allowed; add one, or take the App out of "
        "the stack",
        "dev.apps: both apps and services are given; one of them is allowed; "
        "write apps=[App(...)]",
    ],
    "Stack(5, services=[InferenceService(name='a', **OWN)])": [
        "stack.name: 5 is an int; a string that is not empty is allowed; "
        "write name='prod', for example",
    ],
    "Stack('a b', services='x', environment='')": [
        f"a b.name: 'a b' does not fit; {NAME} is allowed; "
        "write name='prod', for example",
        "a b.services: 'x' is a str; a value with a method resources() is allowed; "
        "write InferenceService(name=...), for example",
        "a b.environment: is empty; a string that is not empty is allowed; "
        "write environment='main', for example",
    ],
    "Stack('dev', apps=[App('', ['x']), App('b', None), 5, App('c', [InferenceService])])": [
        "dev.apps: 5 is an int; App is allowed; write apps=[App('chat', [...])], or services=[...]",
        "dev.apps[0].name: is empty; a string that is not empty is allowed; "
        "write name='qwen3-8b', for example",
        "dev.apps[0].services: 'x' is a str; a value with a method resources() is allowed; "
        "write InferenceService(name=...), for example",
        "b.services: is None; a list is allowed; write services=[...]",
        "c.services: InferenceService is a class, not a value of it; a value with a method "
        "resources() is allowed; write InferenceService(name=...), for example",
    ],
    """Stack("dev", services=[InferenceService(
        name="a", model="m", gpu=4, image=IMAGE, min_containers=10**300, startup_timeout=-1,
        port="x", cpu=1e308, memory=10**5000, environment={"A": 10**300},
        routing=RoutingPolicy(region="us-eas", target_inputs=10**400),
    )])""": [
        "a.gpu: 4 is an int; a string or a list of them is allowed; write gpu='H100:2', for "
        "example",
        f"a.routing.target_inputs: 1{'0' * 59}... is too large; a whole number, 1 to 1000000, is "
        "allowed; write target_inputs=16, for example",
        "a.routing.region: 'us-eas' is no compute region of Modal's; us, eu, ap, uk, ca, me, sa, "
        "af, mx, us-east, us-central, us-south, us-west, eu-west, eu-north, eu-south, "
        "ap-northeast, ap-southeast, ap-south, ap-melbourne, jp, au are allowed; write 'us-east'",
        f"a.min_containers: 1{'0' * 59}... is too large; a whole number, 0 to 10000, is allowed; "
        "write min_containers=1, for example",
        "a.startup_timeout: -1 is too small; a whole number, 1 to 86400, is allowed; "
        "write startup_timeout=900, for example",
        "a.port: 'x' is a str; a whole number, 1 to 65535, is allowed; "
        "write port=8000, for example",
        "a.cpu: 1e+308 is too large; a number, 0.125 to 1024, is allowed; "
        "write cpu=8, for example",
        "a.memory: a very large number is too large; a whole number, 128 to 16777216, is allowed; "
        "write memory=32768, for example",
        f"a.environment: A is 1{'0' * 59}...; a string is allowed; write 'A': '1{'0' * 59}...'",
    ],
    "Stack('dev', apps=App('x', InferenceService(name='a', **OWN)))": [
        "dev.apps: is an App named 'x'; a list is allowed; write apps=[...]",
        "dev.apps.services: is an InferenceService named 'a'; a list is allowed; "
        "write services=[...]",
    ],
    "Stack('dev', apps=[InferenceService(name='a', **OWN)])": [
        "dev.apps: is an InferenceService named 'a'; App is allowed; "
        "write apps=[App('chat', [...])], or services=[...]",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), FIELDS.items(), ids=range(len(FIELDS)))
def test_wrong_types_and_values(text: str, said: list[str]) -> None:
    """No wrong field hides another one, in whatever it is nested."""
    STACK.write_text(f"{IMPORTS}stack = {text}\n")
    assert problems() == said


ALIKE = {
    "one name": (
        "Stack('dev', apps=[App('x', [service('a')]), App('y', [service('a')])])",
        "dev.services: the name 'a' stands 2 times; each service has a name of its own; rename one",
    ),
    "one constant": (
        "Stack('dev', apps=[App('x', [service('a-b')]), App('y', [service('a.b')])])",
        "dev.services: 'a-b' and 'a.b' become one Python name (A_B); names that differ in letters "
        "or digits are allowed; rename one",
    ),
    "one class": (
        "Stack('dev', services=[service('a-b'), service('aB')])",
        "aB.class_name: AB is that of a-b, too; each service of an App has a class of its own; "
        "write class_name= in one of them",
    ),
    "a class of Python's": (
        "Stack('dev', services=[service('exception')])",
        "exception.class_name: Exception is a name of Python's own; another one is allowed; "
        "write class_name='ExceptionServer', for example",
    ),
    "a class like a constant": (
        "Stack('dev', services=[service('qwen-3', class_name='QWEN_3_PORT')])",
        "qwen-3.class_name: QWEN_3_PORT is a name of the generated module's constants; another one "
        "is allowed; write class_name='QWEN_3_PORTServer', for example",
    ),
    "one App": (
        "Stack('dev', apps=[App('x', [service('a')]), App('x', [service('b')])])",
        "dev.apps: the name 'x' stands 2 times; each App has a name of its own; rename one",
    ),
    "one module": (
        "Stack('dev', apps=[App('a-b', [service('a')]), App('a.b', [service('b')])])",
        "dev.apps: 'a-b' and 'a.b' become one module (a_b); names that differ in letters or "
        "digits are allowed; rename one",
    ),
    "a module that would hide another": (
        "Stack('dev', apps=[App('json', [service('a')]), App('app_json', [service('b')])])",
        "dev.apps: 'json' and 'app_json' become one module (app_json); names that differ in "
        "letters or digits are allowed; rename one",
    ),
    "one path": (
        "Stack('dev', services=[service('a', weights=WeightCache('v', mount_path='/c'),"
        " kernels=KernelCache('w', mount_path='/c'))])",
        "a.mounts: path /c is set by weights ('v') and by kernels ('w'); one value is allowed; "
        "take one of them out",
    ),
    "one Volume": (
        "Stack('dev', services=[service('a', weights=WeightCache('v', mount_path='/c'),"
        " kernels=KernelCache('v', mount_path='/d'))])",
        "a.mounts: Volume v is set by weights ('/c') and by kernels ('/d'); one value is allowed; "
        "take one of them out",
    ),
    "one flag": (
        "Stack('dev', services=[service('a', engine=SGLang(ep_size=1),"
        " parts=[EngineArguments('why', ep_size=2)])])",
        "a.engine: flag --ep-size is set by engine ('1') and by parts[0] (EngineArguments) ('2'); "
        "one value is allowed; take one of them out",
    ),
    "a flag of the service": (
        "Stack('dev', services=[service('a', engine=SGLang(port=2))])",
        "a.engine: flag --port is set by the service ('8000') and by engine ('2'); "
        "one value is allowed; take one of them out",
    ),
    "one variable": (
        "Stack('dev', services=[service('a', environment={'HF_HUB_CACHE': '/x'},"
        " weights=WeightCache('v', mount_path='/c'))])",
        "a.environment: variable HF_HUB_CACHE is set by weights ('/c') and by environment ('/x'); "
        "one value is allowed; take one of them out",
    ),
    "a variable of the image": (
        "Stack('dev', services=[service('a', image=IMAGE.env({'HF_HUB_CACHE': '/x'}),"
        " weights=WeightCache('v', mount_path='/c'))])",
        "a.environment: variable HF_HUB_CACHE is set by image ('/x') and by weights ('/c'); "
        "one value is allowed; take one of them out",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), ALIKE.values(), ids=ALIKE)
def test_what_only_one_can_have(text: str, problem: str) -> None:
    """Two that claim one name, path, Volume, flag or variable are both named."""
    service = "def service(name, **own): return InferenceService(name=name, **(OWN | own))\n"
    STACK.write_text(f"{IMPORTS}{service}stack = {text}\n")
    assert problems() == [problem]


def test_all_conflicts_of_a_stack() -> None:
    """A conflict in one service hides none in another."""
    STACK.write_text(
        IMPORTS
        + """stack = Stack("dev", services=[
            InferenceService(name=name, engine=SGLang(port=1, host="::"), **OWN) for name in "ab"
        ])"""
    )
    assert problems() == [
        f"{name}.engine: flag --{flag} is set by the service ({given!r}) and by engine ({own!r}); "
        "one value is allowed; take one of them out"
        for name in "ab"
        for flag, given, own in (("port", "8000", "1"), ("host", "0.0.0.0", "::"))
    ]


OWN_PARTS = {
    "None": "a.parts[0] (Own): contributes None; a Contribution is allowed; "
    "return one from its contribution()",
    "{}[service.name]": "a: {path}:10 raises KeyError: 'a'; parts that run through are allowed; "
    "mend the line",
    "Contribution(steps=(ImageStep(method='x y', args=({1},)),))": "a.image: 'x y' is no Python "
    "name; a method of modal.Image and its arguments are allowed; rename it",
    "Contribution(steps=(ImageStep(method='env', kwargs={'a=1)\\n': 1}),))": "a.image: 'a=1)\\n' "
    "is no Python name; a method of modal.Image and its arguments are allowed; rename it",
    "Contribution(steps=(ImageStep(method='pip_install', args=({'a': [b'x']},)),))": "a.image: "
    "pip_install() is given b'x'; strings, numbers, True, False, None, lists and dicts of strings "
    "are allowed; write \"b'x'\", for example",
    "Contribution(steps=(ImageStep(method='env', args=({1: 'x'},)),))": "a.image: env() is given "
    "1; strings, numbers, True, False, None, lists and dicts of strings are allowed; "
    "write '1', for example",
    "Contribution(mounts=(Mount(path='/a', volume=Volume(name='v', version=1)),))": "a.volumes: "
    "'v' is asked for with version 1 and 2; one version is allowed; "
    "write the same one in both places",
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), OWN_PARTS.items(), ids=range(len(OWN_PARTS)))
def test_a_part_of_the_author_s_own(text: str, problem: str, project: Path) -> None:
    """What a part from the stack file gives is checked like what ours give."""
    STACK.write_text(
        f"""{IMPORTS}
from infra.contribution import Contribution
from infra.resources import ImageStep, Mount, Volume
class Own:
    def contribution(self, service): return {text}
class Two:
    def contribution(self, service):
        return Contribution(mounts=(Mount(path='/b', volume=Volume(name='v', version=2)),))
parts = [Own(), Two()]
stack = Stack("dev", services=[
    InferenceService(name=name, parts=[part], **OWN) for name, part in zip("ab", parts)
])
"""
    )
    said = problem.replace("{path}", str(project / STACK))
    if "asked for" in said:
        said = said.replace("a.volumes", "dev.volumes")
    assert said in problems()


def test_a_neighbour_is_imported_either_way() -> None:
    """A stack file finds what stands beside it, under its folder's name and without it."""
    Path("stacks/services.py").write_text(IMPORTS + "service = InferenceService(name='a', **OWN)\n")
    for line in ("from stacks.services import service", "from services import service"):
        STACK.write_text(
            f"from infra import Stack\n{line}\nstack = Stack('dev', services=[service])\n"
        )
        assert open_project(STACK).app_names() == ["dev"]


def test_neighbours_of_two_projects_are_told_apart(tmp_path: Path) -> None:
    """A second project's neighbour is not taken for the first one's of the same name."""
    for name in ("one", "two"):
        folder = tmp_path / name / "stacks"
        folder.mkdir(parents=True)
        (folder / "names.py").write_text(f"name = {name!r}\n")
        (folder / "dev.py").write_text(
            f"{IMPORTS}from stacks.names import name\n"
            "stack = Stack(name, services=[InferenceService(name='a', **OWN)])\n"
        )
        assert open_project(folder / "dev.py").stack.name == name


def test_a_stack_file_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the size nor the second of a change has to differ for it to be seen."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for name in ("one", "two"):
        STACK.write_text(
            f"{IMPORTS}stack = Stack({name!r}, services=[InferenceService(name='a', **OWN)])\n"
        )
        os.utime(STACK, (1, 1))
        assert open_project(STACK).stack.name == name


@pytest.mark.parametrize(
    ("neighbour", "line"),
    [
        ("stacks/values.py", "from stacks.values import name"),
        ("stacks/values.py", "from values import name"),
        ("stacks/values/__init__.py", "from values import name"),
        ("stacks/infra/values.py", "from stacks.infra.values import name"),
        ("values.py", "from values import name"),
        ("shared/components/values.py", "from shared.components.values import name"),
    ],
)
def test_what_a_stack_file_imports_is_read_as_it_is(neighbour: str, line: str) -> None:
    """The next process sees a change of a neighbour that differs in neither size nor second."""
    STACK.write_text(
        f"{IMPORTS}{line}\nstack = Stack(name, services=[InferenceService(name='a', **OWN)])\n"
    )
    Path(neighbour).parent.mkdir(parents=True, exist_ok=True)
    code = (
        "import sys; sys.dont_write_bytecode = False\nfrom pathlib import Path\n"
        "from infra.load import load\nprint(load(Path('stacks/dev.py')).name)"
    )
    for name in ("one", "two"):
        Path(neighbour).write_text(f"name = {name!r}\n")
        os.utime(neighbour, (1, 1))
        seen = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert seen.stdout.decode().strip() == name


def test_a_neighbour_that_fails() -> None:
    """The message points at the neighbour's line, not at the line that imports it."""
    STACK.write_text("from stacks.services import x\n")
    Path("stacks/services.py").write_text("y = 1\nx = [][y]\n")
    assert problems() == [
        f"stacks/services.py:2: raises IndexError: list index out of range; {MEND}"
    ]
    Path("stacks/services.py").write_text("x = (\n")
    assert problems() == [
        "stacks/services.py:1: '(' was never closed; a stack file is Python; mend the line"
    ]


@pytest.mark.parametrize("text", ["", "raise NameError", "x = ("])
def test_a_project_s_own_components(text: str) -> None:
    """Those that stand before infra's are named, whatever goes wrong for want of infra's."""
    STACK.write_text(IMPORTS)
    Path("components").mkdir()
    Path("components/__init__.py").write_text(text)
    seen = subprocess.run(
        [sys.executable, "-m", "infra.cli", "synth", STACK], capture_output=True, check=False
    )
    assert (seen.returncode, seen.stderr.decode()) == (
        1,
        "Error: stacks/dev.py: imports components/__init__.py as `components`, which hides that of "
        "infra; a package of another name is allowed; rename yours\n",
    )


def test_a_failure_inside_a_library_points_at_the_stack_file() -> None:
    """The line to change is the author's, even where Python stopped deep in something installed."""
    STACK.write_text(f"{IMPORTS}x = IMAGE.env(5)\n")
    assert problems() == [
        f"stacks/dev.py:6: raises TypeError: 'int' object is not iterable; {MEND}"
    ]


def test_a_stack_file_at_the_root_may_define_dataclasses() -> None:
    """A stack file is a module like any other, wherever it stands."""
    path = Path("stack.py")
    path.write_text(
        f"""from __future__ import annotations
from dataclasses import dataclass
from infra.contribution import Contribution
{IMPORTS}
@dataclass(frozen=True)
class Own:
    size: int = 1
    def contribution(self, service): return Contribution(env={{"SIZE": str(self.size)}})
stack = Stack("dev", services=[InferenceService(name="a", parts=[Own()], **OWN)])
"""
    )
    assert '"SIZE": "1"' in open_project(path).artifacts[0].source
