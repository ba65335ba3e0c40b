"""What the fields of vLLM's configuration classes say of the flags that are made of them."""

import ast
from collections.abc import Iterator
from typing import Any, Self

import attrs

from scripts.facts.source import Module, UnreadableError

BUILTINS = ("bool", "int", "float", "str", "dict", "list", "tuple", "set")
WRAPPERS = ("Annotated", "SkipValidation", "Required")
LENGTH = "max_model_len"
SETTINGS = "vllm.config.utils"


@attrs.frozen(kw_only=True)
class Style:
    """
    In what the releases' `get_kwargs` differ.

    Attributes:
        suffixed: The fields whose numbers may have a suffix.
        is_auto: Whether a length may be ``auto``.
        none: What stands among the choices of a field that may be None.
        is_closed: Whether a configuration refuses fields that it does not have.
    """

    suffixed: frozenset[str]
    is_auto: bool
    none: str | None
    is_closed: bool

    @classmethod
    def of(cls, engine: Module) -> Self:
        """As `vllm.engine.arg_utils` has it."""
        _, make = engine.definition("_compute_kwargs")
        suffixed: set[str] = set()
        for node in ast.walk(make):
            if isinstance(node, ast.Set | ast.Tuple | ast.List):
                constants = (each.value for each in node.elts if isinstance(each, ast.Constant))
                words = {value for value in constants if isinstance(value, str)}
                suffixed |= words if "max_num_batched_tokens" in words else set()
        text = ast.unparse(make)
        return cls(
            suffixed=frozenset(suffixed),
            is_auto="human_readable_int_or_auto" in text,
            none="None" if "append('None')" in text else None,
            is_closed="forbid" in ast.unparse(ast.Module(engine.tree.module(SETTINGS).body, [])),
        )


@attrs.frozen
class Hint:
    """
    One of the types that a field may have.

    Attributes:
        name: A builtin's, ``None``, ``Literal``, ``dataclass`` or ``other``.
        values: Of a Literal its words, of a collection its items' hints, of a dataclass the names
            of its fields.
    """

    name: str
    values: tuple[Any, ...] = ()


def keywords(module: Module, owner: str, style: Style) -> dict[str, dict[str, Any]]:
    """
    By field, what `get_kwargs` of vLLM makes of a class: the keywords of `add_argument`.

    Types are the catalogue's; ``optional`` says that an empty word and ``None`` are None.
    """
    place, found = module.definition(owner)
    assert isinstance(found, ast.ClassDef), owner
    return {
        name: _keywords(place, name, field, documentation, style)
        for place, name, field, documentation in fields(place, found)
    }


def fields(module: Module, owner: ast.ClassDef) -> Iterator[tuple[Module, str, ast.AnnAssign, str]]:
    """The fields of a dataclass, those of its bases first, with what is written below each."""
    for base in owner.bases:
        try:
            place, found = module.definition(ast.unparse(base))
        except UnreadableError:
            continue  # not vLLM's own
        if isinstance(found, ast.ClassDef):
            yield from fields(place, found)
    for index, each in enumerate(owner.body):
        match each:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if not ast.unparse(annotation).startswith(("ClassVar", "InitVar")):
                    below = owner.body[index + 1 : index + 2]
                    yield module, name, each, "".join(map(_text, below))


def _text(statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(ast.Constant(str(text))):
            return text
    return ""


def _keywords(
    module: Module, name: str, field: ast.AnnAssign, about: str, style: Style
) -> dict[str, Any]:
    hints = list(_hints(module, field.annotation))
    kinds = {each.name for each in hints}
    found: dict[str, Any] = {"help": about, "default": _default(module, field.value)}
    if "dataclass" in kinds:
        inner = next(each for each in hints if each.name == "dataclass")
        kind = "object" if style.is_closed else "any_object"
        found |= {"type": kind, "fields": sorted(inner.values)}
    elif kinds == {"bool", "str", "None"}:
        return found | {"nargs": "?", "const": True}
    elif "bool" in kinds:
        return found | {"action": "boolean"}
    elif "Literal" in kinds:
        found |= _chosen(next(each for each in hints if each.name == "Literal"), kinds)
    elif several := next((each for each in hints if each.name in ("tuple", "list", "set")), None):
        found |= _several(several)
    elif "int" in kinds:
        found["type"] = "decimal_int" if name in style.suffixed else "int"
        if name == LENGTH and style.is_auto:
            found["type"] = "decimal_int_or_auto"
    elif "float" in kinds:
        found["type"] = "float"
    elif "dict" in kinds:
        found["type"] = "text_or_object" if kinds & {"str", "other"} else "loads"
    if "None" in kinds:
        found["optional"] = True
        if "choices" in found:
            found["choices"] = [*found["choices"], style.none]
    return found


def _chosen(literal: Hint, kinds: set[str]) -> dict[str, Any]:
    kind = {"int": "int", "float": "float"}.get(type(literal.values[0]).__name__, "text")
    return {"type": kind} if "str" in kinds else {"type": kind, "choices": sorted(literal.values)}


def _several(collection: Hint) -> dict[str, Any]:
    items = [each for each in collection.values if each.name != "..."]
    is_fixed = collection.name == "tuple" and len(items) == len(collection.values)
    found: dict[str, Any] = {"nargs": len(items) if is_fixed else "+"}
    names = {each.name for each in items}
    if names == {"Literal"}:
        return found | _chosen(items[0], set())
    return found | ({"type": names.pop()} if names <= {"int", "float"} and len(names) == 1 else {})


def _hints(module: Module, node: ast.expr) -> Iterator[Hint]:
    """The types that an annotation stands for, without what they are wrapped in."""
    match node:
        case ast.Constant(None):
            yield Hint("None")
        case ast.Constant(str(text)):
            yield from _hints(module, ast.parse(text, mode="eval").body)
        case ast.Constant(value) if value is ...:
            yield Hint("...")
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _hints(module, left)
            yield from _hints(module, right)
        case ast.Subscript(value=ast.Name(id=name), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if name == "Optional":
                yield Hint("None")
            if name == "Literal":
                yield Hint("Literal", tuple(_words(module, parts)))
            elif name in WRAPPERS:
                yield from _hints(module, parts[0])
            elif name in ("Union", "Optional"):
                for each in parts:
                    yield from _hints(module, each)
            elif name in ("list", "tuple", "set"):
                items = tuple(_one(module, each) for each in parts)
                yield Hint(name, items)
            else:
                yield Hint(name if name in BUILTINS else "other")
        case ast.Name(id=name) if name in BUILTINS:
            yield Hint(name)
        case ast.Name(id=name):
            yield from _named(module, name)
        case _:
            yield Hint("other")


def _one(module: Module, node: ast.expr) -> Hint:
    """The type of a collection's items; where it is one of several, vLLM takes text."""
    found = list(_hints(module, node))
    return found[0] if len(found) == 1 else Hint("str")


def _named(module: Module, name: str) -> Iterator[Hint]:
    stand_in = _at_run_time(module, name)
    if stand_in is not None:
        yield from _hints(module, stand_in)
        return
    try:
        place, found = module.definition(name)
    except UnreadableError:
        yield Hint("other")
        return
    match found:
        case ast.ClassDef(decorator_list=marks) if any(
            ast.unparse(each).partition("(")[0] in ("config", "dataclass") for each in marks
        ):
            yield Hint("dataclass", tuple(_settable(place, found)))
        case ast.ClassDef(bases=bases) if any(
            ast.unparse(each).partition("[")[0] == "dict" for each in bases
        ):
            yield Hint("dict")
        case ast.ClassDef() | ast.FunctionDef():
            yield Hint("other")
        case _:
            yield from _hints(place, found)


def _settable(module: Module, owner: ast.ClassDef) -> Iterator[str]:
    """The fields that can be given, and not only be computed."""
    for _, name, field, _ in fields(module, owner):
        given = field.value.keywords if isinstance(field.value, ast.Call) else ()
        if not any(each.arg == "init" and ast.unparse(each.value) == "False" for each in given):
            yield name


def _at_run_time(module: Module, name: str) -> ast.expr | None:
    """What a name is where types are not checked: the branch that runs."""
    for each in module.body:
        match each:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=branch):
                for line in branch:
                    match line:
                        case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                            return value
    return None


def _words(module: Module, nodes: list[ast.expr]) -> Iterator[Any]:
    """The words of a Literal, those of Literals in it included."""
    for node in nodes:
        match node:
            case ast.Constant(value):
                yield value
            case ast.Name(id=name):
                place, found = module.definition(name)
                assert isinstance(found, ast.Subscript), name
                inner = found.slice
                yield from _words(place, inner.elts if isinstance(inner, ast.Tuple) else [inner])
            case _:
                raise UnreadableError(f"{module.name}: Literal of {ast.unparse(node)}")


def literal(module: Module, name: str) -> list[Any]:
    """The words of a Literal by its name."""
    return list(_words(module, [ast.Name(name)]))


def _default(module: Module, node: ast.expr | None) -> Any:
    """The default; None as well where the text does not tell it."""
    match node:
        case None:
            return None
        case ast.Call(func=ast.Name(id="Field" | "field"), keywords=given):
            for each in given:
                if each.arg == "default":
                    return _default(module, each.value)
                if each.arg == "default_factory" and isinstance(each.value, ast.Lambda):
                    return _default(module, each.value.body)
            return None
    try:
        value = module.value(node)
    except UnreadableError:
        return None
    return value if isinstance(value, str | int | float | bool | list | dict) else None
