"""A stack's words in, the same with a mark in the place of what looks like a secret out."""

import hashlib
import re
from functools import cache
from typing import Any

MARK = "(secret "
# The patterns are compiled when a word with one of these in it is met, which is seldom.
HINTS = ("hf_", "sk-", "gh", "github_pat_", "glpat-", "AKIA", "-----BEGIN", "://")
KINDS = ("token", "secret", "passw", "api", "admin", "key", "credential", "--hf-t")
# Secrets that show by themselves: tokens of known makers, private keys, the password in a URL.
VALUE = (
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[\w-]{20,}|gh[a-z]_\w{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{20,}|AKIA[0-9A-Z]{16})"
    r"|-----BEGIN[ A-Z]*PRIVATE KEY-----[^\"']*"
    r"|(?<=://)[^\s/@:\"']*:[^\s/@:\"'$<{]+(?=@)"
)
# Names of secrets. Many a name counts tokens or says where one is; engines take the beginnings of
# the flags that are secrets, too.
NAMED = (
    r"(?i)(?!.*(?:s|[_-](?:path|file|dir|url|name|id))$)"
    r"(?:.*(?:token[_-]?\d*$|secret|passw(?:or)?d|api[_-]?k(?:ey?)?(?![a-z])"
    r"|(?:private|access)[_-]?key|credential)"
    r"|--(?:api-?|admin|admin-.*|hf-t.*|ssl-keyfile-.+)$)"
)
# `NAME=value`, `--name value`, and both as Python and JSON have them.
WRITTEN = (
    r"(?i)(?<![\w$-])((--)?[\w-]*"
    r"(?:token|secret|passw(?:or)?d|api[_-]?k(?:ey?)?|(?:private|access)[_-]?key|credential)[\w-]*)"
    r"((?(2)[\"']?(?:=|\s*[,:]\s*|\s+)|(?:[\"']\s*:\s*(?=[\"'])|=)))"
    r"([\"'])?((?(4)[^\"'\n]+|[^\s\"',;&|()]+))"
)
# What stands behind such a name and is none: a number, a switch, a variable, a path.
HARMLESS = (
    r"(?is)\d{1,7}|\d+\.\d+|true|false|yes|no|on|off|none|null|empty|dummy|[$<{].*"
    r"|/(?:root|run|etc|mnt|home|var|tmp|opt|usr|secrets?)/.*"
)


@cache  # the same words stand in most services
def masked(text: str) -> str:
    """The text, with a mark for each secret in it; two secrets have two marks."""
    if any(hint in text for hint in HINTS):
        text = re.sub(VALUE, lambda found: _mark(found[0]), text)
    if ("=" in text or " " in text) and _may_name(text):
        text = re.sub(WRITTEN, _masked_pair, text)
    return text


@cache
def masked_value(name: str, value: str) -> str:
    """The value of a variable or a flag, or a mark if one of the two says that it is a secret."""
    if value and _may_name(name) and _is_secret(name, value):
        return _mark(value)
    return masked(value)


def masked_plain(data: Any, name: str = "") -> Any:
    """The same for plain data, in which a key or the flag before it names a value."""
    if isinstance(data, str):
        return masked_value(name, data) if name else masked(data)
    if isinstance(data, dict):
        return {masked(key): masked_plain(held, key) for key, held in data.items()}
    if isinstance(data, list | tuple):
        found, before = [], name
        for item in data:
            found.append(masked_plain(item, before))
            before = item if isinstance(item, str) and item[:2] == "--" else name
        return found
    return data


def _masked_pair(found: re.Match[str]) -> str:
    name, _, between, quote, value = found.groups()
    if value.startswith(MARK.strip()) or not _is_secret(name, value):
        return found[0]
    return f"{name}{between}{quote or ''}{_mark(value)}"


def _may_name(name: str) -> bool:
    name = name.lower()
    return any(kind in name for kind in KINDS)


def _is_secret(name: str, value: str) -> bool:
    return bool(re.match(NAMED, name)) and not re.fullmatch(HARMLESS, value)


def _mark(secret: str) -> str:
    """Enough of a digest to see that a secret was changed, and too little to find it by trying."""
    return f"{MARK}{hashlib.sha256(secret.encode()).hexdigest()[:4]})"
