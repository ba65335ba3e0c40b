"""Development: nothing runs, and nothing is billed, until a request comes."""

from infra import App, Stack
from stacks.services import nemotron, qwen3

stack = Stack(
    "dev",
    apps=[
        App("qwen3-8b", [qwen3(min_containers=0)]),
        App("nemotron-3-ultra", [nemotron(min_containers=0)]),
    ],
)
