"""Small rules that replicas follow."""

import asyncio

import pytest

from infra.local.image_recipes import engines
from infra.local.output import lines


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("FROM lmsysorg/sglang:v0.5.6.post2-cu129-amd64-runtime", {"sglang": "0.5.6.post2"}),
        ("FROM lmsysorg/sglang:v0.5.20", {"sglang": "0.5.20"}),
        ("FROM docker.io/lmsysorg/sglang:v0.5.20@sha256:0a1b", {"sglang": "0.5.20"}),
        ("FROM lmsysorg/sglang:latest", {"sglang": "latest"}),
        ("FROM lmsysorg/sglang", {"sglang": "latest"}),
        ("FROM lmsysorg/sglang@sha256:0a1b", {"sglang": "latest"}),
        ("FROM vllm/vllm-openai:v0.33.0", {"vllm": "0.33.0"}),
        ("FROM vllm/vllm-openai", {"vllm": "latest"}),
        ("FROM vllm/vllm-openai-cpu:v0.33.0", {}),
        ("FROM vllm/vllm:v0.33.0", {}),
        ("FROM lmsysorg/sglang-router:v0.2.1", {}),
        ("FROM example.com/lmsysorg/sglang:v0.5.20", {}),
        ("RUN echo FROM lmsysorg/sglang:v0.5.20", {}),
        ("RUN python -m pip install 'sglang[all]==0.5.20'", {"sglang": "0.5.20"}),
        (
            "RUN uv pip install --python x huggingface-hub==0.36 vllm==0.33.0+cu129",
            {"vllm": "0.33.0"},
        ),
        ("RUN python -m pip install vllm 'it does not end", {}),
        ("RUN python -m pip install vllm-omni==0.33.0", {}),
        ("RUN echo vllm==0.33.0", {}),
        ("FROM base", {}),
    ],
)
def test_what_an_image_says_of_engines(command: str, expected: dict[str, str]) -> None:
    """Its base's tag or what pip gets names the version, of the engines that have a stand-in."""
    assert engines(command) == expected


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"one\ntwo\n"], ["one\n", "two\n"]),
        ([b"on", b"e\nunfin", b"ished"], ["one\n", "unfinished"]),
        ([b"10%\r20%\r", b"done\n"], ["10%\r", "20%\r", "done\n"]),
        ([b"windows\r\nends\r\n"], ["windows\r\n", "ends\r\n"]),
        ([b"a\n\nb\n"], ["a\n", "\n", "b\n"]),
        (["é\n".encode()[:1], "é\n".encode()[1:]], ["é\n"]),
        ([b"\xff\n"], ["\N{REPLACEMENT CHARACTER}\n"]),
        ([b"x" * 40_000], ["x" * 40_000]),
        ([], []),
    ],
)
def test_output_is_read_line_by_line(chunks: list[bytes], expected: list[str]) -> None:
    """However it comes in; a progress bar's states are lines; nothing is held without a limit."""

    async def read() -> list[str]:
        stream = asyncio.StreamReader()
        found: list[str] = []

        async def collect() -> None:
            async for line in lines(stream):
                found.append(line)

        collecting = asyncio.create_task(collect())
        for chunk in chunks:
            stream.feed_data(chunk)
            await asyncio.sleep(0)
        stream.feed_eof()
        await collecting
        return found

    assert asyncio.run(read()) == expected
