"""What a request asks for, checked."""

from collections.abc import Mapping
from typing import Any

import attrs

from infra.local.engine.settings import Settings
from infra.local.engine.text import answer_tokens, chat_tokens, tokens

COMPLETION_TOKENS = 16  # OpenAI's default for plain completions; chats end by themselves


class BadRequest(ValueError):
    """A request that is answered with an error, and that error's kind."""

    status = 400
    kind = "BadRequestError"


class NoSuchModel(BadRequest):
    """It names a model that is not served."""

    status = 404
    kind = "NotFoundError"


@attrs.frozen(kw_only=True)
class Ask:
    """
    A request for text.

    Attributes:
        model: As the request names it; SGLang does not compare it with what it serves.
        prompt: Its tokens.
        answer: The tokens of the answer.
        reasoning: How many of them are reasoning.
        cut: Whether the limit on tokens ends the answer.
        stream: Whether each step is sent as it comes.
        usage: Whether a stream ends with the numbers of tokens.
        echo: What a plain completion repeats before its answer.
        thoughts: The field of an answer's reasoning.
    """

    model: str
    prompt: list[str]
    answer: list[str]
    reasoning: int
    cut: bool
    stream: bool
    usage: bool
    echo: str = ""
    thoughts: str = "reasoning_content"


def read_chat(body: object, settings: Settings) -> Ask:
    """A body of /v1/chat/completions."""
    fields = _object(body)
    messages = fields.get("messages")
    if not isinstance(messages, list) or not all(map(_is_message, messages)):
        raise BadRequest("messages: a list of objects with a role is required.")
    if not messages:
        raise BadRequest("Messages cannot be empty.")
    template = fields.get("chat_template_kwargs")
    template = template if isinstance(template, dict) else {}
    thinks = (
        settings.flags.text("--reasoning-parser") is not None
        and fields.get("reasoning_effort") != "none"
        and template.get("enable_thinking") is not False
        and template.get("thinking") is not False
    )
    limit = _number(fields, "max_completion_tokens") or _number(fields, "max_tokens")
    return _ask(fields, settings, chat_tokens(messages, fields.get("tools")), limit, thinks=thinks)


def read_completion(body: object, settings: Settings) -> Ask:
    """A body of /v1/completions."""
    fields = _object(body)
    prompt = fields.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if not prompt:
        raise BadRequest("Prompt cannot be empty")
    if isinstance(prompt, str):
        words = tokens(prompt)
    elif isinstance(prompt, list) and all(isinstance(token, int) for token in prompt):
        words = [f"<{token}>" for token in prompt]
    else:
        raise BadRequest("prompt: one text or one list of token ids; the stand-in takes no more.")
    limit = _number(fields, "max_tokens") or COMPLETION_TOKENS
    ask = _ask(fields, settings, words, limit, thinks=False)
    return attrs.evolve(ask, echo="".join(words) if fields.get("echo") is True else "")


def _ask(
    fields: Mapping[str, Any],
    settings: Settings,
    prompt: list[str],
    limit: int | None,
    *,
    thinks: bool,
) -> Ask:
    if fields.get("n") not in (None, 1):
        raise BadRequest("n: the stand-in gives one choice only.")
    model = fields.get("model")
    if not isinstance(model, str | None):
        raise BadRequest("model: a text is allowed.")
    _check_length(len(prompt), limit, settings.context_length)
    if limit is not None:
        limit = min(limit, settings.times.kv_tokens)  # what no context length bounds
    options = fields.get("stream_options")
    answer, reasoning, cut = answer_tokens(
        settings.engine,
        len(prompt),
        limit,
        reasoning=thinks,
        endless=fields.get("ignore_eos") is True,
    )
    return Ask(
        model=model or settings.served_model,
        prompt=prompt,
        answer=answer,
        reasoning=reasoning,
        cut=cut,
        stream=_switch(fields, "stream"),
        usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _check_length(count: int, limit: int | None, context: int | None) -> None:
    if context is None:
        return
    if count >= context:
        raise BadRequest(
            f"The input ({count} tokens) is longer than the model's context length"
            f" ({context} tokens)."
        )
    if limit is not None and count + limit > context:
        raise BadRequest(
            f"Requested token count exceeds the model's maximum context length of {context}"
            f" tokens: {count} of the input and {limit} of the completion."
        )


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("The body is to be a JSON object.")
    return body


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str)


def _number(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadRequest(f"{name}: {value!r}; a whole number above 0 is allowed.")
    return value


def _switch(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool | None):
        raise BadRequest(f"{name}: {value!r}; true or false is allowed.")
    return bool(value)
