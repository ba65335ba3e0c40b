"""A stack file's path in, its stack out, or an error that points at the line to change."""

import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import FrameType, ModuleType

import attrs

from infra.errors import InvalidStack
from infra.stack import Stack

MODULE = "infra_stack_file"  # under this name the file does not clash with what it imports
# What is nobody's stack, wherever it stands: Python's library, and ourselves.
OURS = Path(__file__).resolve().parents[1]
INSTALLED = tuple(
    f"{each}{os.sep}" for each in (Path(os.__file__).parent, OURS / "infra", OURS / "components")
)


def load(path: Path) -> Stack:
    """
    Import the stack file and take its ``stack``.

    The fields' validators are off meanwhile, so that one wrong field does not hide the next;
    `infra.lower` runs them all.

    Raises:
        InvalidStack: There is no such file, it fails, or it has no ``stack``.
    """
    if not path.is_file():
        raise InvalidStack(str(path), [_missing(path)])
    if path.suffix != ".py":
        problem = f"{path}: is no Python file; a name that ends in .py is allowed; rename it"
        raise InvalidStack(str(path), [problem])
    try:
        with _imports_of(path), attrs.validators.disabled():
            module = _execute(path)
    except InvalidStack:
        raise
    except SyntaxError as error:
        where = _shown(Path(error.filename or path), path)
        line = f":{error.lineno}" if error.lineno else ""
        problem = f"{where}{line}: {error.msg}; a stack file is Python; mend the line"
        raise InvalidStack(str(path), [problem]) from error
    except (Exception, SystemExit) as error:
        raise InvalidStack(str(path), [_raised(path, error)]) from error
    stack = getattr(module, "stack", None)
    if not isinstance(stack, Stack):
        so = "there is no `stack`" if stack is None else f"`stack` is a {type(stack).__name__}"
        raise InvalidStack(
            str(path), [f"{path}: {so}; a Stack is allowed; write stack = Stack('dev', apps=[...])"]
        )
    return stack


def stack_files(paths: Iterable[Path]) -> list[Path]:
    """
    The files themselves, and of a folder those that define a ``stack``.

    Raises:
        InvalidStack: A folder holds none.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            files[path] = None
            continue
        found = [each for each in sorted(path.glob("*.py")) if _defines_a_stack(each)]
        if not found:
            raise InvalidStack(str(path), [_holds_none(path)])
        files.update(dict.fromkeys(found))
    return list(files)


def _defines_a_stack(path: Path) -> bool:
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return re.search(r"^stack\s*[:=]", text, re.MULTILINE) is not None


class _Source(SourceFileLoader):
    """Not from bytecode, which Python takes for current if the second and the size are the same."""

    def path_stats(self, path: str) -> Mapping[str, object]:
        raise OSError  # nothing to compare bytecode by: neither read nor written


class _Neighbours:
    """
    Finds modules as Python does, and has those of the stack's author read as they are.

    Attributes:
        project: The folder that they are below.
    """

    def __init__(self, project: Path) -> None:
        self.project = str(project).rstrip(os.sep) + os.sep

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec and type(spec.loader) is SourceFileLoader:
            file = spec.loader.path
            if file.startswith(self.project) and not _is_installed(file):
                spec.loader = _Source(name, file)
        return spec


def _execute(path: Path) -> ModuleType:
    loader = _Source(MODULE, str(path.resolve()))
    spec = importlib.util.spec_from_loader(MODULE, loader)
    assert spec is not None  # of a loader that knows its file
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # where dataclasses look for the module of a class
    try:
        loader.exec_module(module)
    finally:
        _check_components(path)
    return module


def _check_components(path: Path) -> None:
    """
    Refuse a project whose own ``components`` stand before ours.

    Raises:
        InvalidStack: It explains whatever went wrong for want of ours.
    """
    spec = importlib.util.find_spec("components")  # a module that failed is in no sys.modules
    file = Path(spec.origin).resolve() if spec and spec.origin else None
    if file is None or file.parent == OURS / "components":
        return
    for name in [each for each in sys.modules if each.partition(".")[0] == "components"]:
        del sys.modules[name]  # another stack file may get ours
    problem = (
        f"{path}: imports {_shown(file, path)} as `components`, which hides that "
        "of infra; a package of another name is allowed; rename yours"
    )
    raise InvalidStack(str(path), [problem])


@contextmanager
def _imports_of(path: Path) -> Iterator[None]:
    """
    Let the file import its neighbours, as ``stacks.services`` or as ``services``.

    What it imported is forgotten behind it, so that another stack file's neighbours of the same
    names are not mistaken for them.
    """
    folder = path.resolve().parent
    before, known, finder = sys.path[:], set(sys.modules), _Neighbours(folder.parent)
    sys.path[:0] = [str(folder.parent), str(folder)]
    sys.meta_path.insert(sys.meta_path.index(PathFinder), finder)
    try:
        yield
    finally:
        sys.path[:] = before
        sys.meta_path.remove(finder)
        new = {name: sys.modules[name] for name in set(sys.modules) - known}
        # A folder within a folder asks the one around it where it is: none goes before all have.
        for name in [name for name, module in new.items() if _has_part_beside(module, path)]:
            del sys.modules[name]


def _has_part_beside(module: ModuleType, path: Path) -> bool:
    places = (getattr(module, "__file__", None), *getattr(module, "__path__", ()))
    return any(_is_beside(Path(place), path) for place in places if place)


def _missing(path: Path) -> str:
    so = "is a folder" if path.is_dir() else "is not there"
    folder = path if path.is_dir() else path.parent
    near = [str(each) for each in sorted(folder.glob("*.py")) if _defines_a_stack(each)]
    return f"{path}: {so}; a stack file is allowed; write {' or '.join(near) or 'the path of one'}"


def _holds_none(folder: Path) -> str:
    near = sorted({str(each.parent) for each in folder.glob("*/*.py") if _defines_a_stack(each)})
    return (
        f"{folder}: holds no stack file; a stack file is allowed, or a folder with some in it; "
        f"write {' or '.join(near) or 'the path of one'}"
    )


def _raised(path: Path, error: BaseException) -> str:
    """Where the stack's author has to look, and what Python said there."""
    from traceback import walk_tb

    where, frame = str(path), None
    for each, line in walk_tb(error.__traceback__):
        file = Path(each.f_code.co_filename)
        if _is_beside(file, path):
            where, frame = f"{_shown(file, path)}:{line}", each
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = _unknown_keyword(error, frame)
    if hint:
        return f"{where}: {hint}"
    return f"{where}: raises {said}; a stack file that runs through is allowed; mend the line"


def _is_beside(file: Path, path: Path) -> bool:
    """Whether the file is the stack file or a neighbour, and nothing that was installed."""
    return file.is_relative_to(path.resolve().parent) and not _is_installed(str(file))


def _is_installed(file: str) -> bool:
    return file.startswith(INSTALLED) or f"-packages{os.sep}" in file


def _shown(file: Path, path: Path) -> str:
    """A file's name as its author would write it."""
    if file == path.resolve():
        return str(path)
    root = path.resolve().parent.parent
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def _unknown_keyword(error: BaseException, frame: FrameType | None) -> str | None:
    """The error of a misspelt keyword, with the one that was meant."""
    found = re.match(r"(\w+)\.(\w+)\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if not found or frame is None:
        return None
    kind, method = frame.f_globals.get(found[1]), found[2]
    called = kind if method == "__init__" else getattr(kind, method, None)
    if not callable(called):
        return None
    from difflib import get_close_matches
    from inspect import signature

    words = [word for word in signature(called).parameters if word != "self"]
    near = get_close_matches(found[3], words, 1)
    so = f"{found[1] if called is kind else f'{found[1]}.{method}()'} has no {found[3]!r}"
    return f"{so}; {', '.join(words)} are allowed; {f'write {near[0]}=' if near else 'take it out'}"
