"""The command line that a release of vLLM declares, read from its source."""

import ast
import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

from scripts.facts import vllm_fields
from scripts.facts.source import Module, Tree, UnreadableError

ENGINE = "vllm.engine.arg_utils"
PARSER = "vllm.utils.argparse_utils"
# Where the server's own flags are, newest first.
FRONTENDS = (
    "vllm.entrypoints.common.cli_args",
    "vllm.entrypoints.launchers.cli_args",
    "vllm.entrypoints.openai.cli_args",
)
# Words that are checked after the command line is parsed: where their names are, newest first.
TOOL_PARSERS = ("vllm.tool_parsers", "vllm.entrypoints.openai.tool_parsers")

# What the text says of the machine that it runs on, which here is a container of `vllm serve`.
KNOWN = {
    "sys.argv[1:]": ["serve"],
    "current_platform.device_type": "cuda",
    "async_args_only": False,
    "parser": None,
    "argparse.SUPPRESS": None,
    "argparse.BooleanOptionalAction": "boolean",
}
TYPES = {"str": "text", "int": "int", "float": "float", "json.loads": "loads"}
TYPES |= {"parse_reasoning_parser": "text", "bool": "bool"}
METHODS = {
    ast.unparse(ast.parse(text)): kind
    for text, kind in {
        "lambda s: s.lower().replace('-', '_')": "lowered",
        "lambda s: [int(device_id) if device_id.isdigit() else device_id for device_id in "
        "(part.strip() for part in s.split(','))]": "text",
    }.items()
}
DEPRECATED = re.compile(
    r"^\W*deprecated\b|\bis deprecated\b|\bdeprecated and will be", re.IGNORECASE
)
INSTEAD = re.compile(r"\buse\s+`?(--[a-z][\w.-]+)", re.IGNORECASE)
OPPOSITE = ("--enable-", "--disable-")
PLAIN: dict[type, tuple[str, ...]] = {
    dict: ("pop", "items", "update", "get"),
    list: ("remove", "append"),
    str: ("replace", "join"),
}


def options(tree: Path) -> list[dict[str, Any]]:
    """
    The options of `vllm serve` in a release, in the order of their declaration.

    They are calls of `add_argument` whose keywords vLLM makes of the fields of its configuration
    classes and then changes here and there; those statements are followed one by one, and one
    that is not understood is an error.

    Args:
        tree: The folder that holds the package.

    Raises:
        UnreadableError: A statement that matters is of no known form.
    """
    modules = Tree(tree)
    frontend = _first(modules, FRONTENDS)
    engine = modules.module(ENGINE)
    reader = _Reader(vllm_fields.Style.of(engine))
    make = frontend.definition("make_arg_parser")[1]
    assert isinstance(make, ast.FunctionDef)
    reader.follow(frontend, make.body)
    place, owner = frontend.definition("FrontendArgs")
    reader.method(place, owner, "add_cli_args")
    reader.method(engine, engine.definition("EngineArgs")[1], "add_cli_args")
    reader.method(engine, engine.definition("AsyncEngineArgs")[1], "add_cli_args")
    is_paired = "EnableDisableAction" in ast.unparse(ast.Module(modules.module(PARSER).body, []))
    drafts = modules.module("vllm.config.speculative")
    known = {
        "--speculative-config": vllm_fields.literal(drafts, "SpeculativeMethod"),
        "--tool-call-parser": _keys(_first(modules, TOOL_PARSERS), "_TOOL_PARSERS_TO_REGISTER"),
        "--reasoning-parser": _keys(
            modules.module("vllm.reasoning"), "_REASONING_PARSERS_TO_REGISTER"
        ),
    }
    _, adapter = frontend.definition("LoRAModulePath")
    assert isinstance(adapter, ast.ClassDef)
    adapters = {
        "type": "adapter",
        "fields": [name for _, name, *_ in vllm_fields.fields(frontend, adapter)],
    }
    found = [_option(*each, is_paired=is_paired) for each in reader.found]
    for option in found:
        name = option["names"][0]
        option |= {"known": sorted(known[name])} if name in known else {}
        option |= adapters if name == "--lora-modules" else {}
    return found


def _first(modules: Tree, names: tuple[str, ...]) -> Module:
    """The first of the modules that the release has."""
    for name in names:
        with suppress(UnreadableError):
            return modules.module(name)
    raise UnreadableError(f"{modules.root.name} has none of {', '.join(names)}")


def _keys(module: Module, name: str) -> list[str]:
    return list(module.value(ast.Name(name)))


class _Reader:
    """Follows the statements that declare options, and keeps what is declared."""

    def __init__(self, style: vllm_fields.Style) -> None:
        self.style = style
        self.found: list[tuple[list[str], dict[str, Any]]] = []

    def method(self, module: Module, owner: Any, name: str, **names: Any) -> Any:
        """Follow a method of a class, or of its base if that has it."""
        assert isinstance(owner, ast.ClassDef)
        names.setdefault("cls", (module, owner))
        for each in owner.body:
            if isinstance(each, ast.FunctionDef) and each.name == name:
                return self.follow(module, each.body, {**names, "owner": (module, owner)})
        return self.method(*_base(module, owner), name, **names)

    def follow(
        self, module: Module, body: list[ast.stmt], names: dict[str, Any] | None = None
    ) -> Any:
        """Follow statements; return what they return."""
        names = {} if names is None else names
        for each in body:
            match each:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    names[name] = self.value(module, value, names)
                case ast.Assign(targets=[ast.Subscript(value=whole, slice=key)], value=value):
                    place = self.value(module, whole, names)
                    name = self.value(module, key, names)
                    place[name] = self.value(module, value, names)
                    if name == "type":
                        place.pop("optional", None)  # it was a part of the type before
                case ast.AugAssign(target=ast.Subscript(value=whole, slice=key), value=value):
                    place, name = self.value(module, whole, names), self.value(module, key, names)
                    place[name] = place[name] + self.value(module, value, names)
                case ast.Delete(targets=[ast.Subscript(value=whole, slice=key)]):
                    del self.value(module, whole, names)[self.value(module, key, names)]
                case ast.If(test=test, body=inner, orelse=other):
                    chosen = inner if self.value(module, test, names) else other
                    self.follow(module, chosen, names)
                case ast.For(target=target, iter=over, body=inner):
                    for item in self.value(module, over, names):
                        bound = zip(ast.walk(target), (None, *item), strict=False)
                        given = {n.id: v for n, v in bound if isinstance(n, ast.Name)}
                        self.follow(module, inner, {**names, **given})
                case ast.Return(value=ast.expr() as value):
                    return self.value(module, value, names)
                case ast.Expr(ast.Call(func=ast.Attribute(attr="add_argument")) as call):
                    self._add(module, call, names)
                case ast.Expr(ast.Call() as call):
                    self.value(module, call, names)
                case ast.Expr(ast.Constant()) | ast.ImportFrom():
                    pass
                case _:
                    raise UnreadableError(f"{module.name}: {ast.unparse(each)}")
        return None

    def _add(self, module: Module, call: ast.Call, names: dict[str, Any]) -> None:
        words = [
            word
            for each in call.args
            for word in (
                self.value(module, each.value, names)
                if isinstance(each, ast.Starred)
                else [self.value(module, each, names)]
            )
        ]
        given: dict[str, Any] = {}
        for keyword in call.keywords:
            if keyword.arg is None:
                given |= self.value(module, keyword.value, names)
            else:
                name = keyword.arg
                given[name] = self._keyword(module, name, keyword.value, names)
        if words[0].startswith("-"):
            self.found.append((words, given))

    def _keyword(self, module: Module, name: str, node: ast.expr, names: dict[str, Any]) -> Any:
        """The value of a keyword of `add_argument`; a default may be anything."""
        try:
            return self.value(module, node, names)
        except UnreadableError:
            if name == "default":
                return None
            raise

    def value(self, module: Module, node: ast.expr, names: dict[str, Any]) -> Any:
        """The value of an expression; None where it matters to a help text only."""
        text = ast.unparse(node)
        if text in KNOWN:
            return KNOWN[text]
        if text in TYPES:
            return TYPES[text]
        match node:
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Lambda():
                return METHODS[text]
            case ast.Subscript(value=whole, slice=key):
                return self.value(module, whole, names)[self.value(module, key, names)]
            case ast.Dict(keys=keys, values=values):
                found: dict[str, Any] = {}
                for written, value in zip(keys, values, strict=True):
                    if written is None:
                        found |= self.value(module, value, names)
                    else:
                        name = self.value(module, written, names)
                        found[name] = self._keyword(module, name, value, names)
                return found
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.value(module, each, names) for each in items]
            case ast.JoinedStr(values=parts):
                return "".join(str(self.value(module, each, names)) for each in parts)
            case ast.FormattedValue(value=inner):
                return self.value(module, inner, names)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.value(module, left, names) + self.value(module, right, names)
            case ast.BoolOp(op=op, values=values):
                each = (self.value(module, value, names) for value in values)
                return all(each) if isinstance(op, ast.And) else any(each)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(module, operand, names)
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as op], comparators=[right]):
                among = self.value(module, right, names)
                return (self.value(module, left, names) in among) is isinstance(op, ast.In)
            case ast.IfExp(test=test, body=yes, orelse=no):
                return self.value(module, yes if self.value(module, test, names) else no, names)
            case ast.ListComp():
                return self._listed(module, node)
            case ast.Call():
                return self._called(module, node, names)
            case ast.Attribute():
                return None  # a default or a docstring
            case ast.Name(id=name):
                return self._named(module, name)
        return module.value(node)

    def _named(self, module: Module, name: str) -> Any:
        _, found = module.definition(name)
        if isinstance(found, ast.ClassDef):
            return name  # an action
        return module.value(ast.Name(name))

    def _listed(self, module: Module, node: ast.ListComp) -> list[str]:
        """Words that may be joined by commas, in any order, each once."""
        match node:
            case ast.ListComp(
                elt=ast.Call(func=ast.Attribute(value=ast.Constant(str(comma)), attr="join")),
                generators=[
                    ast.comprehension(
                        iter=ast.Call(
                            func=ast.Name(id="permutations"),
                            args=[ast.Call(func=ast.Name(id="get_args"), args=[ast.Name(id=name)])],
                            keywords=[ast.keyword(arg="r", value=ast.Constant(int(count)))],
                        )
                    )
                ],
            ):
                place, _ = module.definition(name)
                words = vllm_fields.literal(place, name)
                return [comma.join(each) for each in permutations(words, r=count)]
        raise UnreadableError(f"{module.name}: {ast.unparse(node)}")

    def _called(self, module: Module, node: ast.Call, names: dict[str, Any]) -> Any:
        match node:
            case ast.Call(func=ast.Name(id="get_kwargs"), args=[ast.Name(id=owner)]):
                if owner == "cls":
                    place, definition = names["cls"]
                    return vllm_fields.keywords(place, definition.name, self.style)
                return vllm_fields.keywords(module, owner, self.style)
            case ast.Call(func=ast.Name(id="optional_type"), args=[kind]):
                return f"{self.value(module, kind, names)}?"
            case ast.Call(func=ast.Name(id="get_args"), args=[ast.Name(id=name)]):
                return vllm_fields.literal(module, name)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="cls"), attr=method), args=arguments
            ):
                values = [self.value(module, each, names) for each in arguments]
                place, owner = names["cls"]
                return self.method(place, owner, method, frontend_kwargs=values[0])
            case ast.Call(
                func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=method),
                args=arguments,
            ):
                values = [self.value(module, each, names) for each in arguments]
                return self.method(*_base(*names["owner"]), method, frontend_kwargs=values[0])
            case ast.Call(func=ast.Attribute(value=whole, attr=method), args=arguments):
                text = ast.unparse(node)
                if method in ("add_argument_group", "add_cli_args", "list_registered"):
                    return None
                if text.startswith(("current_platform.", "load_general_plugins(")):
                    return None
                place = self.value(module, whole, names)
                if method in PLAIN.get(type(place), ()):
                    values = [self.value(module, each, names) for each in arguments]
                    return getattr(place, method)(*values)
                if place is None:
                    return None
            case ast.Call(func=ast.Name(id="list" | "load_general_plugins")):
                return []
        raise UnreadableError(f"{module.name}: {ast.unparse(node)}")


def _base(module: Module, owner: ast.ClassDef) -> tuple[Module, Any]:
    (base,) = owner.bases
    return module.definition(ast.unparse(base))


def _option(names: list[str], given: Mapping[str, Any], *, is_paired: bool) -> dict[str, Any]:
    """The catalogue's entry of an option that is declared with these keywords."""
    option: dict[str, Any] = {"names": [each for each in names if each.startswith("--")]}
    option["names"] += [each for each in names if not each.startswith("--")]
    kind, action = given.get("type"), given.get("action")
    if isinstance(kind, str) and kind.endswith("?"):
        given, kind = {**given, "optional": True}, kind[:-1]
    if action == "boolean":
        has_opposite = any(each.startswith(OPPOSITE) for each in names)
        option["kind"] = "paired" if is_paired and has_opposite else "boolean"
    elif action == "store_true":
        option["kind"] = "switch"
    else:
        if action == "append":
            option["kind"] = "append"
        if kind not in (None, "text"):
            option["type"] = kind
        for keyword in ("nargs", "const", "choices", "optional", "fields"):
            if given.get(keyword) is not None:
                option[keyword] = given[keyword]
    if given.get("default") not in (None, False, [], {}):
        option["default"] = given["default"]
    about = given.get("help") or ""
    if given.get("deprecated") or DEPRECATED.search(about):
        instead = INSTEAD.search(about)
        option["deprecated"] = instead[1].rstrip(".") if instead else ""
    return option
