"""A stack in, the resources of each App out, or every problem of the stack at once."""

import builtins
import keyword
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import attrs

from infra.errors import Conflicts, InvalidStack
from infra.identifiers import is_constant, module_name, prefix
from infra.resources import AppResources, Image, ImageStep, Resource, Secret, Service, Volume
from infra.stack import App, Stack


def lower(stack: Stack, source: str) -> tuple[AppResources, ...]:
    """
    The resources of each App of the stack.

    Args:
        stack: As the stack file gives it; its fields may be of any type and value.
        source: The stack file's name, for the message.

    Raises:
        InvalidStack: With the problems of all fields, names and services.
    """
    apps = list(_apps(stack))
    problems = list(_fields(stack, stack.name if isinstance(stack.name, str) else "stack"))
    problems += _names(stack.name, apps)
    cause: Exception | None = None
    lowered = []
    for app in apps:
        resources: list[Resource] = []
        for service in filter(_is_sound, app.services):
            try:
                resources += service.resources()
            except Conflicts as conflicts:
                problems += conflicts.problems
            except Exception as error:  # a part of the stack's author, who has to be told where
                problems.append(_raised(getattr(service, "name", app.name), error))
                cause = error
        problems += _problems(app.name, resources)
        lowered.append(_app(stack, app, resources))
    if problems:
        raise InvalidStack(source, dict.fromkeys(problems)) from cause
    return tuple(lowered)


def _apps(stack: Stack) -> Iterator[App]:
    """The Apps that can be walked, whatever their fields hold."""
    with attrs.validators.disabled():
        apps = stack.all_apps()
    for app in apps if isinstance(apps, tuple) else ():
        if isinstance(app, App) and isinstance(app.services, tuple):
            yield app


def _is_sound(service: Any) -> bool:
    """Whether all is well with it so far; what it would lower to would only repeat the problems."""
    is_component = callable(getattr(service, "resources", None)) and not isinstance(service, type)
    return is_component and not any(_fields(service, ""))


def _raised(name: str, error: Exception) -> str:
    from traceback import extract_tb

    last = extract_tb(error.__traceback__)[-1]
    return (
        f"{name}: {last.filename}:{last.lineno} raises {type(error).__name__}: {error}; "
        "parts that run through are allowed; mend the line"
    )


def _fields(value: Any, path: str) -> Iterator[str]:
    """The problems of the value's own fields, then of what it holds."""
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _fields(item, f"{path}[{index}]")
    if not attrs.has(type(value)):
        return
    for field in attrs.fields(type(value)):
        held = getattr(value, field.name)
        if field.validator:
            try:
                field.validator(value, field, held)
            except ValueError as problem:
                yield f"{path}.{problem}"
        inner = f"{path}.{field.name}"
        if field.name in ("apps", "services") and isinstance(held, tuple):
            for index, item in enumerate(held):
                yield from _fields(item, item.name if _named(item) else f"{inner}[{index}]")
        else:
            yield from _fields(held, inner)
    own = getattr(value, "problems", None)
    if callable(own):
        # it may meet a field that is said to be wrong above
        with suppress(TypeError, AttributeError, ValueError):
            yield from (f"{path}.{problem}" for problem in own())


def _names(stack: str, apps: Iterable[App]) -> Iterator[str]:
    """Names that stand twice, or that the generated modules could not tell apart."""
    named = [app.name for app in apps]
    yield from _twice(f"{stack}.apps", "App", named, module_name, "one module")
    services = [service.name for app in apps for service in app.services if _named(service)]
    yield from _twice(f"{stack}.services", "service", services, prefix, "one Python name")


def _named(service: Any) -> bool:
    return isinstance(getattr(service, "name", None), str) and service.name != ""


def _twice(where: str, kind: str, names: list[str], mangle: Any, what: str) -> Iterator[str]:
    names = [name for name in names if isinstance(name, str)]
    for name, count in Counter(names).items():
        if count > 1:
            yield (
                f"{where}: the name {name!r} stands {count} times; "
                f"each {kind} has a name of its own; rename one"
            )
    by_mangled: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_mangled.setdefault(mangle(name), []).append(name)
    for mangled, alike in by_mangled.items():
        if len(alike) > 1:
            yield (
                f"{where}: {' and '.join(map(repr, alike))} become {what} ({mangled}); "
                "names that differ in letters or digits are allowed; rename one"
            )


def _problems(app: str, resources: Iterable[Resource]) -> Iterator[str]:
    """What only shows in Modal's terms, or would only show when the module is imported."""
    volumes: dict[str, Volume] = {}
    classes: dict[str, str] = {}
    for resource in resources:
        match resource:
            case Volume(name=name):
                first = volumes.setdefault(name, resource)
                if first != resource:
                    yield (
                        f"{app}.volumes: {name!r} is asked for with version "
                        f"{first.version} and {resource.version}; one version is allowed; "
                        "write the same one in both places"
                    )
            case Image(name=name):
                for step in (*resource.steps, *resource.files):
                    yield from _step(f"{name}.image", step)
            case Service(name=name, class_name=written):
                other = classes.setdefault(written, name)
                if other != name:
                    yield (
                        f"{name}.class_name: {written} is that of {other}, too; each service of an "
                        "App has a class of its own; write class_name= in one of them"
                    )
                if (is_python_s := hasattr(builtins, written)) or is_constant(written):
                    whose = "Python's own" if is_python_s else "the generated module's constants"
                    yield (
                        f"{name}.class_name: {written} is a name of {whose}; another one is "
                        f"allowed; write class_name={written + 'Server'!r}, for example"
                    )


def _step(where: str, step: ImageStep) -> Iterator[str]:
    """What can't be written as a call in the generated module."""
    for name in (step.method, *(name for name, _ in step.kwargs)):
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            yield (
                f"{where}: {name!r} is no Python name; a method of modal.Image and its arguments "
                "are allowed; rename it"
            )
    for value in (*step.args, *(value for _, value in step.kwargs)):
        for odd in _not_plain(value):
            yield (
                f"{where}: {step.method}() is given {odd!r}; strings, numbers, True, False, None, "
                f"lists and dicts of strings are allowed; write {str(odd)!r}, for example"
            )


def _not_plain(value: Any) -> Iterator[Any]:
    """What in a value has no literal, or would be read back from a record as something else."""
    match value:
        case list() | tuple():
            for item in value:
                yield from _not_plain(item)
        case dict():
            yield from (key for key in value if type(key) is not str)
            yield from _not_plain([*value.values()])
        case _:
            known = type(value) in (str, int, bool, type(None))
            if not known and not (type(value) is float and math.isfinite(value)):
                yield value


def _app(stack: Stack, app: App, resources: Iterable[Resource]) -> AppResources:
    volumes: dict[str, Volume] = {}
    secrets: dict[str, Secret] = {}
    images: list[Image] = []
    services: list[Service] = []
    for resource in resources:
        match resource:
            case Volume():
                volumes[resource.name] = resource
            case Secret():
                secrets[resource.name] = resource
            case Image():
                images.append(resource)
            case Service():
                services.append(resource)
    return AppResources(
        stack=stack.name,
        app=app.name,
        volumes=tuple(volumes.values()),
        secrets=tuple(secrets.values()),
        images=tuple(images),
        services=tuple(services),
    )
