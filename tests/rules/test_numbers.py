"""Which numbers rules read in the words of a command line."""

import pytest

from components.rules.engine import whole


@pytest.mark.parametrize(
    ("word", "sglang", "vllm"),
    [
        ("8192", 8192, 8192),
        (" 8192 ", 8192, 8192),
        ("-1", -1, -1),
        ("25.6k", 25_600, 25_600),
        ("1K", None, 1024),
        ("1m", None, 10**6),
        ("1M", 10**6, 2**20),
        ("256Ki", 2**18, None),
        ("2Gi", 2**31, None),
        ("1ki", None, None),
        ("-1k", None, None),
        ("1 k", None, None),
        ("k", None, None),
        ("", None, None),
        ("0.9", None, None),
        ("NEXTN", None, None),
        ("9" * 30, 10**30 - 1, 10**30 - 1),
        ("9" * 31, None, None),
        ("9" * 31 + "k", None, None),
    ],
)
def test_whole_numbers(word: str, sglang: int | None, vllm: int | None) -> None:
    """Plain ones, and with the engine's own units: M of vLLM's is 2**20; all else is none."""
    assert (whole(word, "sglang"), whole(word, "vllm")) == (sglang, vllm)
