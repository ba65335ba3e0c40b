"""Production: one container of each service is always up."""

from infra import Stack
from stacks.services import ACCEPTED, apps

stack = Stack("prod", apps=apps(min_containers=1), accept=ACCEPTED, strict=True)
