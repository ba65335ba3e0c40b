"""A project and other values of a service's fields in, what each combination would bring out."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import attrs

from infra.configuration import recorded
from infra.cost import Price, price
from infra.errors import InfraError, InvalidStack, UsageError
from infra.lower import lower
from infra.manifest import manifest
from infra.project import Project
from infra.rates import Rates, list_rates
from infra.resources import Pairs
from infra.stack import App, Stack

if TYPE_CHECKING:
    from infra.estimates import Estimate
    from infra.rules import Accepted, Finding

MOST = 64  # variants
OF_WORDS = (Pairs, Pairs | None)  # types of fields whose values are strings
WORDS = {"True": True, "False": False, "None": None}  # as a stack file has them
Path = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Variant:
    """
    A service with some of its fields changed.

    Attributes:
        values: The fields' values, in the order of `WhatIf.fields`; as the service holds them,
            but as given where it would make a part of them.
        problems: Why it can't be, as `InvalidStack` has them; there is nothing else to say then.
        price: What it costs.
        estimate: What is expected of it, or None: its component can't tell.
        findings: What the rules find in it and the stack does not accept.
        accepted: What they find and it does, though its reasons are about the service as it is.
    """

    values: tuple[Any, ...]
    problems: tuple[str, ...] = ()
    price: Price | None = None
    estimate: "Estimate | None" = None
    findings: tuple["Finding", ...] = ()
    accepted: tuple["Accepted", ...] = ()


@attrs.frozen(kw_only=True)
class WhatIf:
    """
    Variants of a service.

    Attributes:
        service: Its name.
        rates: What the prices are reckoned with.
        fields: What varies, such as ``routing.target_inputs``.
        variants: The service as it is, then the combinations.
    """

    service: str
    rates: Rates
    fields: tuple[str, ...]
    variants: tuple[Variant, ...]


def what_if(project: Project, settings: Sequence[str], service: str | None = None) -> WhatIf:
    """
    What would be if a service's fields had other values; no target is asked.

    Args:
        project: The stack as it is.
        settings: Such as ``gpu=H200:1,B200:1`` or ``engine.mem_fraction_static=0.8,0.9``, with
            ``SERVICE.`` before it where the stack has several. Values are words, or JSON; several
            settings make all combinations.
        service: The service's name, instead of that.

    Raises:
        UsageError: There is no such service or field, or there are too many combinations.
    """
    name, given = _one_service(project.stack, [_setting(each) for each in settings], service)
    now = _component(project.stack, name)
    paths = [tuple(key.split(".")) for key in given]
    for path in paths:
        _check(now, path, path)
    count = math.prod(map(len, given.values()))
    if count > MOST:
        raise UsageError(f"--what-if: {count} combinations; {MOST} are allowed; give fewer values")
    as_it_is = tuple(_read(now, path) for path in paths)
    combinations = itertools.product(
        *(
            _once(_held(now, path, _value(each, _is_word(now, path))) for each in values)
            for path, values in zip(paths, given.values(), strict=True)
        )
    )
    rates = list_rates()
    changed = (
        _variant(project, name, dict(zip(paths, values, strict=True)), rates)
        for values in combinations
    )
    return WhatIf(
        service=name,
        rates=rates,
        fields=tuple(given),
        variants=(attrs.evolve(_variant(project, name, {}, rates), values=as_it_is), *changed),
    )


def _variant(project: Project, name: str, values: Mapping[Path, Any], rates: Rates) -> Variant:
    held = tuple(values.values())
    try:
        with attrs.validators.disabled():  # `lower` runs them all
            stack = _with(project.stack, name, values)
        apps = lower(stack, name)
        varied = attrs.evolve(project, stack=stack, apps=apps)
        report = varied.report()
        address = f"service.{name}"
        estimates = varied.estimates([address])
    except InvalidStack as error:
        return Variant(values=held, problems=error.problems)
    except InfraError as error:
        return Variant(values=held, problems=(str(error),))
    [plain] = [
        manifest(app, "").resources[address]
        for app in apps
        if any(each.name == name for each in app.services)
    ]
    return Variant(
        values=held,
        price=price(recorded(plain), rates),
        estimate=next(iter(estimates), None),
        findings=tuple(each for each in report.findings if _is_of(name, each)),
        accepted=tuple(each for each in report.accepted if _is_of(name, each.finding)),
    )


def _is_of(service: str, finding: "Finding") -> bool:
    return f"{finding.where}.".startswith(f"{service}.")


def _setting(text: str) -> tuple[str, tuple[Any, ...]]:
    """A field and its values."""
    field, _, values = text.partition("=")
    if not field or not values:
        raise UsageError(
            f"--what-if {text}: names no values; FIELD=VALUE,VALUE is allowed; write "
            "gpu=H200:1,B200:1, for example"
        )
    try:
        return field, tuple(_json(f"[{values}]") if values[0] in '["{' else values.split(","))
    except ValueError as error:
        raise UsageError(
            f"--what-if {text}: is no JSON ({error}); words or JSON are allowed, with commas "
            'between them; write gpu=["H200:1","B200:1"],"H100:2", for example'
        ) from error


def _json(text: str) -> Any:
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _value(given: Any, is_word: bool) -> Any:
    """A word as the value that it spells, unless the field holds words."""
    if not isinstance(given, str) or is_word:
        return given
    try:
        return _json(given)
    except ValueError:
        return WORDS.get(given, given)


def _is_word(now: Any, path: Path) -> bool:
    """Whether a field holds a string, or is one of a mapping of strings."""
    is_one = isinstance(_read(now, path), str)
    if is_one or len(path) < 2:
        return is_one
    holder, name = _read(now, path[:-2]), path[-2]
    fields = attrs.fields_dict(type(holder)) if attrs.has(type(holder)) else {}
    return name in fields and fields[name].type in OF_WORDS


def _held(now: Any, path: Path, value: Any) -> Any:
    """The value as the service holds it, so that it looks like the one that is there."""
    try:
        with attrs.validators.disabled():
            held = _read(_put(now, path, value, path), path)
    except InfraError:
        return value  # only with another setting's value can it be; or it is wrong, which is told
    return value if attrs.has(type(held)) else held


def _once(values: Iterable[Any]) -> Iterable[Any]:
    """Each value once; by its spelling, as True is not 1, and a list has no hash."""
    return {repr(each): each for each in values}.values()


def _one_service(
    stack: Stack, settings: Iterable[tuple[str, tuple[Any, ...]]], service: str | None
) -> tuple[str, dict[str, tuple[Any, ...]]]:
    """The service that is meant, and the settings without its name."""
    services = [each for app in stack.all_apps() for each in app.services]
    names = [each.name for each in services]
    fields = {field for each in services for field in _fields(each)}
    meant = {service} if service else set()
    given = []
    for key, values in settings:
        name = max((each for each in names if key.startswith(f"{each}.")), key=len, default="")
        first, dot, rest = key.partition(".")
        if dot and not name and first not in fields:
            near = get_close_matches(first, names, 1, 0.4)
            raise UsageError(
                f"--what-if {key}: {first} is neither a service nor a field of one; one of "
                f"{', '.join(names)} is allowed before a field; write {(near or names)[0]}.{rest}"
            )
        meant |= {name} if name else set()
        given.append((key.removeprefix(f"{name}.") if name else key, values))
    if not meant and len(names) == 1:
        meant = {*names}
    if len(meant) != 1 or not meant <= {*names}:
        so = f"{', '.join(sorted(meant))} {'are' if len(meant) > 1 else 'is'} meant"
        raise UsageError(
            f"--what-if: {so if meant else 'no service is named'}; one of {', '.join(names)} is "
            f"allowed; write {names[0]}.{given[0][0]}=..., for example"
        )
    for field, times in Counter(field for field, _ in given).items():
        if times > 1:
            raise UsageError(
                f"--what-if {field}: is given {times} times; once is allowed, with all values; "
                f"write {field}=A,B"
            )
    return meant.pop(), dict(given)


def _component(stack: Stack, name: str) -> Any:
    return next(each for app in stack.all_apps() for each in app.services if each.name == name)


def _with(stack: Stack, name: str, values: Mapping[Path, Any]) -> Stack:
    """The stack with some of a service's fields changed."""

    def changed(service: Any) -> Any:
        for path, value in values.items() if service.name == name else ():
            service = _put(service, path, value, path)
        return service

    def app(held: App) -> App:
        return attrs.evolve(held, services=tuple(map(changed, held.services)))

    return attrs.evolve(stack, apps=tuple(map(app, stack.all_apps())), services=())


def _fields(value: Any) -> list[str]:
    return [field.name for field in attrs.fields(type(value))] if attrs.has(type(value)) else []


def _is_pairs(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str) for each in value
    )


def _inside(value: Any, path: Path) -> Path:
    """The path with ``flags`` in it for a value that takes the names of its flags as its own."""
    known = _fields(value)
    return ("flags", *path) if path[0] not in known and "flags" in known else path


def _check(value: Any, path: Path, whole: Path) -> None:
    """
    See that there is such a field.

    Raises:
        UsageError: With those that there are.
    """
    if whole == ("name",):
        raise UsageError(
            "--what-if name: makes another service of it; fields that leave it the same one are "
            "allowed; take it out"
        )
    if not path or _is_pairs(value):
        return
    path = _inside(value, path)
    known, where = _fields(value), ".".join(whole)
    if path[0] in known:
        _check(getattr(value, path[0]), path[1:], whole)
        return
    above = ".".join(whole[: len(whole) - len(path)])
    if value is None:
        raise UsageError(
            f"--what-if {where}: {above} is not set; fields of what is set are allowed; "
            f"set {above} in the stack file first"
        )
    near = get_close_matches(path[0], known, 1) or known[:1]
    fix = f"write {near[0]}" if near else "take it out"
    raise UsageError(
        f"--what-if {where}: {type(value).__name__} has no {path[0]}; "
        f"{', '.join(known) or 'no field'} {'are' if known else 'is'} allowed; {fix}"
    )


def _read(value: Any, path: Path) -> Any:
    if not path:
        return value
    if _is_pairs(value):
        return dict(value).get(path[0])
    path = _inside(value, path)
    return _read(getattr(value, path[0]), path[1:])


def _put(value: Any, path: Path, new: Any, whole: Path) -> Any:
    """The value with another one at a path."""
    if not path:
        return new
    _check(value, path, whole)
    if _is_pairs(value):
        return tuple({**dict(value), path[0]: _put(None, path[1:], new, whole)}.items())
    path = _inside(value, path)
    fields = {each.alias: getattr(value, each.name) for each in attrs.fields(type(value))}
    fields[path[0]] = _put(fields[path[0]], path[1:], new, whole)
    # Not by attrs.evolve: a component may have an __init__ of its own.
    made = object.__new__(type(value))
    getattr(made, "__attrs_init__", made.__init__)(**fields)
    return made
