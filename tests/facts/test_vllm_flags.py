"""A release of vLLM's command line is read as that release reads it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.facts import flags
from infra.facts.commandline import CommandLine
from infra.facts.data import read
from infra.facts.flags import ordered, release, versions
from infra.facts.flexible import normalised
from infra.facts.plain import plainly
from infra.facts.vllm import method_of

OLDEST, NEWEST = versions("vllm")[0], versions("vllm")[-1]


@pytest.mark.parametrize(
    ("version", "words", "error"),
    [
        (NEWEST, ["--task", "generate"], "unrecognized arguments: --task generate"),
        (OLDEST, ["--task", "generate"], None),
        (NEWEST, ["--max_model_len", "8k"], None),
        (NEWEST, ["--max-model-len", "auto"], None),
        (
            OLDEST,
            ["--max-model-len", "auto"],
            "argument --max-model-len: invalid human_readable_int value: 'auto'",
        ),
        (NEWEST, ["--max-model-len", "2.5k"], None),
        (
            NEWEST,
            ["--max-model-len", "2.5K"],
            "argument --max-model-len: Decimals are not allowed with binary suffixes like K. Did "
            "you mean to use 2.5k instead?",
        ),
        (NEWEST, ["--no-enable-prefix-caching"], None),
        (NEWEST, ["--disable-prefix-caching"], None),
        (
            OLDEST,
            ["--disable-prefix-caching"],
            "unrecognized arguments: --disable-prefix-caching",
        ),
        (NEWEST, ["--no-headless"], "unrecognized arguments: --no-headless"),
        (NEWEST, ["-tp", "2"], None),
        (NEWEST, ["-O3"], None),
        (OLDEST, ["-O3"], None),
        (NEWEST, ["-O", "2"], None),
        (OLDEST, ["-O", "2"], None),
        (NEWEST, ["--revision", ""], None),
        (NEWEST, ["--seed", "None"], "argument --seed: invalid int value: 'None'"),
        (NEWEST, ["--moe-backend", "Flashinfer-Trtllm"], None),
        (NEWEST, ["--compilation-config.mode", "3"], None),
        (NEWEST, ["--compilation-config.pass_config.fuse_norm_quant=true"], None),
        (
            NEWEST,
            ["--compilation-config.mod", "3"],
            "argument --compilation-config/-cc: mod is none of its fields; mode is the nearest",
        ),
        (OLDEST, ["--compilation-config", '{"mod": 3}'], None),
        (NEWEST, ["--speculative-config", '{"anything": 1}'], None),
        (NEWEST, ["--lora-modules", "law=/loras/law"], None),
        (NEWEST, ["--lora-modules", '{"name": "law", "path": "/loras/law"}'], None),
        (
            NEWEST,
            ["--lora-modules", '{"name": "law"}'],
            'argument --lora-modules: {"name": "law"} has no path',
        ),
    ],
)  # fmt: skip
def test_what_a_release_takes(version: str, words: list[str], error: str | None) -> None:
    """Names, types, suffixes, opposites, dotted keys and abbreviations are the release's own."""
    assert release("vllm", version).parse(words).error == error


def test_values_bear_one_name() -> None:
    """Underscores, short names, `=` and opposites are read as the flag's own name."""
    words = ["-tp=2", "--max_num_seqs", "8", "--disable-prefix-caching", "--enforce-eag"]
    parsed = release("vllm", NEWEST).parse(words)
    assert parsed.error is None
    assert parsed.values == {
        "--tensor-parallel-size": "2",
        "--max-num-seqs": "8",
        "--enable-prefix-caching": False,
        "--enforce-eager": True,
    }
    assert parsed.abbreviations == {"--enforce-eag": "--enforce-eager"}


def test_dotted_keys_are_one_object() -> None:
    """Keys that are given apart are merged; `+` adds to a list, what is no JSON is text."""
    words = [
        *("--compilation-config.mode", "3", "--port", "1", "--compilation-config.backend=eager"),
        *("--compilation-config.compile_sizes+", "1,2", "--compilation-config.compile_sizes+=4"),
    ]
    *rest, flag, text = normalised(words, ())
    assert rest == ["--port", "1"]
    assert flag == "--compilation-config"
    assert json.loads(text) == {"mode": 3, "backend": "eager", "compile_sizes": ["1", "2", "4"]}


GRAPHS, SIZE = "--compilation-config", "max_cudagraph_capture_size"


@pytest.mark.parametrize(
    ("version", "words", "size"),
    [
        (NEWEST, [GRAPHS, f'{{"{SIZE}": 1k, "cache_dir": "1k"}}'], 1000),
        (NEWEST, [f'--compilation_config={{"{SIZE}": 1K}}'], 1024),
        (NEWEST, [f"{GRAPHS}.{SIZE}", "1.5k"], 1500),
        (OLDEST, [f"{GRAPHS}.{SIZE}", "1k"], "1k"),
        ("0.19.1", [GRAPHS, f'{{"{SIZE}": 1k}}'], None),
        (NEWEST, [GRAPHS, f'{{"{SIZE}": 1.5K}}'], None),
        (NEWEST, ["--speculative-config", '{"num_speculative_tokens": 1k}'], None),
    ],
)
def test_numbers_with_units_in_json(version: str, words: list[str], size: object) -> None:
    """New releases write them out, but in text and where json.loads alone reads the flag."""
    parsed = release("vllm", version).parse(words)
    assert (parsed.error is None) == (size is not None)
    if size is not None:
        assert json.loads(str(parsed.values[GRAPHS]))[SIZE] == size


@pytest.mark.parametrize(
    ("config", "version", "method"),
    [
        ({"method": "mtp", "model": "a/eagle3"}, NEWEST, "mtp"),
        ({"model": "[ngram]"}, OLDEST, "ngram"),
        ({"model": "a/model"}, OLDEST, "mtp"),
        ({"model": "yuhuili/EAGLE-LLaMA3-Instruct-8B"}, OLDEST, "eagle"),
        ({"model": "AngelSlim/Qwen3-8B_eagle3"}, OLDEST, "eagle3"),
        ({"model": "deepseek-ai/dspark_qwen3_8b_block7"}, NEWEST, "dspark"),
        ({"model": "deepseek-ai/dspark_qwen3_8b_block7"}, OLDEST, "draft_model"),
        ({"model": "proposers.Mine"}, NEWEST, "custom_class"),
        ({"model": "proposers.Mine"}, OLDEST, "draft_model"),
        ({"model": "models/proposers.Mine"}, NEWEST, "draft_model"),
    ],
)
def test_a_method_that_is_not_given(config: dict[str, str], version: str, method: str) -> None:
    """The draft's name tells it where the release knows the method, or it is a model as any."""
    known = release("vllm", version).known("--speculative-config")
    assert method_of(config, "a/model", known) == method


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_release_is_a_parser(version: str) -> None:
    """The catalogue of each release makes a parser that knows what a service gives it."""
    known = release("vllm", version)
    words = ["--served-model-name", "m", "--host", "0.0.0.0", "--port", "1", "-tp", "2"]
    assert known.parse([*words, "--revision", "r"]).error is None
    assert 180 < len(known.names()) < 500
    assert known.parse(["--no-such-flag"]).error == "unrecognized arguments: --no-such-flag"
    assert {"ngram", "eagle3", "mtp"} <= set(known.known("--speculative-config"))
    assert "num_speculative_tokens" in known.fields("--speculative-config")
    assert "hermes" in known.known("--tool-call-parser")
    assert isinstance(known.default("--gpu-memory-utilization"), float)


def test_the_catalogue_is_sound() -> None:
    """Releases are in order, a minor one each, with options that exist, named once."""
    catalogue = read("vllm_flags")
    known = list(catalogue["releases"])
    assert known == sorted(known, key=ordered)
    assert len({ordered(each)[0][:2] for each in known}) == len(known) >= 3
    for version, row in catalogue["releases"].items():
        options = (catalogue["options"][int(place)] for place in row.split())
        names = [name for option in options for name in option["names"]]
        assert len(names) == len(set(names)), version
    used = {int(place) for row in catalogue["releases"].values() for place in row.split()}
    assert used == set(range(len(catalogue["options"])))


NAMES = sorted(release("vllm", NEWEST).names())
WORDS = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES).map(lambda name: name[: len(name) // 2]),
    st.sampled_from(NAMES).map(lambda name: f"{name}.mode"),
    st.sampled_from(NAMES).map(lambda name: name.replace("--", "--no-", 1)),
    st.sampled_from(["1", "0.5", "-1", "auto", "", "None", "{}", '{"mode": 3}', "8K", "-O3", "--"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=8))
def test_the_short_way_agrees_with_argparse(words: list[str]) -> None:
    """Where nothing is in doubt, the values are those of argparse, which accepts them, too."""
    options = flags._options("vllm", NEWEST)
    argv = normalised(words, options)
    short = flags._plain(release("vllm", NEWEST), argv)
    if short is not None:
        parser = CommandLine("vllm", list({id(each): each for each in options.values()}.values()))
        assert parser.read(argv, required=False) == (short, None)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(["1", "x", "auto", "", "None", "{}", "0.5"]))
def test_one_flag_is_read_alike_both_ways(flag: str, word: str) -> None:
    """A single flag with one word: the short way never accepts what argparse refuses."""
    options = flags._options("vllm", NEWEST)
    short = plainly(options, [flag, word])
    if short is not None:
        parser = CommandLine("vllm", [options[flag]])
        assert parser.read([flag, word], required=False) == (dict([short]), None)


@pytest.mark.parametrize(
    "flag", ["--compilation-config", "--speculative-config", "--compilation-config.a"]
)
def test_what_is_nested_too_deeply_is_refused(flag: str) -> None:
    """JSON of a hundred thousand brackets is an error of the command line, and ends nothing."""
    found = release("vllm", NEWEST).parse([flag, "[" * 100_000])
    assert found.error is not None or flag.endswith(".a")


@settings(deadline=None)
@given(st.lists(WORDS, max_size=6))
def test_words_without_peculiarities_stay(words: list[str]) -> None:
    """What is normal already is not changed."""
    once = normalised(words, ())
    assert normalised(once, ()) == once
