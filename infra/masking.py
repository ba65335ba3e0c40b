"""A stack's words in, the same with a mark in the place of what looks like a secret out."""

import hashlib
import re
from functools import lru_cache
from typing import Any

MARK = "(secret "
REMEMBERED = 4096  # words: those of a stack of 100 services, most of which stand in each of them
# The patterns are compiled when a word with one of these in it is met, which is seldom.
HINTS = (
    *("hf_", "sk-", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "npm_"),
    *("nvapi-", "xox", "AKIA", "ASIA", "AIza", "eyJ", "-----BEGIN", "://"),
)
KINDS = (
    *("token", "secret", "pass", "_pwd", "-pwd", "api", "admin", "key", "cred", "jwt", "_pat"),
    *("connection", "authorization", "--hf-t"),
)
# Secrets that show by themselves: tokens of known makers, private keys, who asks in a URL. They end
# where a word does, so that nothing behind a mark is taken for one that was not before.
VALUE = (
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-(?=[\w-]{0,64}?(?:\d|[A-Za-z0-9]{16}))[\w-]{20,}|gh[opsur]_\w{20,}"
    r"|github_pat_\w{20,}|glpat-[\w-]{20,}|npm_\w{30,}|nvapi-[\w-]{20,}|xox[a-z]-[\w-]{10,}"
    r"|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{30,}|(?<!-)eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)[\w-]*"
    r"|(?<!-)-{5,}+BEGIN[ A-Z]*PRIVATE KEY-----[^\"']*"
    r"|(?<=://)(?:[^\s/@:\"']*:[^\s/\"']+|(?=[a-z_-]{0,64}\d)[\w-]{20,}"
    r"|(?!git@)[^\s/@:\"']+(?=@git(?:hub|lab)\.com))(?=@)"  # who has a name there has a password
)
# The bounds make the search linear: a name has at most some 128 letters.
END = r"(?![\w-])"
KEYS = "api|private|access|secret|encryption|signing|storage|wandb|auth|master|account"
BARE_KEYS = "openai|azure|stripe|ngc|license|deploy|ssh|session"  # nothing may stand behind them
# Of variables, which are written in capitals, all keys are secrets but these.
SHOWN_KEYS = (
    *("CACHE", "PUBLIC", "PUB", "PRIMARY", "FOREIGN", "SORT", "PARTITION", "ROUTING", "SHARD"),
    *("HASH", "GROUP", "INDEX", "LOOKUP", "OBJECT", "LABEL", "METRIC", "IDEMPOTENCY"),
)
# What such tokens are is a number or a word of the vocabulary.
COUNTED = ("per", "first", "next", "last", "inter", "eos", "bos", "pad", "stop", "mask", "unk")
# Names of secrets, unless they say where one is or how it is written. Engines take the beginnings
# of the flags that are secrets, too; `secrets` are names of Modal's.
NAMED = (
    r"(?i:(?!(?-i:secrets)" + END + r")(?![\w-]{0,128}[_-](?:path|file|dir|url|uri|name|id|header|"
    r"type|length|count|prefix)s?" + END + r")"
    r"(?:[\w-]{0,64}?" + "".join(f"(?<!{each}[_-])" for each in COUNTED) + r"token[_-]?\d*" + END
    # Many a name counts tokens; these do not.
    + r"|[\w-]{0,64}?(?:(?:api|access|auth|bearer|refresh|hf)[_-]?tokens|secrets?|passw(?:or)?ds?"
    r"|passphrases?|passcodes?|connection[_-]?str(?:ing)?|(?<![a-z])(?:jwts?|creds?)" + END
    + r"|(?:" + BARE_KEYS + r")[_-]?keys?" + END
    + r"|(?-i:[A-Z0-9]" + "".join(f"(?<!{each})" for each in SHOWN_KEYS) + r"_(?:KEY|PAT)S?_?\d*)"
    + END + r"|(?<![a-z])(?<!forward[_-])pass" + END + r"|(?<=[_-])pwd|credential"
    r"|authorization|api[_-]?ke?" + END + r"|(?:" + KEYS + r")[_-]?keys?)(?![a-z])[\w-]{0,64}"
    r"|--(?:api-?|admin(?:-(?:a|ap|api-?)?)?|hf-t(?:o|ok|oke)?|ssl-keyfile-[\w-]*)" + END + r"))"
)  # fmt: skip
# `NAME=value`, `--name value`, `Name: value`, and what Python and JSON make of them, which may
# stand in a string themselves; behind a flag and in a list there may be several values.
QUOTE = r"\\{0,3}[\"']"
LETTER = r"(?:\\{3}[\"']|\\.|[^\\\n])"
SPACE = r"\s{0,40}"
# A Dockerfile has variables so, and the command line of AWS.
SET = r"(?:(?:(?<=\\)n|(?<![^\s\"'\\]))ENV|configure[ ]set)[ \t]{1,40}"
WRITTEN = (
    r"(?<![\w$-])(?=(?:" + SET + ")?" + NAMED + r")((--|" + SET + r")?[\w-]{1,160}+"
    rf"(?(2)(?:{QUOTE})?(?:={SPACE}|{SPACE}[,:]{SPACE}|\s{{1,40}})"
    rf"|(?:{QUOTE}\]?{SPACE}[:=]{SPACE}\[?{SPACE}(?={QUOTE})|="
    rf"|(?i:(?<=authorization){SPACE}[:=]{SPACE}|(?:(?<=-key)|(?<=-token)):\s{{1,40}}))))"
    rf"(?!{QUOTE}--|--)(?:({QUOTE})((?:(?!\3){LETTER})++)"
    rf"((?:\3{SPACE},{SPACE}\3(?!--)(?:(?!\3){LETTER})++(?=\3)(?!\3{SPACE}:))*)"
    r"|((?i:(?:bearer|basic|token)[ ]+)?(?:\$\([^()\n]*\)|\(secret [0-9a-f]{4}\)"
    r"|[^\s\"';&|\\]|\\(?!\\{0,3}(?:[\"'n]|\(secret )))+))"
)
# Commands that are given a secret without a name.
COMMANDS = ("wandb login", "curl ")
GIVEN = (
    r"((?<![\w-])(?:wandb[ ]login\s+(?:-[^\s(]+\s+(?:https?://[^\s(]+\s+)?){0,8}+(?=\w)"
    r"|curl\s[^|;&\n]{0,400}?(?<=\s)(?:-[a-zA-Z]{0,8}u|--user(?![\w-]))[=\s]{0,4}"
    rf"(?:{QUOTE})?[^\s:/\"']{{0,64}}:(?!//)))"
    r"((?:\$\([^()\n]*\)|\(secret [0-9a-f]{4}\)|[^\s\"';&|\\])++)"
)
# What stands behind such a name and is none: a switch, a variable, a mark.
HARMLESS = (
    r"(?is)(?:(?:bearer|basic|token) +)?(?:true|false|yes|no|on|off|none|null|empty|dummy"
    r"|(?-i:\$[A-Z_][A-Z0-9_]*)|\$\{.*\}|\$\(.*\)|<[^<>]*>|\(secret [0-9a-f]{4}\))[,)\]}]*"
)
PLACE = r"(?s)/(?:root|run|etc|mnt|home|var|tmp|opt|usr|secrets?)/.*"


@lru_cache(REMEMBERED)
def masked(text: str) -> str:
    """The text, with a mark for each secret in it; two secrets have two marks."""
    return masked_text(text)


def masked_text(text: str) -> str:
    """The same for a text that is too long, or met too seldom, to be remembered."""
    if _may_name(text) and _may_give(text):
        text = re.sub(WRITTEN, _masked_pair, text)
    if any(hint in text for hint in HINTS):
        text = re.sub(VALUE, _masked_value, text)
    if any(command in text for command in COMMANDS):
        text = re.sub(GIVEN, lambda found: found[1] + _marked("", found[2]), text)
    return text


@lru_cache(REMEMBERED)
def masked_value(name: str, value: str) -> str:
    """The value of a variable or a flag, or a mark if one of the two says that it is a secret."""
    if value and _may_name(name) and not _is_harmless(name, value) and re.match(NAMED, name):
        return _mark(value)
    return masked(value)


def masked_plain(data: Any, name: str = "") -> Any:
    """The same for plain data, in which a key, a pair or the flag before it names a value."""
    if isinstance(data, str):
        return masked_value(name, data) if name else masked(data)
    if isinstance(data, dict):
        return {masked(key): masked_plain(held, key) for key, held in data.items()}
    if isinstance(data, list | tuple):
        if _is_pair(data) and name != "secrets":
            return [masked_value(name, data[0]), masked_value(*data)]
        found, before = [], name
        for item in data:
            if isinstance(item, str) and item[:2] == "--":
                found.append(masked(item))
                before = name if "=" in item else item
            else:
                found.append(masked_plain(item, before))
        return found
    return data


def _is_pair(data: list[Any] | tuple[Any, ...]) -> bool:
    """Whether it is the name of a variable with its value."""
    match data:
        case [str(name), str()]:
            return name.isidentifier() and _may_name(name) and bool(re.match(NAMED, name))
    return False


def _masked_pair(found: re.Match[str]) -> str:
    start, _, quote, quoted, others, plain = found.groups()
    if quote is None:
        return start + _marked(start, plain)
    end = re.escape(quote)
    word = rf"({end}\s*,\s*{end})((?:(?!{end}){LETTER})++)"
    others = re.sub(word, lambda each: each[1] + _marked(start, each[2]), others)
    return start + quote + _marked(start, quoted) + others


def _marked(name: str, value: str) -> str:
    return value if _is_harmless(name, value) else _mark(value)


def _masked_value(found: re.Match[str]) -> str:
    # Of a URL, the password decides, if there is one.
    secret = found[0].partition(":")[2] or found[0]
    return found[0] if _is_harmless("", secret) else _mark(found[0])


def _may_name(name: str) -> bool:
    name = name.lower().replace("_path", "")
    return any(kind in name for kind in KINDS)


def _may_give(text: str) -> bool:
    """Whether a value may stand behind a name in it."""
    return any(sign in text for sign in "=:,") or len(text.split()) > 1


def _is_harmless(name: str, value: str) -> bool:
    """Whether what stands behind such a name is none; numbers count tokens, files hold keys."""
    name = name.lower()
    return bool(
        ("token" in name and _is_number(value))
        or re.fullmatch(HARMLESS, value)
        or ("pass" not in name and "pwd" not in name and re.fullmatch(PLACE, value))
    )


def _is_number(value: str) -> bool:
    """Whether it counts something, or is a part of it; secrets of digits have more of them."""
    whole, dot, fraction = value.partition(".")
    return whole.isdecimal() and (fraction.isdecimal() if dot else len(whole) <= 7)


def _mark(secret: str) -> str:
    """Enough of a digest to see that a secret was changed, and too little to find it by trying."""
    return f"{MARK}{hashlib.sha256(secret.encode()).hexdigest()[:4]})"
