"""Token merging in a forward pass through the blocks: the merges so far, and a merge in the middle of each block."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from snapfind.core.errors import BadInput
from snapfind.token_merging.informativity import Rule, attention_received
from snapfind.token_merging.matching import Match, match, redundancy, sources
from snapfind.token_merging.merging import merge, unmerge
from snapfind.token_merging.schedule import Schedule, removals
from snapfind.token_merging.trunk import Attended, Trunk

__all__ = ["Stream"]


class Stream:
    """State of the current or last forward pass. Block 0 begins a new pass, so a model serves one thread at a time.

    Args:
        trunk: The model.
        ratio: Fraction 0..1 of the tokens that stay, averaged over depth.
        rule: Ranks merges.
        schedule: How many tokens each block merges.
    """

    def __init__(self, trunk: Trunk, ratio: float, rule: Rule, schedule: Schedule) -> None:
        self.trunk, self.ratio, self.rule, self.schedule = trunk, ratio, rule, schedule
        self.matches: list[Match] = []
        self.sizes: Tensor | None = None
        self._first_count, self._next_block = 0, 0
        self._plans: dict[int, tuple[int, ...]] = {}

    def plan(self, tokens: int) -> tuple[int, ...]:
        """Return how many tokens each block merges if there are `tokens` at first."""
        if tokens not in self._plans:
            blocks = len(self.trunk.blocks)
            self._plans[tokens] = removals(tokens, self.trunk.prefix, blocks, self.ratio, self.schedule)
        return self._plans[tokens]

    def through(self, number: int, plain: Callable[..., Any], tokens: Tensor, *given: Any, **named: Any) -> Any:
        """Run (b, n, c) tokens through block `number`, whose own forward `plain` is used until the first merge."""
        if number == 0:
            self.matches, self.sizes, self._first_count = [], None, tokens.shape[1]
        elif number != self._next_block:
            raise BadInput(
                f"block {number} of a merging model ran when block {self._next_block} was due; run it without gradient"
                " checkpointing, all blocks in order, in one thread"
            )
        self._next_block = (number + 1) % len(self.trunk.blocks)
        remove = self.plan(self._first_count)[number]
        if not remove and self.sizes is None:
            return plain(tokens, *given, **named)
        if any(isinstance(value, Tensor) for value in (*given, *named.values())):
            raise BadInput("a block with merged tokens got an attention mask; merging knows vision towers without one")
        block = self.trunk.blocks[number]
        after = self._merge(block, tokens, number, remove)
        after = self.trunk.feed(block, after)
        last = number + 1 == len(self.trunk.blocks)
        return self.unmerge(after) if last and self.trunk.restores else after

    def unmerge(self, tokens: Tensor) -> Tensor:
        """Restore (b, n', …) tokens of the last block to the (b, n, …) positions of block 0."""
        for matching in reversed(self.matches):
            tokens = unmerge(tokens, matching)
        return tokens

    def _merge(self, block: nn.Module, tokens: Tensor, number: int, remove: int) -> Tensor:
        bias = None if self.sizes is None else self.sizes.log()[:, None, None, :].to(tokens.dtype)
        attended = self.trunk.attend(block, tokens, bias)
        if not remove:
            return attended.tokens
        sizes = torch.ones(tokens.shape[:2], device=tokens.device) if self.sizes is None else self.sizes
        prefix = self.trunk.prefix
        with torch.no_grad():  # which tokens merge has no gradient, and A would keep its softmax for one
            value = self._value(attended, bias, sizes) if self.rule.needs_value else None
            scores = self.rule.scores(redundancy(attended.keys, prefix), value, number, self._first_count)
            matching = match(scores, tokens.shape[1], prefix, remove)
        self.matches.append(matching)
        merged, self.sizes = merge(attended.tokens, sizes, matching)
        return merged

    def _value(self, attended: Attended, bias: Tensor | None, sizes: Tensor) -> Tensor:
        """Return the (b, s) value A of the sources."""
        if self.trunk.classed:
            queries, weights = attended.queries[:, :, :1], sizes[:, :1]
        else:
            queries, weights = attended.queries, sizes / sizes.sum(1, keepdim=True)
        received = attention_received(queries, attended.keys, bias, attended.scale, weights)
        return sources(received, self.trunk.prefix)
