"""The command line that a release of SGLang declares, read from its source."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.facts.source import Module, Tree, UnreadableError, assignments, words

ARGS = "sglang.srt.server_args"
DEPRECATED = re.compile(r"\W*(?:Note: \S+ is )?deprecated\b", re.IGNORECASE)
INSTEAD = re.compile(
    r"\W*(?:now\W+)?(?:please )?(?:use|alias for) (--[a-z][\w-]*(?:=[\w-]+)?)", re.I
)
TYPES = {
    "int": "int",
    "float": "float",
    "json.loads": "loads",
    "json_list_type": "json_list",
    "LoRAPathAction": "lora_path",
    "human_readable_int": "human_int",
    "parse_cuda_graph_config_arg": "cuda_graph_config",
    "parse_cuda_graph_backend_arg": "cuda_graph_backend",
}
TEXT = ("str", "nullable_str")
SWITCHES = ("store_true", "DeprecatedStoreTrueAction", "DeprecatedAction")
UNSET = object()
IMPLIED: dict[Any, object] = {"switch": False}  # by kind; of all others None
CONSTANT = "DeprecatedStoreConstAction"
Fields = Mapping[str, tuple[Module, ast.AnnAssign]]


def options(tree: Path) -> list[dict[str, Any]]:
    """
    The options of a release, in the order of their declaration.

    Up to 0.5.13 all are calls of `add_argument`; from 0.5.14 on most are annotated fields of
    ServerArgs, from 0.5.20 on of the classes that it is put together from.

    Args:
        tree: The folder that holds the package.
    """
    module = Tree(tree).module(ARGS)
    _, owner = module.definition("ServerArgs")
    assert isinstance(owner, ast.ClassDef)
    declare = next(
        each
        for each in owner.body
        if isinstance(each, ast.FunctionDef) and each.name == "add_cli_args"
    )
    fields = _fields(module, owner)
    names = dict(assignments(declare.body))
    found: list[dict[str, Any]] = []
    for statement in declare.body:
        match statement:
            case ast.Expr(ast.Call(func=ast.Name(id="add_cli_args_from_dataclass"))):
                found += [each for name in fields if (each := _field(name, fields))]
            case ast.Expr(ast.Call(func=ast.Attribute(attr="add_argument")) as call):
                flags = [module.value(each) for each in call.args]
                given = {each.arg: each.value for each in call.keywords if each.arg}
                default = _default(module, given.get("default"), fields)
                found.append(_option(module, flags, given, default, names))
    return found


def _fields(module: Module, owner: ast.ClassDef) -> Fields:
    """The fields of ServerArgs, with the module that each is written in."""
    owners: list[tuple[Module, Any]] = [(module, owner)]
    assigned = dict(assignments(module.body))
    spaces = assigned.get("_INPUT_NAMESPACES")
    if isinstance(spaces, ast.List):
        owners = [module.definition(ast.unparse(each)) for each in spaces.elts]
    found = {
        each.target.id: (place, each)
        for place, space in owners
        for each in space.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    if not isinstance(spaces, ast.List):
        return found
    order = module.tree.module("sglang.srt.arg_groups.field_order")
    first = [name for name in order.value(ast.Name("POSITIONAL_FIELD_ORDER")) if name in found]
    return {name: found[name] for name in [*first, *found]}


def _field(name: str, fields: Fields) -> dict[str, Any] | None:
    """The option of an annotated field; None: it has none."""
    module, field = fields[name]
    match field.annotation:
        case ast.Subscript(value=ast.Name(id="A" | "Annotated"), slice=ast.Tuple(elts=marked)):
            kind, *marks = marked
        case _:
            return None
    # besides Arg(...) or its help alone, NS(...) may stand there: where resolved values go
    is_other = [isinstance(each, ast.Call) and ast.unparse(each.func) != "Arg" for each in marks]
    mark = next((each for each, other in zip(marks, is_other, strict=True) if not other), None)
    if mark is None:
        return None
    given = {"help": mark}
    if isinstance(mark, ast.Call):
        given = {each.arg: each.value for each in mark.keywords if each.arg}
    if "no_cli" in given:
        return None
    flag = module.value(given["cli_name"]) if "cli_name" in given else f"--{name.replace('_', '-')}"
    flags = [flag, *(module.value(given["aliases"]) if "aliases" in given else ())]
    if "action" in given:
        more = given.get("action_kwargs")
        if isinstance(more, ast.Dict):
            keys = [ast.literal_eval(key) for key in more.keys if key]
            given |= dict(zip(keys, more.values, strict=True))
    else:
        given = _inferred(kind, "type_parser" in given) | given
        given |= {"type": given["type_parser"]} if "type_parser" in given else {}
        given |= {"required": ast.Constant(True)} if field.value is None else {}
    return _option(module, flags, given, _default(module, field.value, fields), {})


def _inferred(kind: ast.expr, is_parsed: bool) -> dict[str, ast.expr]:
    """What a field's type says of its option."""
    match kind:
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return _inferred(inner, is_parsed)
        case ast.BinOp(left=inner, op=ast.BitOr(), right=ast.Constant(None)):
            return _inferred(inner, is_parsed)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=literals):
            values = literals.elts if isinstance(literals, ast.Tuple) else [literals]
            first = ast.literal_eval(values[0])
            return {
                "type": ast.Name(type(first).__name__ if isinstance(first, int | float) else "str"),
                "choices": ast.List(list(values)),
            }
        case ast.Subscript(value=ast.Name(id="List" | "list"), slice=of) if not is_parsed:
            return {"type": of, "nargs": ast.Constant("+")}
        case ast.Name(id="bool"):
            return {"action": ast.Constant("store_true")}
        case ast.Name(id="int" | "float"):
            return {"type": kind}
    return {}


def _default(module: Module, node: ast.expr | None, fields: Fields) -> Any:
    """The default, `UNSET` where there is none or it is computed at the start."""
    match node:
        case None:
            return UNSET
        case (
            ast.Attribute(value=ast.Name(id="ServerArgs"), attr=name)
            | ast.Call(func=ast.Name(id="_declared_default"), args=[ast.Constant(str(name))])
        ):
            place, field = fields[name]
            return _default(place, field.value, fields)
        case ast.Call(keywords=[ast.keyword(arg="default_factory", value=ast.Lambda(body=body))]):
            return _default(module, body, fields)
        case ast.Call(keywords=[ast.keyword(arg="default_factory", value=factory)]):
            return _default(module, ast.Call(factory, [], []), fields)
    try:
        return module.value(node)
    except UnreadableError:
        return UNSET


def _option(
    module: Module,
    flags: list[str],
    given: Mapping[str, ast.expr],
    default: Any,
    names: Mapping[str, ast.expr],
) -> dict[str, Any]:
    """The catalogue's entry of an option that is declared with these keywords."""
    action = ast.unparse(given["action"]).strip("'") if "action" in given else "store"
    deprecated = _deprecated(module, action, given)
    option: dict[str, Any] = {"names": flags}
    if action == "DeprecatedAction" and "error_message" in given:
        return {**option, "kind": "refused", "message": module.value(given["error_message"])}
    if action == "argparse.BooleanOptionalAction":
        option["kind"] = "boolean"
    elif action in SWITCHES or (action == CONSTANT and "nargs" not in given):
        option["kind"] = "switch"
    else:
        option |= _words(module, action, given, names)
    if default is UNSET and action in (CONSTANT, "DeprecatedAction"):
        default = None
    if default is not UNSET and default is not IMPLIED.get(option.get("kind")):
        option["default"] = default
    return option if deprecated is None else {**option, "deprecated": deprecated}


def _words(
    module: Module, action: str, given: Mapping[str, ast.expr], names: Mapping[str, ast.expr]
) -> dict[str, Any]:
    """What the words behind a flag have to be."""
    found: dict[str, Any] = {}
    kind = ast.unparse(given["type"]) if "type" in given else "str"
    kind = action if action in TYPES else kind
    is_open = kind not in TYPES and kind not in TEXT
    if kind in TYPES:
        found["type"] = TYPES[kind]
    for keyword in ("nargs", "const"):
        if keyword in given and (value := module.value(given[keyword])) is not None:
            found[keyword] = value
    try:
        choices = module.value(given["choices"], names) if "choices" in given else None
    except UnreadableError:
        choices, is_open = None, True
    if choices:
        found["choices"] = sorted(choices) if isinstance(choices, set) else list(choices)
    if "required" in given and module.value(given["required"]):
        found["required"] = True
    return {**found, "open": True} if is_open else found


def _deprecated(module: Module, action: str, given: Mapping[str, ast.expr]) -> str | None:
    """What to write instead, as the action says or else the help; "": nothing; None: it stays."""
    if "new_flag" in given:
        return str(module.value(given["new_flag"]))
    text = words(given["help"]) if "help" in given else ""
    if said := DEPRECATED.match(text):
        instead = INSTEAD.match(text, said.end())
        return instead[1] if instead else ""
    return "" if action.startswith("Deprecated") else None
