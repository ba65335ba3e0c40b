"""The runtime's source can be copied into a module that stands alone."""

import ast
import sys
from pathlib import Path

import pytest

from infra import runtime

FILES = sorted(set(Path(runtime.__path__[0]).glob("*.py")) - {Path(str(runtime.__file__))})


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions at the top of a module."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in tree.body if isinstance(node, kinds)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_imports_and_functions(path: Path) -> None:
    """No file keeps state: after its docstring come plain imports, then functions."""
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    kinds = [type(node) for node in tree.body[1:]]
    assert set(kinds) <= {ast.Import, ast.FunctionDef, ast.AsyncFunctionDef}
    assert kinds == sorted(kinds, key=lambda kind: kind is not ast.Import)
    assert all(ast.get_docstring(node) for node in [tree, *functions(tree)])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_needs_nothing_but_the_standard_library_and_aiohttp(path: Path) -> None:
    """What is not in every image is not imported, and no import is renamed."""
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name for node in imports for name in node.names]
    assert all(node in tree.body for node in imports)
    assert [name.name for name in names if name.asname] == []
    assert {name.name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "aiohttp"}


def test_no_two_functions_share_a_name() -> None:
    """All files may be copied into one module, since no name stands twice."""
    names = [node.name for path in FILES for node in functions(ast.parse(path.read_text()))]
    assert len(FILES) >= 3
    assert sorted(set(names)) == sorted(names)
