"""Small rules that replicas follow."""

import asyncio

import pytest

from infra.local.image_recipes import engine_version
from infra.local.output import lines


@pytest.mark.parametrize(
    ("command", "version"),
    [
        ("FROM lmsysorg/sglang:v0.5.6.post2-cu129-amd64-runtime", "0.5.6.post2"),
        ("FROM lmsysorg/sglang:v0.5.20", "0.5.20"),
        ("FROM docker.io/lmsysorg/sglang:v0.5.20@sha256:0a1b", "0.5.20"),
        ("FROM lmsysorg/sglang:latest", "latest"),
        ("FROM lmsysorg/sglang", "latest"),
        ("FROM lmsysorg/sglang@sha256:0a1b", "latest"),
        ("FROM lmsysorg/sglang-router:v0.2.1", None),
        ("FROM example.com/lmsysorg/sglang:v0.5.20", None),
        ("RUN echo FROM lmsysorg/sglang:v0.5.20", None),
        ("FROM base", None),
    ],
)
def test_an_images_tag_names_the_engine(command: str, version: str | None) -> None:
    """The stand-in is for images of SGLang's own, and has the version of the tag."""
    assert engine_version(command) == version


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
