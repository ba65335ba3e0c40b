"""A release's command line is read as that release reads it."""

import json
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.facts import flags
from infra.facts.commandline import CommandLine
from infra.facts.data import read
from infra.facts.flags import ordered, release, versions
from infra.facts.plain import plainly

MODEL = ["--model-path", "Qwen/Qwen3-8B-FP8"]


@pytest.mark.parametrize(
    ("asked", "taken", "is_noticed"),
    [
        ("0.5.11", "0.5.11", False),
        ("0.5.6.post2", "0.5.6.post2", False),
        ("0.5.12", "0.5.12.post1", True),
        ("0.5.6.post1", "0.5.6.post2", True),
        ("0.5.15rc1", "0.5.14", True),
        ("0.5.99", "0.5.23", True),
        ("0.6.0", "0.5.23", True),
        ("0.4.9", "0.5.6.post2", True),
        ("nightly", "0.5.23", True),
        (None, "0.5.23", True),
    ],
)
def test_the_nearest_older_release_is_taken(
    asked: str | None, taken: str, is_noticed: bool
) -> None:
    """A release that is not in the catalogue is read as the one before it, and that is said."""
    found = release("sglang", asked)
    assert (found.version, found.notice is not None) == (taken, is_noticed)


@pytest.mark.parametrize(
    ("version", "words", "error"),
    [
        ("0.5.11", ["--enable-metrix"], "unrecognized arguments: --enable-metrix"),
        (
            "0.5.20",
            ["--cuda-graph-max-bs", "20"],
            "ambiguous option: --cuda-graph-max-bs could match --cuda-graph-max-bs-decode, "
            "--cuda-graph-max-bs-prefill",
        ),
        ("0.5.13.post1", ["--cuda-graph-max-bs", "20"], None),
        ("0.5.9", ["--enable-piecewise-cuda-graph"], None),
        (
            "0.5.14",
            ["--enable-piecewise-cuda-graph"],
            "unrecognized arguments: --enable-piecewise-cuda-graph",
        ),
        (
            "0.5.11",
            ["--tp-size"],
            "argument --tensor-parallel-size/--tp-size: expected one argument",
        ),
        (
            "0.5.11",
            ["--tp-size", "two"],
            "argument --tensor-parallel-size/--tp-size: invalid int value: 'two'",
        ),
        (
            "0.5.11",
            ["--context-length", "32q"],
            "argument --context-length: Invalid integer value: '32q'. Use a plain integer, SI "
            "suffixes (1k, 1M), or IEC suffixes (1Ki, 1Mi). Suffixes are case-sensitive.",
        ),
        ("0.5.11", ["--context-length", "32k"], None),
        (
            "0.5.6.post2",
            ["--context-length", "32k"],
            "argument --context-length: invalid int value: '32k'",
        ),
        (
            "0.5.11",
            ["--enable-metrics=yes"],
            "argument --enable-metrics: ignored explicit argument 'yes'",
        ),
        (
            "0.5.18",
            ["--enable-expert-distribution-metrics"],
            "--enable-expert-distribution-metrics is no longer supported. Use "
            "--expert-balancedness-report-mode with one of: off, server_log, prometheus, both.",
        ),
    ],
)
def test_messages_are_the_releases_own(version: str, words: list[str], error: str | None) -> None:
    """The message is what the release prints behind `error: `, word for word."""
    assert release("sglang", version).parse([*MODEL, *words]).error == error


def test_a_wrong_choice_lists_the_right_ones() -> None:
    """The choices are those of the release."""
    words = [*MODEL, "--reasoning-parser", "nano_v3"]
    assert release("sglang", "0.5.9").parse(words).error is None
    error = release("sglang", "0.5.10.post1").parse(words).error
    assert error is not None
    assert error.startswith("argument --reasoning-parser: invalid choice: 'nano_v3' (choose from ")
    assert "nemotron_3" in error


def test_the_model_is_required() -> None:
    """Without a model the parser says so."""
    error = release("sglang", "0.5.11").parse(["--enable-metrics"]).error
    assert error == "the following arguments are required: --model-path/--model"


def test_values_bear_one_name() -> None:
    """Aliases, abbreviations and `=` are read as the flag's own name; words stay as written."""
    words = ["--model", "m", "--tensor-parallel-size=02", "--mem-fraction", "0.80"]
    for version in versions("sglang"):
        parsed = release("sglang", version).parse([*words, "--enable-metrics"])
        assert parsed.error is None
        assert parsed.values == {
            "--model-path": "m",
            "--tp-size": "02",
            "--mem-fraction-static": "0.80",
            "--enable-metrics": True,
        }
        assert parsed.abbreviations == {"--mem-fraction": "--mem-fraction-static"}


def test_several_words_are_a_list() -> None:
    """A flag that takes several words gives all of them."""
    words = [*MODEL, "--cuda-graph-bs-decode", "1", "2", "4"]
    assert release("sglang", "0.5.23").parse(words).values["--cuda-graph-bs-decode"] == list("124")


def test_all_errors_are_found_at_once() -> None:
    """Each flag is also read by itself, since argparse stops at the first error."""
    words = ["--tp-size", "two", "--enable-metrix", "--port", "8000"]
    parsed = release("sglang", "0.5.11").parse([*MODEL, *words])
    assert len(parsed.errors) == 2
    assert parsed.error in parsed.errors
    assert parsed.values == {"--model-path": MODEL[1], "--port": "8000"}


def test_going_flags_name_their_heirs() -> None:
    """A deprecated flag is so in the releases that say it, with what takes its place."""
    flag = "--cuda-graph-max-bs"
    assert release("sglang", "0.5.13.post1").deprecated().get(flag) is None
    assert release("sglang", "0.5.14").deprecated()[flag] == "--cuda-graph-max-bs-decode"


@pytest.mark.parametrize("version", versions("sglang"))
def test_every_release_is_a_parser(version: str) -> None:
    """The catalogue of each release makes a parser whose flags are all accepted by their names."""
    known = release("sglang", version)
    assert known.parse(MODEL).values == {"--model-path": MODEL[1]}
    assert 290 < len(known.names()) < 600
    error = known.parse([*MODEL, "--no-such-flag"]).error
    assert error == "unrecognized arguments: --no-such-flag"


NEWEST = release("sglang", "0.5.23")
WORDS = st.one_of(
    st.sampled_from(sorted(NEWEST.names())),
    st.sampled_from(["1", "0.5", "-1", "auto", "triton", "", "{}", "a b", "--", "-h", "32k"]),
    st.sampled_from(sorted(NEWEST.names())).map(lambda name: name[: len(name) // 2]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=8))
def test_the_short_way_agrees_with_argparse(words: list[str]) -> None:
    """Where nothing is in doubt, the values are those of argparse, which accepts them, too."""
    options = flags._options("sglang", NEWEST.version)
    short = flags._plain(NEWEST, words)
    if short is not None:
        parser = CommandLine("sglang", list({id(each): each for each in options.values()}.values()))
        assert parser.read(words, required=False) == (short, None)


@given(st.sampled_from(sorted(NEWEST.names())), st.sampled_from(["1", "x", "auto", "0.5"]))
def test_one_flag_is_read_alike_both_ways(flag: str, word: str) -> None:
    """A single flag with one word: the short way never accepts what argparse refuses."""
    options = flags._options("sglang", NEWEST.version)
    short = plainly(options, [flag, word])
    if short is not None:
        parser = CommandLine("sglang", [options[flag]])
        assert parser.read([flag, word], required=False) == (dict([short]), None)


def test_versions_are_ordered() -> None:
    """A candidate is before its release, a post-release after it."""
    mixed = ["0.5.12.post1", "0.5.9", "0.5.12", "0.5.12rc1", "0.5.10.post1"]
    assert sorted(mixed, key=ordered) == [
        "0.5.9",
        "0.5.10.post1",
        "0.5.12rc1",
        "0.5.12",
        "0.5.12.post1",
    ]


def test_the_catalogue_is_sound() -> None:
    """Releases are in order, each with options that exist, named once."""
    catalogue = read("sglang_flags")
    known = list(catalogue["releases"])
    assert known == sorted(known, key=ordered)
    for version, row in catalogue["releases"].items():
        options = (catalogue["options"][int(place)] for place in row.split())
        names = [name for option in options for name in option["names"]]
        assert len(names) == len(set(names)), version
    used = {int(place) for row in catalogue["releases"].values() for place in row.split()}
    assert used == set(range(len(catalogue["options"])))


@pytest.mark.parametrize(
    "name", ["sglang_flags", "vllm_flags", "gpus", "regions", "prices", "caches", "models"]
)
def test_facts_have_a_source_and_a_date(name: str) -> None:
    """Every file of facts is in the package, and says where it is from and when."""
    content = json.loads(files("infra.facts").joinpath(f"{name}.json").read_text("utf-8"))
    assert content["source"]
    assert content["date"].count("-") == 2
