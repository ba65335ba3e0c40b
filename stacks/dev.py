"""Development: nothing runs, and nothing is billed, until a request comes."""

from infra import Stack
from stacks.services import ACCEPTED, apps

stack = Stack("dev", apps=apps(suffix="-dev", min_containers=0), accept=ACCEPTED)
