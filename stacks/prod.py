"""Production: one container of each service is always up."""

from infra import Stack
from stacks.services import ACCEPTED, apps

# What only a strict stack is told.
STRICT = {"INF096": "as published; the makers of these images leave the tags of releases alone"}

stack = Stack("prod", apps=apps(min_containers=1), accept={**ACCEPTED, **STRICT}, strict=True)
