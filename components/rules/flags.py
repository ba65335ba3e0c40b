"""Whether the image's release of the engine takes the command line."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from components.image import SERVING, SGLANG_IMAGE, repository
from components.rules.engine import Engine, base_tag
from components.rules.sglang_engine import SGLangEngine
from infra.facts.flags import CATALOGUES, VERSION, Release, ordered, release, versions
from infra.masking import masked, masked_value
from infra.rules import Fault, Rule, Subject, rule

CATALOGUE = "the source of SGLang 0.5.6.post2 to 0.5.23 and of vLLM 0.11.2 to 0.33.0"
# What took the place of flags and words that no release says it of: facts of the releases where
# the one is gone and the other is new.
RENAMED = {
    "--speculative-ngram-min-match-window-size": "--speculative-ngram-max-trie-depth",
    "--speculative-ngram-max-match-window-size": "--speculative-ngram-max-trie-depth",
    "--speculative-ngram-branch-length": "--speculative-ngram-max-trie-depth",
}
RENAMED_WORDS = {"nano_v3": "nemotron_3", "nemotron_3": "nano_v3"}
# Whose engine is in an image.
IMAGES = {SGLANG_IMAGE: "sglang", SERVING: "vllm"}
UNKNOWN = "unrecognized arguments: "
AMBIGUOUS = "ambiguous option: "


def listed(subject: Subject) -> Engine | None:
    """The engine, or None where its flags are not known."""
    engine: Engine | None = subject.view(Engine.of)
    return engine if engine and engine.package in CATALOGUES else None


@rule("INF010", severity="error", source=CATALOGUE, view=listed)
def unknown_flag(engine: Engine) -> Iterator[Fault]:
    """
    A flag that this release of the engine does not have.

    Its argument parser exits with code 2, after the image was built and a GPU was waited for.
    """
    for error in engine.parsed.errors:
        if error.startswith(UNKNOWN):
            word = _shown(error.removeprefix(UNKNOWN), engine)
            flag = word.partition(" ")[0].partition("=")[0]
            if not flag.startswith("-"):
                yield Fault(
                    what=f"{word!r} stands behind a flag that does not take it",
                    fix="take it out; a flag that takes no word is written as flag=True",
                )
                continue
            yield Fault(
                what=f"{flag}: {engine.version} has no such flag{_elsewhere(flag, engine.release)}",
                fix=_instead(flag, engine.release),
            )


@rule("INF011", severity="error", source=CATALOGUE, view=listed)
def ambiguous_flag(engine: Engine) -> Iterator[Fault]:
    """
    A word that begins several of this release's flags and is none of them.

    Its argument parser does not guess: it exits with code 2 before anything is loaded.
    """
    for error in engine.parsed.errors:
        if error.startswith(AMBIGUOUS):
            flag, _, matches = error.removeprefix(AMBIGUOUS).partition(" could match ")
            yield Fault(
                what=f"{flag}: {engine.version} has {matches} and does not know which is meant",
                fix=_ambiguous(flag, matches, engine.release),
            )


@rule("INF012", severity="error", source=CATALOGUE, view=listed)
def refused_value(engine: Engine) -> Iterator[Fault]:
    """
    A flag with words behind it that this release does not take.

    Its argument parser exits with code 2; the choices differ from release to release.
    """
    for error in engine.parsed.errors:
        if not error.startswith((UNKNOWN, AMBIGUOUS)):
            flag = error.removeprefix("argument ").partition(":")[0].partition("/")[0]
            choices = engine.release.choices(flag)
            given = next(
                (each.values for each in engine.service.arguments if each.flag == flag), ()
            )
            shown = [masked_value(flag, word) for word in given]
            renamed = [RENAMED_WORDS[each] for each in given if each in RENAMED_WORDS]
            from difflib import get_close_matches  # for what is wrong only

            near = [each for each in renamed if each in choices]
            near = near or get_close_matches(" ".join(given), choices, n=3)
            if "invalid choice" in error:  # which Python words differently from release to release
                known = f"one of {', '.join(choices)}"
                yield Fault(
                    what=f"{flag}: {engine.version} does not take {' '.join(shown)!r}",
                    fix=f"write {' or '.join(near) if near else known}, or take the flag out",
                )
            else:
                yield Fault(
                    what=f"{engine.version} refuses it: {_shown(error, engine)}",
                    fix=f"write what {flag} takes",
                )


def _shown(error: str, engine: Engine) -> str:
    """What the parser says, with marks in the place of words that are secrets."""
    for each in engine.service.arguments:
        for word in each.values:
            if (mark := masked_value(each.flag, word)) != word:
                error = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", mark, error)
    return masked(error)


@rule("INF013", severity="warning", source=CATALOGUE, view=listed)
def abbreviated_flag(engine: Engine) -> Iterator[Fault]:
    """
    A flag that stands only for the beginning of its name.

    The argument parser completes it today; the first release that has another flag of that
    beginning refuses it, as happened to --cuda-graph-max-bs in 0.5.20.
    """
    for given, full in engine.parsed.abbreviations.items():
        yield Fault(
            what=f"{given}: is short for {full} in {engine.version}",
            fix=f"write {full} in full",
        )


@rule("INF014", severity="info", source=CATALOGUE, view=listed)
def deprecated_flag(engine: Engine) -> Iterator[Fault]:
    """
    A flag that this release still takes and will drop.

    It is logged as a warning, and the next release may refuse the whole command line.
    """
    going = engine.release.deprecated()
    for each in engine.service.arguments:
        flag = each.flag.partition("=")[0]
        if flag in going and not _drops(flag, engine.release):
            yield Fault(
                what=f"{flag}: is deprecated in {engine.version}",
                fix=f"write {going[flag]}" if going[flag] else "take it out",
            )


@rule("INF015", severity="info", source=CATALOGUE, view=listed)
def flag_that_goes(engine: Engine) -> Iterator[Fault]:
    """
    A flag that a newer release refuses.

    An update of the image alone would then stop the service from starting. Flags that infra itself
    derives follow the image.
    """
    staying = release(engine.package, versions(engine.package)[-1]).names()
    for argument in engine.service.arguments:
        if argument.flag in staying or argument.follows:
            continue  # as nearly all of them
        flag = argument.flag.partition("=")[0]
        if gone := _drops(flag, engine.release):
            first, how = gone
            instead = _instead(flag, release(engine.package, first))
            yield Fault(
                what=f"{flag}: {how} {engine.title} {first}",
                fix=f"before an update to {first}: {instead}",
            )


@rule("INF016", severity="warning", source=CATALOGUE, view=listed)
def release_not_known(engine: Engine) -> Iterator[Fault]:
    """
    An image whose release of the engine is not in the catalogue.

    All rules about flags are then those of another release, and may be wrong here.
    """
    if engine.release.notice and not _stranger(engine):
        yield Fault(
            field="image",
            what=engine.release.notice,
            fix="use an image whose tag names a known release, such as "
            f"{engine.image_name}:v{_next_known(engine)}",
            severity="info" if engine.asked else None,
        )


def _next_known(engine: Engine) -> str:
    """The first known release from the one on that is asked for; else the newest."""
    known = versions(engine.package)
    if engine.asked is None or not VERSION.match(engine.asked):
        return known[-1]
    asked = ordered(engine.asked)
    return next((each for each in known if ordered(each) >= asked), known[-1])


@rule("INF017", severity="error", source="server_args.py of SGLang 0.5.11", view=SGLangEngine.of)
def flags_that_exclude_each_other(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Flags that SGLang's parser takes and its checks refuse.

    The server raises an error at its start, before it loads the weights.
    """
    if ":" in (engine.text("--served-model-name") or ""):
        yield Fault(
            what="--served-model-name: holds a colon, which separates the adapters of LoRA",
            fix="write a name without a colon",
        )
    if engine.has("--enable-hierarchical-cache") and engine.has("--disable-radix-cache"):
        yield Fault(
            what="--enable-hierarchical-cache: keeps the radix cache that --disable-radix-cache "
            "switches off",
            fix="take one of them out",
        )
    chunk, page = engine.number("--chunked-prefill-size"), engine.number("--page-size")
    if chunk and page and chunk > 0 and chunk % page:
        yield Fault(
            what=f"--chunked-prefill-size: {chunk} is no multiple of --page-size {page}",
            fix=f"write {chunk // page * page or page}",
        )
    if engine.has("--enable-memory-saver") and not engine.has("--enable-weights-cpu-backup"):
        yield Fault(
            what="--enable-memory-saver: weights that are released are garbage afterwards without "
            "--enable-weights-cpu-backup",
            fix="add --enable-weights-cpu-backup",
            why="The server answers nonsense after /resume_memory_occupation.",
            severity="warning",
        )


@rule("INF018", severity="error", source="the images of lmsysorg and vllm", view=listed)
def another_engine_s_image(engine: Engine) -> Iterator[Fault]:
    """
    An engine in the image of another one.

    The command is not in the image: no container starts, after the image was built and a GPU was
    waited for.
    """
    if other := _stranger(engine):
        yield Fault(
            field="image",
            what=f"{base_tag(engine.image)} has {other} in it, and the engine is {engine.title}",
            fix=f"use an image such as {engine.image_name}:v{versions(engine.package)[-1]}, or "
            "the engine of the image",
        )


def _stranger(engine: Engine) -> str | None:
    """The other engine that the image is of, where nothing puts this one into it."""
    other = IMAGES.get(repository(base_tag(engine.image) or ""))
    if other in (None, engine.package):
        return None
    may_install = any(
        word in str((step.args, step.kwargs))
        for step in engine.image.steps[1:]
        if step.method not in ("env", "entrypoint", "workdir")
        for word in (engine.package, "install", ".sh", "-r ")
    )
    return None if may_install else other


@cache
def _declared(flag: str, engine: str) -> list[str]:
    """The releases that have the flag."""
    return [each for each in versions(engine) if release(engine, each).has(flag)]


@cache
def _drops(flag: str, of: Release) -> tuple[str, str] | None:
    """The first newer release that refuses the flag, and how."""
    known = versions(of.engine)
    if flag in release(of.engine, known[-1]).names() or not of.has(flag):
        return None
    for before, after in pairwise(known[known.index(of.version) :]):
        later = release(of.engine, after)
        if release(of.engine, before).has(flag) and not later.has(flag):
            longer = [each for each in later.names() if each.startswith(flag)]
            if len(longer) == 1:
                continue  # argparse completes it
            return after, "is ambiguous in" if longer else "is gone from"
    return None


def _elsewhere(flag: str, of: Release) -> str:
    """In which releases it is, behind the sentence that it is not in this one."""
    having, known = _declared(flag, of.engine), versions(of.engine)
    if not having:
        return ""
    if known.index(having[0]) > known.index(of.version):
        return f"; it comes with {having[0]}"
    return f"; {having[-1]} is the last that has it"


def _ambiguous(flag: str, matches: str, of: Release) -> str:
    known = _instead(flag, of) if _declared(flag, of.engine) else ""
    return known or f"write one of {matches}"


@cache
def _instead(flag: str, of: Release) -> str:
    """What to write in place of a flag that a release refuses."""
    having, known = _declared(flag, of.engine), versions(of.engine)
    for version in reversed(having):
        found = release(of.engine, version).deprecated().get(flag)
        if found and found.partition("=")[0] in of.names():
            return f"write {found}"
    if (renamed := RENAMED.get(flag)) and renamed in of.names():
        return f"write {renamed}, which took its place"
    if having and known.index(having[0]) > known.index(of.version):
        return f"take it out, or use an image of {having[0]} or newer"
    from difflib import get_close_matches  # for what is wrong only

    near = get_close_matches(flag, of.names(), n=1, cutoff=0.75)
    if near and not having:
        return f"write {near[0]}, if that is meant, or take it out"
    return "take it out"


RULES: tuple[Rule, ...] = (
    unknown_flag,
    ambiguous_flag,
    refused_value,
    abbreviated_flag,
    deprecated_flag,
    flag_that_goes,
    release_not_known,
    flags_that_exclude_each_other,
    another_engine_s_image,
)
