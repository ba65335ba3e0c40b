"""A stack in, the resources of each App out, or every problem of the stack at once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import attrs

from infra.errors import Conflicts, InvalidStack
from infra.identifiers import module_name, prefix
from infra.resources import AppResources, Image, Resource, Secret, Service, Volume
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
    problems = list(_fields(stack, stack.name if isinstance(stack.name, str) else "stack"))
    if _shape_is_sound(stack):
        problems += _names(stack)
    lowered = []
    for app in stack.all_apps() if _shape_is_sound(stack) else ():
        resources: list[Resource] = []
        for service in app.services:
            if any(_fields(service, "")):
                continue  # said above; what it would lower to would only repeat it
            try:
                resources += service.resources()
            except Conflicts as conflicts:
                problems += conflicts.problems
        lowered.append(_app(stack, app, resources, problems))
    if problems:
        raise InvalidStack(source, dict.fromkeys(problems))
    return tuple(lowered)


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
        if field.name in ("apps", "services") and isinstance(held, tuple):
            for index, item in enumerate(held):
                yield from _fields(item, item.name if _named(item) else f"{path}[{index}]")
        else:
            yield from _fields(held, f"{path}.{field.name}")
    own = getattr(value, "problems", None)
    if callable(own):
        # it may meet a field that is said to be wrong above
        with suppress(TypeError, AttributeError, ValueError):
            yield from (f"{path}.{problem}" for problem in own())


def _shape_is_sound(stack: Stack) -> bool:
    """Whether apps and services can be walked at all."""
    return isinstance(stack.apps, tuple) and all(
        isinstance(app, App) and isinstance(app.services, tuple) for app in stack.all_apps()
    )


def _names(stack: Stack) -> Iterator[str]:
    """Names that stand twice, or that the generated modules could not tell apart."""
    apps = stack.all_apps()
    yield from _twice(
        f"{stack.name}.apps", "App", [app.name for app in apps], module_name, "one module"
    )
    services = [service.name for app in apps for service in app.services if _named(service)]
    yield from _twice(f"{stack.name}.services", "service", services, prefix, "one Python name")


def _named(service: Any) -> bool:
    return isinstance(getattr(service, "name", None), str)


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


def _app(
    stack: Stack, app: App, resources: Iterable[Resource], problems: list[str]
) -> AppResources:
    volumes: dict[str, Volume] = {}
    secrets: dict[str, Secret] = {}
    images: list[Image] = []
    services: list[Service] = []
    for resource in resources:
        match resource:
            case Volume():
                first = volumes.setdefault(resource.name, resource)
                if first != resource:
                    problems.append(
                        f"{app.name}.volumes: {resource.name!r} is asked for with version "
                        f"{first.version} and {resource.version}; one version is allowed; "
                        "write the same one in both places"
                    )
            case Secret():
                secrets.setdefault(resource.name, resource)
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
