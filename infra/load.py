"""A stack file's path in, its stack out, or an error that points at the line to change."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType

import attrs

from infra.errors import InvalidStack
from infra.stack import Stack

MODULE = "infra_stack_file"  # under this name the file does not clash with what it imports


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
    try:
        with _imports_of(path), attrs.validators.disabled():
            module = _execute(path)
    except SyntaxError as error:
        where = f"{error.filename or path}:{error.lineno}"
        problem = f"{where}: {error.msg}; Python is allowed; mend the line"
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


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, path.resolve())
    if spec is None or spec.loader is None:
        raise InvalidStack(
            str(path), [f"{path}: is no Python file; a name that ends in .py is allowed; rename it"]
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _imports_of(path: Path) -> Iterator[None]:
    """
    Let the file import its neighbours, as ``stacks.services`` or as ``services``.

    What it imported is forgotten behind it, so that another stack file's neighbours of the same
    names are not mistaken for them.
    """
    folder = path.resolve().parent
    before, known = sys.path[:], set(sys.modules)
    sys.path[:0] = [str(folder.parent), str(folder)]
    try:
        yield
    finally:
        sys.path[:] = before
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            spread = getattr(sys.modules[name], "__path__", ())
            if any(str(place).startswith(str(folder)) for place in (file, *spread) if place):
                del sys.modules[name]


def _missing(path: Path) -> str:
    so = "is a folder" if path.is_dir() else "is not there"
    folder = path if path.is_dir() else path.parent
    near = sorted(str(each) for each in folder.glob("*.py")) if folder.is_dir() else []
    known = f"{', '.join(near)} {'are' if len(near) > 1 else 'is'} there" if near else ""
    return f"{path}: {so}; a stack file is allowed; {known or 'write the path of one'}"


def _raised(path: Path, error: BaseException) -> str:
    """Where the stack's author has to look, and what Python said there."""
    from traceback import walk_tb

    where, frame = str(path), None
    folder = str(path.resolve().parent)
    for each, line in walk_tb(error.__traceback__):
        if each.f_code.co_filename.startswith(folder):
            shown = Path(each.f_code.co_filename)
            name = path if shown == path.resolve() else shown.relative_to(Path(folder).parent)
            where, frame = f"{name}:{line}", each
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = _unknown_field(error, frame)
    if hint:
        return f"{where}: {hint}"
    return f"{where}: raises {said}; a stack file that runs through is allowed; mend the line"


def _unknown_field(error: BaseException, frame: FrameType | None) -> str | None:
    """The error of a misspelt keyword, with the field that was meant."""
    from difflib import get_close_matches

    found = re.match(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if not found or frame is None:
        return None
    kind = frame.f_globals.get(found[1])
    if not isinstance(kind, type) or not attrs.has(kind):
        return None
    fields = [field.name for field in attrs.fields(kind)]
    near = get_close_matches(found[2], fields, 1)
    fix = f"write {near[0]}=" if near else "take it out"
    return f"{found[1]} has no field {found[2]!r}; {', '.join(fields)} are allowed; {fix}"
