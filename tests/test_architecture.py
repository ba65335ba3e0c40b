"""Imports go one way: stacks to components to the vocabulary of the engine, and never back."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"infra", "components", "stacks"}
VOCABULARY = {
    "infra.contribution",
    "infra.errors",
    "infra.estimates",
    "infra.facts.caches",
    "infra.facts.flags",
    "infra.facts.gpus",
    "infra.facts.models",
    "infra.facts.vllm",
    "infra.figures",
    "infra.identifiers",
    "infra.lazy",
    "infra.masking",
    "infra.resources",
    "infra.rules",
    "infra.validators",
}
IMPURE = {
    "aiohttp",
    "datetime",
    "os",
    "random",
    "requests",
    "socket",
    "subprocess",
    "tempfile",
    "time",
    "uuid",
}
PURE = {
    f"infra/{name}.py"
    for name in (
        "compile",
        "contribution",
        "configuration",
        "diff",
        "display",
        "drift",
        "drift_json",
        "identifiers",
        "lazy",
        "live",
        "lower",
        "manifest",
        "masking",
        "narrow",
        "comparison",
        "cost",
        "display_cost",
        "display_estimates",
        "display_findings",
        "display_rules",
        "display_state",
        "display_what_if",
        "estimates",
        "figures",
        "forecast_json",
        "obstacles",
        "plan",
        "probing/report",
        "probing/services",
        "probing/times",
        "rates",
        "reasons",
        "resource_json",
        "resources",
        "rule_book",
        "rules",
        "show_json",
        "spell",
        "stack",
        "stale",
        "state_json",
        "text",
        "tiers",
        "validators",
    )
}
# Where infra looks at the components that come with it, to list their rules.
SHIPPED = {("infra/rule_book.py", "components.rules")}
LOCAL = "infra/local/"
# What only some files may import: a package that is not ours, the files or folders.
RESERVED = {
    "modal": {
        LOCAL,
        "infra/connection.py",
        "infra/lock.py",
        "infra/reader.py",
        "infra/stub.py",
        "infra/target.py",
    },
    "modal_proto": {LOCAL, "infra/lock.py", "infra/stub.py"},
    "grpclib": {LOCAL, "infra/lock.py"},
    "jinja2": {"infra/compile.py"},
    "requests": {"infra/hub.py"},
    "click": {
        "infra/cli.py",
        "infra/commands/",
        "infra/progress.py",
        "infra/session.py",
        "infra/waiting.py",
    },
    "rich": {"infra/commands/probe_screen.py", "infra/progress.py"},
}


def files(folder: str) -> list[Path]:
    """The package's files, without what is generated."""
    found = sorted((ROOT / folder).rglob("*.py"))
    return [path for path in found if "generated" not in path.parts]


FILES = [path for folder in sorted(OURS) for path in files(folder)]


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it; `from infra import diff` is infra.diff."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                is_module = (ROOT / inner.replace(".", "/")).with_suffix(".py").exists()
                is_package = (ROOT / inner.replace(".", "/")).is_dir()
                yield inner if is_module or is_package else str(node.module)


def named(path: Path) -> str:
    """The file's path as the tables have it."""
    return path.relative_to(ROOT).as_posix()


def allowed(file: str, module: str) -> bool:
    """The import table."""
    package = module.partition(".")[0]
    folder = file.partition("/")[0]
    if package in RESERVED:
        return file.startswith(tuple(RESERVED[package]))
    if package in IMPURE:
        return file not in PURE and folder == "infra"
    if package not in OURS:
        return True
    match folder:
        case "stacks":
            return package in ("components", "stacks") or module == "infra"
        case "components":
            return package == "components" or module in VOCABULARY
        case _:
            return package == "infra" or (file, module) in SHIPPED


def test_the_table_covers_the_code() -> None:
    """Every file that the tables name exists, and there are files to look at."""
    known = {named(path) for path in FILES}
    places = PURE.union(*RESERVED.values())
    assert [place for place in places if not (ROOT / place).exists()] == []
    assert known > {"components/service.py", "stacks/dev.py", "infra/local/__init__.py"}


def test_imports_go_one_way() -> None:
    """No file imports what the table does not give it."""
    violations = [
        f"{named(path)}: imports {module}"
        for path in FILES
        for module in dict.fromkeys(imports(path))
        if not allowed(named(path), module)
    ]
    assert violations == []


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("components/weights.py", "infra.compile"),
        ("components/weights.py", "infra"),
        ("components/weights.py", "stacks.services"),
        ("components/weights.py", "os"),
        ("infra/plan.py", "components"),
        ("infra/plan.py", "components.rules"),
        ("infra/plan.py", "time"),
        ("infra/plan.py", "modal.exception"),
        ("infra/cli.py", "stacks.dev"),
        ("infra/cli.py", "modal"),
        ("infra/session.py", "jinja2"),
        ("stacks/dev.py", "infra.resources"),
        ("stacks/dev.py", "os"),
    ],
)
def test_the_table_refuses(file: str, module: str) -> None:
    """The table is one that an import can break."""
    assert not allowed(file, module)


def test_synth_does_not_need_the_sdk(tmp_path: Path) -> None:
    """Generating modules loads neither modal nor what talks to a network."""
    code = (
        "import sys\n"
        "from infra.cli import main\n"
        "sys.argv = ['infra', 'synth', 'stacks/dev.py', '--out', sys.argv[1]]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "heavy = {'modal', 'modal_proto', 'grpclib', 'aiohttp', 'asyncio', 'rich', 'requests'}\n"
        "print(*sorted(heavy & set(sys.modules)), sep=',')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == ""
    assert len(list((tmp_path / "dev").glob("*.py"))) == 2
