"""Values are spelled so that Python reads them back and ruff leaves them alone."""

import ast
import string
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import spell
from infra.spell import Because, Call, Name, OpenDict, OpenList, Words

HOSTILE = st.sampled_from(
    ["", '"', "'", "\"'", "'''", '"""', "\\", "\\'", "\n", "\r\n", "\0", "{{ x }}", "{% if x %}",
     "{# x #}", "#", "é", "ß…", "日本語", "e\u0301", "\u2028", "\u202e", "🏳️‍🌈", "\ud800", "\x7f",
     "\\N{DASH}", "%s", "{}"]
)  # fmt: skip
TEXT = st.one_of(
    st.text(max_size=30),
    st.lists(st.one_of(HOSTILE, st.text(max_size=5)), max_size=5).map("".join),
    st.text(string.ascii_letters + "\"' ", min_size=40, max_size=95),
)
SCALARS = st.one_of(
    TEXT,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)


def _holding(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few = st.lists(items, max_size=4)
    return st.one_of(few, few.map(tuple), st.dictionaries(TEXT, items, max_size=4))


PLAIN = st.recursive(SCALARS, _holding, max_leaves=12)

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=30).map(lambda x: f"n_{x}")
WORDS = st.lists(TEXT, min_size=1, max_size=4).map(Words)


def _reading(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a module is written with: plain containers, open ones, calls."""
    few = st.lists(items, max_size=4)
    kwargs = st.dictionaries(NAMES, items, max_size=4).map(lambda held: tuple(held.items()))
    because = st.builds(Because, st.text("why \n", max_size=20), items | WORDS)
    return st.one_of(
        _holding(items),
        st.lists(items | WORDS | because, max_size=5).map(OpenList),
        st.lists(items | WORDS, max_size=5),
        st.dictionaries(TEXT, items, max_size=4).map(OpenDict),
        st.builds(Call, NAMES | st.just("image.env"), few.map(tuple), kwargs, st.booleans()),
    )


VALUES = st.recursive(SCALARS | NAMES.map(Name), _reading, max_leaves=20)


def read_back(text: str) -> Any:
    """What Python makes of the text; a call is a tuple of what it was called with."""
    return _value(ast.parse(text, mode="eval").body)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Call(func, args, keywords):
            named = {keyword.arg: _value(keyword.value) for keyword in keywords}
            return ("call", ast.unparse(func), _items(args), named)
        case ast.Name(name):
            return ("name", name)
        case ast.List(items):
            return _items(items)
        case ast.Tuple(items):
            return tuple(_items(items))
        case ast.Dict(keys, values):
            pairs = zip(keys, values, strict=True)
            return {_value(key): _value(held) for key, held in pairs if key}
        case _:
            return ast.literal_eval(node)


def _items(nodes: list[ast.expr]) -> list[Any]:
    items: list[Any] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            items += _value(node.value)
        else:
            items.append(_value(node))
    return items


def meant(value: Any) -> Any:
    """What `read_back` should find."""
    match value:
        case Because(_, item):
            return meant(item)
        case Call(function, args, kwargs):
            named = {name: meant(held) for name, held in kwargs}
            return ("call", function, _meant_items(args), named)
        case Name():
            return ("name", str(value))
        case dict():
            return {key: meant(held) for key, held in value.items()}
        case list():
            return _meant_items(value)
        case tuple():
            return tuple(_meant_items(value))
        case _:
            return value


def _meant_items(values: Any) -> list[Any]:
    items: list[Any] = []
    for value in values:
        bare = value.item if isinstance(value, Because) else value
        if isinstance(bare, Words):
            items += bare
        else:
            items.append(meant(bare))
    return items


@given(PLAIN)
def test_plain_data_is_read_back(value: Any) -> None:
    """Whatever plain data holds, Python reads the same data from its spelling."""
    assert repr(ast.literal_eval(spell.expression(value, 0, 0, 0))) == repr(value)
    assert repr(ast.literal_eval(spell.one_line(value))) == repr(value)
    assert "\n" not in spell.one_line(value)


@given(VALUES)
def test_calls_and_open_lists_are_read_back(value: Any) -> None:
    """A value keeps its meaning, however it is laid out."""
    assert repr(read_back(spell.expression(value, 0, 0, 0))) == repr(meant(value))
    assert repr(read_back(spell.one_line(value))) == repr(meant(value))


@given(TEXT, VALUES, st.text(max_size=60))
def test_a_statement_is_one_assignment(target: str, value: Any, comment: str) -> None:
    """Neither a value nor a comment can add a statement to the module."""
    (node,) = ast.parse(spell.statement("x", value, comment)).body
    assert isinstance(node, ast.Assign)
    assert repr(_value(node.value)) == repr(meant(value))


@given(st.text())
def test_a_comment_is_comment_lines(text: str) -> None:
    """Whatever a comment says, each of its lines is a comment."""
    lines = spell.comment_lines(text)
    assert ast.parse("\n".join(lines)).body == []
    assert all(line.startswith("#") and line == line.rstrip() for line in lines)


def test_ruff_leaves_every_statement_as_it_is() -> None:
    """What is generated is formatted, whatever stands in it and however wide it is."""
    written: list[str] = []

    @settings(max_examples=500, database=None)
    @given(NAMES, VALUES, st.text("a reason\n", max_size=30))
    def collect(target: str, value: Any, comment: str) -> None:
        written.append(spell.statement(target, value, comment))

    collect()
    assert len(written) >= 500
    assert_formatted("\n".join(written) + "\n")


WIDTHS = [
    spell.statement("x" * target, value)
    for target in (1, 20)
    for length in range(55, 90)
    for value in (
        "v" * length,
        Name("n" * length),
        10**length,
        -(10**length),
        ("v" * length,),
        ["v" * (length // 2), "v" * (length - length // 2)],
        {"k": "v" * length},
        Call("f", ("v" * length,)),
        Call("f", (), (("k", Name("n" * length)),)),
        Call("f" * length, ()),
        Call("f", ([["v" * length]],)),
        OpenList([Words(("--flag", "v" * length)), Words(("v" * length,))]),
        Name('f"' + "{n}" + "v" * length + '"'),
    )
]


def test_ruff_agrees_at_the_edge_of_the_line() -> None:
    """A value is broken up in the very column where ruff breaks it up."""
    assert_formatted("\n".join(WIDTHS) + "\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a", 1, 1.5, True, None], '["a", 1, 1.5, True, None]'),
        (('say "hi"',), "('say \"hi\"',)"),
        ({"a": [1]}, '{"a": [1]}'),
        (1e16, "1e16"),
        ("Zürich", '"Zürich"'),
        ("日本\u00ad", r'"\u65e5\u672c\xad"'),
        (Call("f", (Name("x"),), (("y", 2),)), "f(x, y=2)"),
        (OpenList([Words(("--port", "80"))]), '[\n    *("--port", "80"),\n]'),
        (OpenList([Words(("one",))]), '[\n    *("one",),\n]'),
        (OpenList([Because("why", 1)]), "[\n    # why\n    1,\n]"),
        (OpenList(), "[]"),
        (OpenDict(a=1), '{\n    "a": 1,\n}'),
    ],
)
def test_spelling(value: Any, text: str) -> None:
    """The text is the one that a person would write."""
    assert spell.expression(value, 0, 0, 0) == text


@pytest.mark.parametrize("value", [object(), b"x", {1}, float("inf"), float("nan")])
def test_what_no_literal_says_is_refused(value: object) -> None:
    """A value whose spelling Python would not read back does not get into a module."""
    with pytest.raises(TypeError, match="has no spelling"):
        spell.one_line([value])


def test_none_is_left_out_of_a_call() -> None:
    """What a component leaves to Modal is not written."""
    assert spell.one_line(spell.call("f", None, a=None, b=0)) == "f(None, b=0)"


def assert_formatted(text: str) -> None:
    """Ruff's own verdict, with what it would change."""
    result = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "-"],
        input=text.encode("utf-8"),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
