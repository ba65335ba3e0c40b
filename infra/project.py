"""A stack file and those beside it in, its compiled Apps out: what every command begins with."""

from collections.abc import Collection
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from infra.compile import Artifact, compile_app
from infra.load import load
from infra.local_files import with_contents
from infra.lower import lower
from infra.resources import AppResources
from infra.stack import Stack

if TYPE_CHECKING:
    from infra.estimates import Estimate
    from infra.facts.models import ModelFacts
    from infra.rules import Report, Rule


@attrs.frozen(kw_only=True)
class Project:
    """
    A stack file as it is now.

    Attributes:
        path: Where it is.
        stack: Its stack.
        apps: Their resources.
        artifacts: One per App, in the stack's order.
        hub_cache: The Hub's files on this machine, for estimates; None: not looked at.
    """

    path: Path
    stack: Stack
    apps: tuple[AppResources, ...]
    artifacts: tuple[Artifact, ...]
    hub_cache: Path | None = None

    def report(self) -> "Report":
        """What the rules of the stack and of its components find; the same on every machine."""
        from infra.rules import check

        accept = dict(self.stack.accept)
        return check(self.known_apps, self.rules(), accept=accept, is_strict=self.stack.strict)

    @cached_property
    def known_apps(self) -> tuple[AppResources, ...]:
        """
        The Apps with what the stack and the files beside it say of their models.

        Raises:
            InvalidStack: A model's file can't be read.
        """
        from infra.model_files import with_facts

        return with_facts(self.apps, str(self.path), None)

    def rules(self) -> "tuple[Rule, ...]":
        """The rules of the components, each once, then the stack's own."""
        services = (service for app in self.stack.all_apps() for service in app.services)
        groups: list[tuple[Rule, ...]] = []
        for each in services:
            found: tuple[Rule, ...] = getattr(each, "rules", tuple)()
            if found not in groups:  # most services have those of one engine
                groups.append(found)
        return (*dict.fromkeys(chain(*groups)), *self.stack.rules)

    def estimates(self, addresses: Collection[str]) -> "tuple[Estimate, ...]":
        """What is expected of services; nothing of those whose component can't tell."""
        from infra.rules import subjects

        services = (service for app in self.stack.all_apps() for service in app.services)
        can = {each.name: each.estimate for each in services if hasattr(each, "estimate")}
        return tuple(
            can[subject.service.name](subject)
            for subject in subjects(self._cached_apps, self.stack.strict)
            if subject.service.name in can and f"service.{subject.service.name}" in addresses
        )

    def models(self) -> "dict[str, ModelFacts]":
        """By repository, what is known of the services' models beside what comes with infra."""
        from infra.facts.models import ModelFacts

        services = (service for app in self._cached_apps for service in app.services)
        uses = (use for service in services for use in service.models)
        return {
            use.name: use.facts if isinstance(use.facts, ModelFacts) else ModelFacts()
            for use in uses
        }

    @cached_property
    def _cached_apps(self) -> tuple[AppResources, ...]:
        """The Apps with what the Hub's files on this machine say of their models, too."""
        from infra.model_files import with_facts

        return with_facts(self.apps, str(self.path), self.hub_cache)

    @property
    def environment(self) -> str | None:
        """The Modal environment that the stack asks for."""
        return self.stack.environment

    def app_names(self) -> list[str]:
        """The Apps' names."""
        return [artifact.app for artifact in self.artifacts]

    def resource_names(self, kind: str) -> list[str]:
        """Names of all resources of a kind, each once, such as of ``volume``."""
        addresses = (key for each in self.artifacts for key in each.manifest.resources)
        found = (key.partition(".") for key in addresses)
        return list(dict.fromkeys(name for prefix, _, name in found if prefix == kind))


def open_project(path: Path, hub_cache: Path | None = None) -> Project:
    """
    Load, lower and compile a stack file.

    Args:
        path: The file.
        hub_cache: The Hub's files on this machine, if estimates are to look there.

    Raises:
        InvalidStack: With all of its problems.
    """
    stack = load(path)
    apps = tuple(with_contents(app, str(path), Path()) for app in lower(stack, str(path)))
    artifacts = tuple(map(compile_app, apps))
    return Project(path=path, stack=stack, apps=apps, artifacts=artifacts, hub_cache=hub_cache)
