"""The flags of an engine's release: what it accepts, refuses and completes."""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from infra.facts.data import read
from infra.facts.plain import Option, Value, groups, key, plainly
from infra.lazy import lazy

if TYPE_CHECKING:
    from infra.facts.commandline import CommandLine

CATALOGUES = {"sglang": "sglang_flags", "vllm": "vllm_flags"}
VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.-]?(a|b|rc|dev)\.?\d*)?(?:\.?post(\d+))?")


class Parsed:
    """
    A command line as the release reads it; nothing of it may be changed.

    Attributes:
        values: What was given, by each flag's own name (of ``--tp-size`` and
            ``--tensor-parallel-size`` the former, in every release), whichever alias or
            abbreviation was written; no defaults. A switch is True, a flag of several words a list.
        error: What the release prints behind ``error: `` before it exits, or None.
        errors: The same for each flag by itself, as argparse stops at the first.
        abbreviations: Words that argparse completes to a longer name, with that name.
    """

    def __init__(
        self,
        values: Mapping[str, Value],
        error: str | None = None,
        errors: tuple[str, ...] = (),
        abbreviations: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.values = values
        self.error = error
        self.errors = errors
        self.abbreviations = abbreviations

    @lazy
    def words(self) -> Mapping[str, str]:
        """By flag, the word behind it."""
        return {flag: word for flag, word in self.values.items() if isinstance(word, str)}


class Release:
    """
    One release of an engine; `release` gives each, the same one to all who ask.

    Attributes:
        engine: Such as ``sglang``.
        version: The release whose flags these are.
        notice: Why it is not the one that was asked for, or None.
    """

    def __init__(self, engine: str, version: str, notice: str | None = None) -> None:
        self.engine = engine
        self.version = version
        self.notice = notice

    def parse(self, argv: Sequence[str]) -> Parsed:
        """Read the words behind those that start the engine."""
        return _parsed(self, tuple(argv))

    def has(self, flag: str) -> bool:
        """Whether a flag has that full name; quicker than `names` where many releases are asked."""
        declared = _declared(self.engine, self.version)
        return any(place in declared for place in _places(self.engine, flag))

    def names(self) -> Collection[str]:
        """All full names of flags, aliases included, in the order of their declaration."""
        return _options(self.engine, self.version).keys()

    def choices(self, flag: str) -> tuple[str, ...]:
        """The words that the flag takes; empty: any."""
        option = _options(self.engine, self.version).get(flag, {})
        return tuple(str(each) for each in option.get("choices", ()) if each is not None)

    def default(self, flag: str) -> object:
        """
        What holds where the flag is left out.

        None as well where the release computes it at its start, False of a switch that is off.
        """
        option = _options(self.engine, self.version).get(flag, {})
        return option.get("default", False if option.get("kind") == "switch" else None)

    def known(self, flag: str) -> tuple[str, ...]:
        """The words that are right where more than the parser checks them; empty: any."""
        return tuple(_options(self.engine, self.version).get(flag, {}).get("known", ()))

    def fields(self, flag: str) -> tuple[str, ...]:
        """The fields of the JSON object behind a flag; empty: it takes none, or any."""
        return tuple(_options(self.engine, self.version).get(flag, {}).get("fields", ()))

    def deprecated(self) -> Mapping[str, str]:
        """The flags that are going, with what to write instead, "" for nothing."""
        return _deprecated(self)


@cache
def versions(engine: str) -> tuple[str, ...]:
    """The releases of an engine that are known, oldest first."""
    return tuple(read(CATALOGUES[engine])["releases"])


@cache
def release(engine: str, version: str | None) -> Release:
    """
    The release of that version, or the nearest older one with a notice.

    A post-release only mends its release, so ``0.5.12`` is read as ``0.5.12.post1``.
    """
    known = versions(engine)
    if version in known:
        return Release(engine=engine, version=version)
    if version is None or not VERSION.match(version):
        said = "no version is given" if version is None else f"{version!r} is no version"
        return Release(
            engine=engine,
            version=known[-1],
            notice=f"{said}; the flags of {engine} {known[-1]}, the newest that is known, are used",
        )
    wanted = ordered(version)
    same = [each for each in known if ordered(each)[:2] == wanted[:2]]
    older = [each for each in known if ordered(each) < wanted]
    found, why = known[0], "the oldest that is known"
    if same:
        found, why = same[-1], "the same release with its mends"
    elif older:
        found, why = older[-1], "the nearest older one"
    return Release(
        engine=engine,
        version=found,
        notice=f"the flags of {engine} {version} are not known; those of {found}, {why}, are used",
    )


@cache
def ordered(version: str) -> tuple[tuple[int, ...], bool, int]:
    """What versions are compared by: the numbers, whether it is final, the post-release."""
    match = VERSION.match(version)
    if match is None:
        raise ValueError(f"{version!r} is no version; such as 0.5.11 or 0.5.6.post2 is allowed")
    return tuple(map(int, match[1].split("."))), match[2] is None, int(match[3] or 0)


@cache
def _declared(engine: str, version: str) -> tuple[int, ...]:
    """The places of a release's options in the catalogue, in the order of their declaration."""
    row: str = read(CATALOGUES[engine])["releases"][version]  # most are never asked for
    return tuple(map(int, row.split()))


@cache
def _places(engine: str, flag: str) -> tuple[int, ...]:
    """Where the catalogue declares a flag; releases have declarations of their own."""
    options = enumerate(read(CATALOGUES[engine])["options"])
    return tuple(place for place, option in options if flag in option["names"])


@cache
def _options(engine: str, version: str) -> Mapping[str, Option]:
    """By full name, aliases included."""
    catalogue = read(CATALOGUES[engine])
    options = (catalogue["options"][index] for index in _declared(engine, version))
    return {name: option for option in options for name in option["names"]}


@lru_cache(maxsize=1024)  # the services of a stack often have one command line
def _parsed(of: Release, argv: Sequence[str]) -> Parsed:
    if of.engine == "vllm":
        from infra.facts.flexible import normalised  # SGLang's parser takes the words as they are

        argv = normalised(argv, of.names())
    plain = _plain(of, argv)
    if plain is not None and plain.keys() >= _required(of.engine, of.version):
        return Parsed(values=plain)
    parser = _parser(of.engine, of.version)
    values, error = parser.read(argv)
    errors: tuple[str, ...] = ()
    if error is not None:
        alone = [parser.read(group, required=False) for group in groups(argv)]
        values = {name: value for found, _ in alone for name, value in found.items()}
        errors = tuple(each for _, each in alone if each) or (error,)
    return Parsed(
        values=values,
        error=error,
        errors=errors,
        abbreviations=dict(parser.abbreviations(argv)),
    )


def _plain(of: Release, argv: Sequence[str]) -> dict[str, Value] | None:
    """The values of a command line in which nothing is in doubt; None: argparse has to say."""
    found: dict[str, Value] = {}
    for group in groups(argv):
        read = _plain_flag(of, group)
        if read is None:
            return None
        found[read[0]] = read[1]
    return found


@cache  # and if not one, then most flags in common
def _plain_flag(of: Release, group: tuple[str, ...]) -> tuple[str, Value] | None:
    return plainly(_options(of.engine, of.version), group)


@cache
def _deprecated(of: Release) -> Mapping[str, str]:
    options = _options(of.engine, of.version).items()
    return {name: str(each["deprecated"]) for name, each in options if "deprecated" in each}


@cache
def _required(engine: str, version: str) -> frozenset[str]:
    options = _options(engine, version).values()
    return frozenset(key(option) for option in options if option.get("required"))


@cache
def _parser(engine: str, version: str) -> "CommandLine":
    from infra.facts.commandline import CommandLine  # argparse; most command lines need none

    options = _options(engine, version)
    return CommandLine(engine, [each for name, each in options.items() if name == each["names"][0]])
