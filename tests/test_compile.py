"""The generated modules: their text, their meaning, and that nothing in a stack can break them."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
import golden
import pytest
import worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.compile import compile_app
from infra.errors import InvalidStack
from infra.identifiers import KINDS, is_constant, module_name
from infra.load import load
from infra.manifest import Manifest
from infra.resources import (
    AppResources,
    Argument,
    Autoscaler,
    BuildCommand,
    Image,
    ImageStep,
    Mount,
    Routing,
    Secret,
    Service,
    Volume,
)

ROOT = Path(__file__).parent.parent
CASES = golden.case_folders()
MODULES = [path for case in CASES for path in sorted(case.glob("example_*.py"))]


def run(*command: str, **environ: str) -> str:
    """What the command prints, from the project's root, without anybody's credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=kept | {"MODAL_CONFIG_PATH": os.devnull} | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_s_files_are_as_they_should_be(case: Path) -> None:
    """Modules, manifests and first plans change only when `scripts/golden` is run."""
    expected = dict(golden.case_files(case))
    assert {path.name for path in case.iterdir() if path.is_file()} == {
        "stack.py",
        *(path.name for path in expected),
    }
    for path, text in expected.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run scripts/golden"


def test_the_cases_show_both_front_doors() -> None:
    """The golden modules are enough to mean something."""
    texts = [path.read_text() for path in MODULES]
    assert len(texts) >= 4
    assert any("@app.server(" in text for text in texts)
    assert any("@modal.experimental.http_server(" in text for text in texts)
    assert any("image.run_function(" in text for text in texts)


def test_ruff_has_nothing_to_say_of_the_modules() -> None:
    """A generated module is formatted and clean by the defaults of any project."""
    ruff = [sys.executable, "-m", "ruff"]
    paths = [str(path) for path in MODULES]
    run(*ruff, "format", "--isolated", "--check", *paths)
    run(*ruff, "check", "--isolated", "--select", "E,F,I,UP,B", "--ignore", "E501", *paths)


EXECUTE = """
import importlib.util, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise PermissionError(f"{event} {arguments}")

sys.addaudithook(refuse)
import modal

for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("generated", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["generated"] = module
    spec.loader.exec_module(module)
    assert isinstance(module.app, modal.App)
    assert callable(module.chat)
    servers = [held for held in vars(module).values() if isinstance(held, modal.Server)]
    classes = [held for held in vars(module).values() if isinstance(held, modal.Cls)]
    print(module.app.name, len(servers), len(classes))
"""


def test_the_modules_are_what_modal_takes() -> None:
    """Each module runs under the real SDK, without credentials, library or network."""
    lines = run(sys.executable, "-P", "-c", EXECUTE, *map(str, MODULES)).splitlines()
    assert sorted(lines) == [
        "example-minimal 0 1",
        "example-nemotron-inference 0 1",
        "example-server-door 2 0",
        "example-sglang-low-latency 0 1",
        "example-vllm 1 0",
    ]


SYNTHESISE = """
import sys
from pathlib import Path
from infra.project import open_project

for path in sys.argv[1:]:
    for artifact in open_project(Path(path)).artifacts:
        sys.stdout.buffer.write(artifact.source.encode() + artifact.manifest.to_json())
"""


def test_one_stack_has_one_text() -> None:
    """No order of hashing reaches the module or the manifest."""
    stacks = ["stacks/dev.py", "tests/cases/server_door/stack.py"]
    texts = {
        run(sys.executable, "-c", SYNTHESISE, *stacks, PYTHONHASHSEED=seed)
        for seed in ("0", "1", "2", "1234", "4294967295")
    }
    assert len(texts) == 1
    assert texts.pop().count('"format": 1') == 3


CHANGES = sorted(golden.typical_changes(load(golden.CHANGES / "stack.py")))
CARRIED = {
    "min_containers": ("-    min_containers=1,", "+    min_containers=2,"),
    "target_inputs": (
        '-    *("--cuda-graph-max-bs", "20"),',
        '+    *("--cuda-graph-max-bs", "32"),',
        "-@modal.concurrent(target_inputs=10)",
        "+@modal.concurrent(target_inputs=16)",
    ),
    "flag": (
        '-    *("--mem-fraction-static", "0.8"),',
        '+    *("--mem-fraction-static", "0.85"),',
    ),
    "image_step": ('+image = image.run_commands("rm -rf /root/.cache/huggingface")',),
}


def test_a_change_s_files_are_as_they_should_be() -> None:
    """What a reviewer sees of each typical change is reviewed itself."""
    expected = dict(golden.change_files())
    assert {path for path in golden.CHANGES.iterdir() if path.is_file()} == {
        golden.CHANGES / "stack.py",
        *expected,
    }
    for path, text in expected.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run scripts/golden"


@pytest.mark.parametrize("name", CARRIED)
def test_a_change_shows_where_it_is_carried(name: str) -> None:
    """One changed value changes the lines that carry it, the tag, and nothing else."""
    lines = (golden.CHANGES / f"{name}.diff").read_text().splitlines()[2:]
    changed = [line for line in lines if line[0] in "+-"]
    tags = [line for line in changed if '"infra-manifest"' in line]
    assert [line[0] for line in tags] == ["-", "+"]
    assert tuple(line for line in changed if line not in tags) == CARRIED[name]


def test_a_new_service_takes_no_line_away() -> None:
    """A service more leaves the text of those that are there as it was."""
    lines = (golden.CHANGES / "new_service.diff").read_text().splitlines()[2:]
    assert [line for line in lines if line.startswith("-") and "infra-manifest" not in line] == []
    assert "+class Draft:" in lines
    assert sorted(CHANGES) == sorted([*CARRIED, "new_service"])


# Any text in any field: a module must carry it as it is, and do nothing else than before.

HOSTILE = st.sampled_from(
    ['"', "'", '"""', "\\", "\n", "\r", "\0", "{{ x }}", "{% raw %}", "{#", "}}", "# noqa",
     "\nimport os\n", '")\nimport os\n("', "\u2028", "日本", "é", "\ud800", " ", "%(x)s", "{x}"]
)  # fmt: skip
TEXT = st.one_of(
    st.text(min_size=1, max_size=20),
    st.lists(HOSTILE | st.text(max_size=3), min_size=1, max_size=4).map("".join),
    st.text("ab '\"", min_size=60, max_size=100),
)
FLAG = TEXT.map(lambda text: f"--{text}")


@attrs.frozen
class Texts:
    """Every free string of an App."""

    volumes: list[str]
    secrets: list[str]
    paths: list[str]
    model: str
    gpu: list[str]
    words: list[str]
    flags: list[str]
    steps: list[str]
    variables: dict[str, str]
    regions: list[str]
    comments: list[str]
    names: list[str]


def several(text: st.SearchStrategy[str], size: int) -> st.SearchStrategy[list[str]]:
    """So many different texts."""
    return st.lists(text, min_size=size, max_size=size, unique=True)


TEXTS = st.builds(
    Texts,
    volumes=several(TEXT, 3),
    secrets=several(TEXT, 2),
    paths=several(TEXT, 3),
    model=TEXT,
    gpu=several(TEXT, 2),
    words=several(TEXT, 3),
    flags=several(FLAG, 3),
    steps=several(TEXT, 6),
    variables=st.dictionaries(TEXT, TEXT, min_size=2, max_size=2),
    regions=several(TEXT, 2),
    comments=several(TEXT, 3),
    names=several(st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,62}", fullmatch=True), 2).filter(
        lambda names: len({name.upper().strip("._-") for name in names}) == 2
    ),
)
BENIGN = Texts(
    volumes=["one", "two", "three"],
    secrets=["four", "five"],
    paths=["/one", "/two", "/three"],
    model="model",
    gpu=["H100", "H200"],
    words=["six", "seven", "eight"],
    flags=["--nine", "--ten", "--eleven"],
    steps=["a", "b", "c", "d", "e", "f"],
    variables={"A": "1", "B": "2"},
    regions=["g", "h"],
    comments=["i", "j", "k"],
    names=["first", "second"],
)  # fmt: skip


def app(texts: Texts) -> AppResources:
    """An App that has a place for every text, the same for all texts."""
    volumes = tuple(Volume(name=name) for name in texts.volumes)
    mounts = tuple(
        Mount(path=path, volume=volume) for path, volume in zip(texts.paths, volumes, strict=True)
    )
    first, second, *others = texts.steps
    image = Image(
        name=texts.names[0],
        steps=(
            ImageStep(method="from_registry", args=(first,), comment=texts.comments[0]),
            ImageStep(method="run_commands", args=tuple(others), kwargs={"gpu": second}),
            ImageStep(method="env", args=(texts.variables,), comment=texts.comments[1]),
        ),
        builds=(
            BuildCommand(
                command=tuple(texts.words), engine_flags=tuple(texts.flags), gpu=True,
                comment=texts.comments[2],
            ),
        ),
        files=(ImageStep(method="add_local_file", args=(first, second)),),
    )  # fmt: skip
    service = Service(
        name=texts.names[0],
        class_name="First",
        model=texts.model,
        gpu=tuple(texts.gpu),
        mounts=mounts,
        secrets=tuple(texts.secrets),
        entrypoint=tuple(texts.words),
        arguments=tuple(
            Argument(flag=flag, values=(word,), comment=texts.comments[0])
            for flag, word in zip(texts.flags, texts.words, strict=True)
        ),
        port=8000,
        warm_up_timeout=60,
        autoscaler=Autoscaler(min_containers=0),
        routing=Routing(
            front_door="http_server",
            region=tuple(texts.regions),
            proxy_regions=tuple(texts.regions),
        ),
    )
    server = attrs.evolve(
        service,
        name=texts.names[1],
        class_name="Second",
        routing=attrs.evolve(service.routing, front_door="server"),
    )
    return AppResources(
        stack="dev",
        app="app",
        volumes=volumes,
        secrets=tuple(Secret(name=name) for name in texts.secrets),
        images=(image, attrs.evolve(image, name=texts.names[1])),
        services=(service, server),
    )


def literals(tree: ast.AST) -> Iterator[str]:
    """Every string of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def shape(tree: ast.AST) -> list[str]:
    """What a module does, without its names and values."""
    return [type(node).__name__ for node in ast.walk(tree)]


BENIGN_SHAPE = shape(ast.parse(compile_app(app(BENIGN)).source))


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_text_stays_a_text(texts: Texts) -> None:
    """Every string is in the module as it is in the stack, and adds nothing to what it does."""
    artifact = compile_app(app(texts))
    tree = ast.parse(artifact.source)
    compile(artifact.source, "module.py", "exec")
    data = attrs.asdict(texts)
    data.pop("comments")  # comments are for readers
    meant = [texts.model, *texts.variables, *texts.variables.values()]
    meant += [text for held in data.values() if isinstance(held, list) for text in held]
    assert set(meant) - set(literals(tree)) == set()
    assert shape(tree) == BENIGN_SHAPE
    assert artifact.source.encode().decode() == artifact.source
    assert artifact.source.count(artifact.manifest.fingerprint) == 1


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_every_name_leads_to_its_own_text(texts: Texts) -> None:
    """However alike two Volumes or Secrets are called, each mount has the one that it should."""
    tree = ast.parse(compile_app(app(texts)).source)
    assigned = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    (mounts, *_) = (held for name, held in assigned.items() if name.endswith("_VOLUMES"))
    assert isinstance(mounts, ast.Dict)
    found = [
        (ast.literal_eval(path), _first_argument(assigned[ast.unparse(name)]))
        for path, name in zip(mounts.keys, mounts.values, strict=True)
        if path
    ]
    assert found == list(zip(texts.paths, texts.volumes, strict=True))
    (secrets, *_) = (held for name, held in assigned.items() if name.endswith("_SECRETS"))
    assert isinstance(secrets, ast.List)
    needed = [_first_argument(assigned[ast.unparse(name)]) for name in secrets.elts]
    assert needed == texts.secrets


def _first_argument(call: ast.expr) -> Any:
    assert isinstance(call, ast.Call)
    return ast.literal_eval(call.args[0])


@settings(max_examples=25, deadline=None)
@given(TEXTS)
def test_a_record_is_read_back(texts: Texts) -> None:
    """A manifest is the same value after it was stored, and its name fits its content."""
    record = compile_app(app(texts)).manifest
    text = record.to_json()
    assert Manifest.from_json(text, record.fingerprint) == record
    assert text.isascii()
    assert len(record.fingerprint) <= 63  # what a tag holds


def test_any_text_is_formatted() -> None:
    """Ruff leaves a module alone, whatever texts it carries."""
    written: list[str] = []

    @settings(max_examples=12, deadline=None, database=None)
    @given(TEXTS)
    def collect(texts: Texts) -> None:
        written.append(compile_app(app(texts)).source)

    collect()
    for source in written[-6:]:
        result = subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "-"],
            input=source.encode(),
            capture_output=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout.decode()


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "x y"},
        {"method": "env(1)\nimport os\nx"},
        {"method": "class"},
        {"kwargs": {"a=1)\nimport os\n(": 1}},
        {"kwargs": {"import": 1}},
    ],
)
def test_what_is_written_bare_is_a_name(changed: dict[str, Any]) -> None:
    """The few words that are no literals can't carry code either."""
    step = attrs.evolve(ImageStep(method="env"), **changed)
    benign = app(BENIGN)
    image = attrs.evolve(benign.images[0], files=(step,))
    with pytest.raises(InvalidStack, match="is no Python name"):
        compile_app(attrs.evolve(benign, images=(image, benign.images[1])))


def test_what_a_module_says_is_in_its_fingerprint() -> None:
    """A changed comment changes the module, so it changes the fingerprint."""
    before, after = app(BENIGN), app(attrs.evolve(BENIGN, comments=["x", "y", "z"]))
    assert compile_app(before).manifest.resources == compile_app(after).manifest.resources
    assert compile_app(before).manifest.fingerprint != compile_app(after).manifest.fingerprint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "its content does not have the fingerprint"),
        (json.dumps({"format": 2}).encode(), "it is not of format 1"),
        (json.dumps([]).encode(), "it is not of format 1"),
        (json.dumps({"format": 1, "stack": "a"}).encode(), "it holds stack"),
        (b"\xff{", "codec can't decode"),
    ],
)
def test_a_record_that_is_none(text: bytes, said: str) -> None:
    """What is not the manifest it is called is refused with a reason."""
    from infra.manifest import digest

    fingerprint = digest(text) if text else "0" * 40
    with pytest.raises(ValueError, match=said):
        Manifest.from_json(text, fingerprint)


@pytest.mark.parametrize(
    ("app_name", "module"),
    [
        ("qwen3-8b", "qwen3_8b"),
        ("a.b", "a_b"),
        ("3b", "app_3b"),
        ("json", "app_json"),
        ("modal", "app_modal"),
        ("google", "app_google"),
        ("infra", "app_infra"),
        ("class", "app_class"),
    ],
)
def test_a_module_hides_no_other(app_name: str, module: str) -> None:
    """The file's name is one that Python can import, and none that the module imports itself."""
    assert module_name(app_name) == module


def test_a_module_hides_nothing_that_the_sdk_needs() -> None:
    """Nor what the SDK imports in its turn, nor what infra does, which deploys the modules."""
    tops, left, known = metadata.packages_distributions(), ["infra"], {"infra"}
    while left:
        needed = [each for each in metadata.requires(left.pop()) or () if "extra ==" not in each]
        names = {re.split(r"[^\w.-]", each)[0].lower().replace("_", "-") for each in needed}
        found = {name for name in names - known if [*metadata.distributions(name=name)]}
        left += found
        known |= found
    assert {"modal", "grpclib", "protobuf", "aiohttp"} < known
    for top, distributions in tops.items():
        if (
            top.isidentifier()
            and {each.lower().replace("_", "-") for each in distributions} & known
        ):
            assert module_name(top) == f"app_{top}"


def test_constants_are_known_by_their_names() -> None:
    """No class may hide one: what stands in a module in capitals ends in one of the known kinds."""
    found = {
        target.id
        for path in MODULES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id[:1].isupper()
    }
    assert {kind for kind in KINDS if any(name.endswith(f"_{kind}") for name in found)} == {*KINDS}
    assert [name for name in found if not is_constant(name)] == []


@pytest.mark.parametrize("app_name", ["google", "brotli", "modal.proto"])
def test_a_module_is_imported_beside_its_file(app_name: str, tmp_path: Path) -> None:
    """Its folder comes first where Python looks, as for `modal deploy`."""
    artifact = worlds.artifact(worlds.stack(**{app_name: [worlds.service()]}))
    (tmp_path / f"{artifact.module}.py").write_text(artifact.source)
    code = f"import {artifact.module}"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
