"""Words in the place of a tokenizer's tokens, and the sentences that every request is answered."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain, cycle, islice
from typing import Any

# About four letters each, as tokenizers average on English text. Joined they are the text again.
PIECE = re.compile(r" ?\w{1,5}| ?[^\w\s]{1,3}|\s")

REASONING = (
    "A model would think here. This is a stand-in: it only sends some words in the place of its"
    " reasoning, at the pace of the engine that it stands for.\n"
)
ANSWER = (
    "This is a stand-in for {engine} and not a language model: nobody has read the question, and"
    " these sentences are always the same. The prompt was counted as {count} tokens. The words"
    " come at the pace that a simple model of time expects of the real engine, so that routing,"
    " scaling and streaming can be rehearsed without a GPU. Deploy to Modal for a real answer."
)


def tokens(text: str) -> list[str]:
    """The pieces of a text."""
    return PIECE.findall(text)


def chat_tokens(messages: Sequence[Mapping[str, Any]], tools: object) -> list[str]:
    """A chat as a template would lay it out; equal beginnings have equal tokens."""
    if tools:
        system = {"role": "system", "content": json.dumps(tools)}
        messages = [system, *messages]
    turns = (
        ["<|im_start|>", str(message["role"]), "\n", *tokens(_content(message)), "<|im_end|>", "\n"]
        for message in messages
    )
    return [*chain.from_iterable(turns), "<|im_start|>", "assistant", "\n"]


def answer_tokens(
    engine: str, count: int, limit: int | None, *, reasoning: bool, endless: bool
) -> tuple[list[str], int, bool]:
    """
    What a prompt of that many tokens is answered in the place of an engine.

    Returns:
        The tokens, how many of them are reasoning, and whether the limit cuts them.
    """
    thought = tokens(REASONING) if reasoning else []
    answer = tokens(ANSWER.format(engine=engine, count=count))
    if limit is None or (not endless and len(thought) + len(answer) <= limit):
        return thought + answer, len(thought), False
    cut = list(islice(chain(thought, cycle([*answer, " "])), limit))
    return cut, min(len(thought), limit), True


def _content(message: Mapping[str, Any]) -> str:
    """The text of a message; pictures and sounds are not counted."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
