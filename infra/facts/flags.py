"""The flags of an engine's release: what it accepts, refuses and completes."""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache

import attrs

from infra.facts import flexible
from infra.facts.commandline import CommandLine, Option, Value, groups, key, plainly
from infra.facts.data import read

CATALOGUES = {"sglang": "sglang_flags", "vllm": "vllm_flags"}
# Engines whose parser changes the words before argparse reads them.
DIALECTS = {"vllm": flexible.normalised}
VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.-]?(a|b|rc|dev)\.?\d*)?(?:\.?post(\d+))?")


@attrs.frozen(kw_only=True)
class Parsed:
    """
    A command line as the release reads it.

    Attributes:
        values: What was given, by each flag's own name (of ``--tp-size`` and
            ``--tensor-parallel-size`` the former, in every release), whichever alias or
            abbreviation was written; no defaults. A switch is True, a flag of several words a list.
        error: What the release prints behind ``error: `` before it exits, or None.
        errors: The same for each flag by itself, as argparse stops at the first.
        abbreviations: Words that argparse completes to a longer name, with that name.
    """

    values: Mapping[str, Value]
    error: str | None = None
    errors: tuple[str, ...] = ()
    abbreviations: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, cache_hash=True)
class Release:
    """
    One release of an engine.

    Attributes:
        engine: Such as ``sglang``.
        version: The release whose flags these are.
        notice: Why it is not the one that was asked for, or None.
    """

    engine: str
    version: str
    notice: str | None = None

    def parse(self, argv: Sequence[str]) -> Parsed:
        """Read the words behind those that start the engine."""
        if change := DIALECTS.get(self.engine):
            argv = change(argv, self.names())
        plain = self._plain(argv)
        if plain is not None and plain.keys() >= _required(self.engine, self.version):
            return Parsed(values=plain)
        parser = _parser(self.engine, self.version)
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

    def _plain(self, argv: Sequence[str]) -> dict[str, Value] | None:
        found: dict[str, Value] = {}
        for group in groups(argv):
            value = _plain(self.engine, self.version, *group)
            if value is None:
                return None
            found |= value
        return found

    def has(self, flag: str) -> bool:
        """Whether a flag has that full name; quicker than `names` where many releases are asked."""
        declared = _declared(self.engine).get(flag, frozenset())
        return not declared.isdisjoint(_declarations(self.engine, self.version))

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

    def deprecated(self, flag: str) -> str | None:
        """What to write instead of a flag that is going, "" for nothing; None: it stays."""
        option = _options(self.engine, self.version).get(flag, {})
        instead = option.get("deprecated")
        return None if instead is None else str(instead)


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
def _declared(engine: str) -> Mapping[str, frozenset[int]]:
    """By full name, the places of its declarations in the catalogue."""
    found: dict[str, set[int]] = {}
    for index, option in enumerate(read(CATALOGUES[engine])["options"]):
        for name in option["names"]:
            found.setdefault(name, set()).add(index)
    return {name: frozenset(places) for name, places in found.items()}


@cache
def _declarations(engine: str, version: str) -> frozenset[int]:
    """The places of a release's declarations in the catalogue."""
    return frozenset(read(CATALOGUES[engine])["releases"][version])


@cache
def _options(engine: str, version: str) -> Mapping[str, Option]:
    """By full name, aliases included."""
    catalogue = read(CATALOGUES[engine])
    options = (catalogue["options"][index] for index in catalogue["releases"][version])
    return {name: option for option in options for name in option["names"]}


@cache  # the services of a stack have most of their flags in common
def _plain(engine: str, version: str, *group: str) -> Mapping[str, Value] | None:
    return plainly(_options(engine, version), group)


@cache
def _required(engine: str, version: str) -> frozenset[str]:
    options = _options(engine, version).values()
    return frozenset(key(option) for option in options if option.get("required"))


@cache
def _parser(engine: str, version: str) -> CommandLine:
    options = _options(engine, version)
    return CommandLine(engine, [each for name, each in options.items() if name == each["names"][0]])
