"""What the word behind a flag has to be, by the type that the catalogue names."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

# Compiled when a word is met that needs them.
SUFFIXED = r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)"  # SGLang's numbers
DECIMAL = r"(\d+(?:\.\d+)?)([kKmMgGtT])"  # vLLM's
OBJECT = r"(?s)\s*{.*}\s*"
PHASES = ("decode", "prefill")


class Refused(ValueError):
    """A word that the engine's parser refuses in words of its own."""


def loads(word: str, **how: Any) -> Any:
    """
    What a word is as JSON.

    Raises:
        ValueError: It is none, or nested too deeply.
    """
    try:
        return json.loads(word, **how)
    except RecursionError as error:
        raise Refused("is nested too deeply") from error


def check_of(option: Mapping[str, Any]) -> Callable[[str], Any]:
    """A converter that checks the word and keeps it, unless choices are compared with its value."""
    kind, choices = option.get("type", "text"), option.get("choices", ())
    make = WITH_FIELDS.get(kind)
    check = make(option["fields"]) if make else TYPES[kind]
    is_compared = kind == "lowered" or any(isinstance(choice, int | float) for choice in choices)
    kept = check if is_compared else _kept(check)
    return or_none(kept) if option.get("optional") else kept


def _kept(check: Callable[[str], Any]) -> Callable[[str], Any]:
    def keep(word: str) -> str:
        check(word)
        return word

    keep.__name__ = check.__name__  # argparse has it in its messages
    return keep


def _json_list(word: str) -> None:
    """JSON without NaN and Infinity, which Python's own reader would take."""
    try:
        loads(word, parse_constant=int)
    except ValueError as error:
        raise Refused(f"Invalid JSON list: {word}. Please provide a valid JSON list.") from error


def _human_int(word: str) -> None:
    try:
        int(word)
    except ValueError:
        _suffixed(word.strip())


def _suffixed(word: str) -> None:
    match = re.fullmatch(SUFFIXED, word)
    if match is None:
        raise Refused(
            f"Invalid integer value: '{word}'. Use a plain integer, SI suffixes (1k, 1M), or IEC "
            "suffixes (1Ki, 1Mi). Suffixes are case-sensitive."
        )
    number, suffix = match.groups()
    if "." in number and suffix.endswith("i"):
        raise Refused(
            f"Decimals are not allowed with IEC suffixes like '{suffix}'. "
            f"Use an integer IEC value such as '{int(float(number))}{suffix}', "
            f"or an SI value such as '{number}{suffix[0]}'."
        )


def _lora_path(word: str) -> None:
    """A path, ``name=path``, or an object; SGLang ends with a traceback where that isn't whole."""
    word = word.strip()
    if not (word.startswith("{") and word.endswith("}")):
        return
    try:
        found = loads(word)
    except ValueError as error:
        raise Refused(f"is no JSON: {error}") from error
    if missing := {"lora_name", "lora_path"} - found.keys():
        raise Refused(f"{word!r} has no {' and no '.join(sorted(missing))}")


def _cuda_graph_config(word: str) -> None:
    try:
        found = loads(word)
    except ValueError as error:
        raise Refused(f"--cuda-graph-config must be JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refused(f"--cuda-graph-config must be a JSON object, got {type(found).__name__}")
    for phase, settings in found.items():
        if phase not in PHASES:
            raise Refused(f"--cuda-graph-config: unknown phase '{phase}', expected one of {PHASES}")
        if not isinstance(settings, dict):
            raise Refused(
                f"--cuda-graph-config['{phase}'] must be a JSON object, got "
                f"{type(settings).__name__}"
            )


def _cuda_graph_backend(word: str) -> None:
    if word == "tc_piecewise":
        raise Refused("tc_piecewise was removed; select breakable, full, or disabled")


def or_none(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """The check of a word that may also say that there is none."""

    def keep(word: str) -> Any:
        return None if word in ("", "None") else check(word)

    keep.__name__ = check.__name__  # argparse has it in its messages
    return keep


def object_of(fields: Collection[str]) -> Callable[[str], Any]:
    """The check of a JSON object with these fields and no other."""

    def check(word: str) -> None:
        try:
            found = loads(word)
        except ValueError as error:
            raise Refused(f"is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise Refused(f"{word} is no JSON object")
        for name in found:
            if name not in fields:
                from difflib import get_close_matches  # for words that are refused only

                near = get_close_matches(name, fields, n=1)
                meant = f"; {near[0]} is the nearest" if near else ""
                raise Refused(f"{name} is none of its fields{meant}")

    return check


def adapter(fields: Collection[str]) -> Callable[[str], Any]:
    """The check of an adapter of LoRA: ``name=path``, or a JSON object with both."""
    is_object = object_of(fields)

    def check(word: str) -> None:
        if "=" in word and "," not in word:
            return
        is_object(word)
        if missing := {"name", "path"} - loads(word).keys():
            raise Refused(f"{word} has no {' and no '.join(sorted(missing))}")

    return check


def _any_object(word: str) -> None:
    if not isinstance(loads(word), dict):
        raise Refused(f"{word} is no JSON object")


def human_readable_int(word: str) -> None:
    match = re.fullmatch(DECIMAL, word.strip())
    if match is None:
        int(word)
    elif match[2].isupper() and "." in match[1]:
        raise Refused(
            f"Decimals are not allowed with binary suffixes like {match[2]}. Did you mean to use "
            f"{match[1]}{match[2].lower()} instead?"
        )


def human_readable_int_or_auto(word: str) -> None:
    if word.strip().lower() != "auto":
        human_readable_int(word)


def _text_or_object(word: str) -> None:
    if re.fullmatch(OBJECT, word):
        loads(word)


def _lowered(word: str) -> str:
    return word.lower().replace("-", "_")


# By name, what makes the check of an option's fields.
WITH_FIELDS = {"object": object_of, "adapter": adapter}

TYPES: dict[str, Callable[[str], Any]] = {
    "text": str,
    "int": int,
    "float": float,
    "bool": bool,
    "loads": loads,
    "lowered": _lowered,
    "json_list": _json_list,
    "human_int": _human_int,
    "decimal_int": human_readable_int,
    "decimal_int_or_auto": human_readable_int_or_auto,
    "lora_path": _lora_path,
    "cuda_graph_config": _cuda_graph_config,
    "cuda_graph_backend": _cuda_graph_backend,
    "any_object": _any_object,
    "text_or_object": _text_or_object,
}
