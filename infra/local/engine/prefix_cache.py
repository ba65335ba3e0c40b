"""Which beginnings of prompts are in the KV cache."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

BLOCK = 16  # tokens; SGLang compares single tokens, this needs a sixteenth of the memory


class PrefixCache:
    """Blocks of tokens by all that comes before them; what was used least lately goes first."""

    def __init__(self, capacity: int) -> None:
        self._blocks: OrderedDict[int, None] = OrderedDict()
        self._capacity = capacity // BLOCK

    def match(self, prompt: Sequence[str]) -> int:
        """Tokens at the prompt's beginning that need not be computed; never all of them."""
        found = []
        for block in _chain(prompt[:-1]):
            if block not in self._blocks:
                break
            found.append(block)
        self._touch(found)
        return len(found) * BLOCK

    def insert(self, sequence: Sequence[str]) -> None:
        """Keep what was computed."""
        self._touch(list(_chain(sequence)))
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)

    @property
    def tokens(self) -> int:
        """Tokens that are held."""
        return len(self._blocks) * BLOCK

    def _touch(self, blocks: list[int]) -> None:
        # The last block first: it must go before those that it rests on.
        for block in reversed(blocks):
            self._blocks[block] = None
            self._blocks.move_to_end(block)


def _chain(sequence: Sequence[str]) -> Iterator[int]:
    """The whole blocks of a sequence, each as a hash of itself and all before it."""
    before = 0
    for start in range(0, len(sequence) - BLOCK + 1, BLOCK):
        before = hash((before, *sequence[start : start + BLOCK]))
        yield before
