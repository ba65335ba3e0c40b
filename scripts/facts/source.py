"""What the text of a source tree says, without importing any of it."""

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

NO_NAMES: Mapping[str, ast.expr] = {}
UNKNOWN = ast.Yield()  # in place of a name's own value within that value
COLLECTIONS: dict[str, Callable[..., Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": set,
    "sorted": sorted,
}


class UnreadableError(Exception):
    """An expression whose value only running the program would tell."""


class Tree:
    """The modules below a folder, by their dotted names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, Module] = {}

    def module(self, name: str) -> "Module":
        """
        The module of that name.

        Raises:
            UnreadableError: There is none.
        """
        if name not in self._modules:
            path = self.root.joinpath(*name.split("."))
            files = (path.with_suffix(".py"), path / "__init__.py")
            found = next((each for each in files if each.is_file()), None)
            if found is None:
                raise UnreadableError(f"{name}: no such module in {self.root.name}")
            self._modules[name] = Module(self, name, found)
        return self._modules[name]


class Module:
    """One file; its definitions, and the values of expressions in it."""

    def __init__(self, tree: Tree, name: str, path: Path) -> None:
        self.tree = tree
        self.name = name
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.body = ast.parse(path.read_text(encoding="utf-8")).body

    @cached_property
    def _assigned(self) -> dict[str, ast.expr]:
        return dict(assignments(self.body))

    @cached_property
    def _defined(self) -> dict[str, ast.ClassDef | ast.FunctionDef]:
        return {
            each.name: each
            for each in self.body
            if isinstance(each, ast.ClassDef | ast.FunctionDef)
        }

    @cached_property
    def _imported(self) -> dict[str, tuple[str, str]]:
        """Module and name of what is imported, within functions as well."""
        found = {}
        for node in ast.walk(ast.Module(self.body, [])):
            if isinstance(node, ast.ImportFrom):
                parents = self.package.split(".")[: None if node.level < 2 else 1 - node.level]
                origin = [*(parents if node.level else []), *([node.module] if node.module else [])]
                for alias in node.names:
                    found[alias.asname or alias.name] = (".".join(origin), alias.name)
        return found

    def definition(self, name: str) -> tuple["Module", ast.expr | ast.ClassDef | ast.FunctionDef]:
        """
        What a name of this module stands for, and where that is written.

        Raises:
            UnreadableError: It is not defined in the tree.
        """
        found = self._defined.get(name) or self._assigned.get(name)
        if found is not None:
            return self, found
        if name not in self._imported and "*" in self._imported:
            return self.tree.module(self._imported["*"][0]).definition(name)
        if name not in self._imported:
            raise UnreadableError(f"{self.name}: {name} is not defined")
        origin, original = self._imported[name]
        return self.tree.module(origin).definition(original)

    def value(self, node: ast.expr, names: Mapping[str, ast.expr] = NO_NAMES) -> Any:
        """
        The value of an expression.

        Of a mapping the keys are read; its values are None where they are classes.

        Args:
            node: The expression.
            names: What the function that it stands in has assigned before.

        Raises:
            UnreadableError: The text does not tell.
        """
        match node:
            case ast.Constant():
                return node.value
            case ast.List() | ast.Tuple() | ast.Set():
                return COLLECTIONS[type(node).__name__.lower()](self._elements(node.elts, names))
            case ast.Dict(keys=keys, values=values):
                return {
                    self.value(key, names): self._or_none(value, names)
                    for key, value in zip(keys, values, strict=True)
                    if key is not None
                }
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand, names)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.value(left, names) + self.value(right, names)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self.value(left, names) * self.value(right, names)
            case ast.Subscript(value=whole, slice=index):
                return self.value(whole, names)[self.value(index, names)]
            case ast.Name(id=name) if name in names:
                return self.value(names[name], {**names, name: UNKNOWN})
            case ast.Name(id=name):
                return self._defined_value(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                return self._class_value(owner, attribute)
            case ast.Call():
                return self._called(node, names)
            case ast.ListComp(elt=element, generators=[ast.comprehension(iter=over, ifs=[])]):
                return [member(element, each) for each in self.value(over, names)]
        raise UnreadableError(f"{self.name}: {ast.unparse(node)}")

    def _elements(self, nodes: list[ast.expr], names: Mapping[str, ast.expr]) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self.value(node.value, names)
            else:
                yield self.value(node, names)

    def _or_none(self, node: ast.expr, names: Mapping[str, ast.expr]) -> Any:
        try:
            return self.value(node, names)
        except UnreadableError:
            return None

    def _defined_value(self, name: str) -> Any:
        module, found = self.definition(name)
        if isinstance(found, ast.ClassDef):  # iterated over: an enumeration
            return [each for each, _ in assignments(found.body)]
        if isinstance(found, ast.FunctionDef):
            raise UnreadableError(f"{self.name}: {name} is a function")
        return module.value(found)

    def _class_value(self, owner: str, attribute: str) -> Any:
        module, found = self.definition(owner)
        if isinstance(found, ast.ClassDef):
            inner = dict(assignments(found.body))
            if attribute in inner:
                return module.value(inner[attribute], inner)
        raise UnreadableError(f"{self.name}: {owner}.{attribute}")

    def _called(self, node: ast.Call, names: Mapping[str, ast.expr]) -> Any:
        match node:
            case ast.Call(func=ast.Attribute(value=whole, attr="keys"), args=[]):
                return list(self.value(whole, names))
            case ast.Call(func=ast.Name(id=kind), args=[of]) if kind in COLLECTIONS:
                return COLLECTIONS[kind](self.value(of, names))
            case ast.Call(func=ast.Name(id=kind), args=[]) if kind in COLLECTIONS:
                return COLLECTIONS[kind](())
            case ast.Call(func=ast.Name(id=name), args=[], keywords=[]):
                module, found = self.definition(name)
                if isinstance(found, ast.FunctionDef) and isinstance(found.body[-1], ast.Return):
                    result = found.body[-1].value
                    if result is not None:
                        return module.value(result, dict(assignments(found.body)))
        raise UnreadableError(f"{self.name}: {ast.unparse(node)}")


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """The names that statements assign at their own level, with what to."""
    for each in body:
        match each:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def member(node: ast.expr, name: str) -> str:
    """What a comprehension over an enumeration makes of the member of that name."""
    match node:
        case ast.Call(func=ast.Attribute(value=inner, attr="lower"), args=[]):
            return member(inner, name).lower()
        case ast.Attribute(value=ast.Name(), attr="name"):
            return name
    raise UnreadableError(ast.unparse(node))


def words(node: ast.expr) -> str:
    """The text of an expression that makes one, without what is filled in."""
    return "".join(
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )
