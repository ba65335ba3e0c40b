"""Several turns of one conversation, to see where they go and what the engine still knows."""

import secrets

from infra.probing.answer import Answer, Show
from infra.probing.chat import Caller, Message

_NEXT = ("Give an example.", "Now say it in one sentence.")


async def converse(caller: Caller, prompt: str, show: Show | None) -> list[Answer]:
    """
    The answers of each turn, in order; one turn only where sessions are not for one replica.

    Args:
        caller: Who asks.
        prompt: What the first turn asks.
        show: Is given the first answer as it comes.

    Raises:
        Failed: A turn has no whole answer.
    """
    session = f"probe-{secrets.token_hex(8)}"  # nobody else's, whose prompts a replica may know
    messages: list[Message] = [{"role": "user", "content": prompt}]
    answers = [await caller.ask(messages, session, show)]
    for question in _NEXT if caller.is_sticky else ():
        messages.append({"role": "assistant", "content": answers[-1].text})
        messages.append({"role": "user", "content": question})
        answers.append(await caller.ask(messages, session))
    return answers
