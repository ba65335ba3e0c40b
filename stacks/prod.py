"""Production: one container of each service is always up."""

from infra import App, Stack
from stacks.services import nemotron, qwen3

stack = Stack(
    "prod",
    apps=[
        App("qwen3-8b", [qwen3(min_containers=1)]),
        App("nemotron-3-ultra", [nemotron(min_containers=1)]),
    ],
)
