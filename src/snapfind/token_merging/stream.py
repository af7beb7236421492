"""One pass of tokens through the blocks: what was merged so far, and the next block, a merge between its halves."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from snapfind.core.errors import BadInput
from snapfind.token_merging.informativity import Rule, attention_received
from snapfind.token_merging.matching import Match, match, redundancy, sources
from snapfind.token_merging.merging import merge, unmerge
from snapfind.token_merging.schedule import Schedule, removals
from snapfind.token_merging.trunk import Seen, Trunk

__all__ = ["Stream"]


class Stream:
    """State of the pass that runs or ran last. Block 0 begins a new one, so a model serves one thread at a time."""

    def __init__(self, trunk: Trunk, ratio: float, rule: Rule, schedule: Schedule) -> None:
        self.trunk, self.ratio, self.rule, self.schedule = trunk, ratio, rule, schedule
        self.matches: list[Match] = []
        self.sizes: Tensor | None = None
        self._began, self._due = 0, 0
        self._plans: dict[int, tuple[int, ...]] = {}

    def plan(self, tokens: int) -> tuple[int, ...]:
        """What each block removes, of so many tokens at first."""
        if tokens not in self._plans:
            blocks = len(self.trunk.blocks)
            self._plans[tokens] = removals(tokens, self.trunk.prefix, blocks, self.ratio, self.schedule)
        return self._plans[tokens]

    def through(self, number: int, plain: Callable[..., Any], tokens: Tensor, *given: Any, **named: Any) -> Any:
        """Tokens (b, n, c) through block `number`, whose own forward is `plain`: asked alone until a merge is due."""
        if number == 0:
            self.matches, self.sizes, self._began = [], None, tokens.shape[1]
        elif number != self._due:
            raise BadInput(
                f"block {number} of a merging model ran when block {self._due} was due; run it without gradient"
                " checkpointing, all blocks in order, in one thread"
            )
        self._due = (number + 1) % len(self.trunk.blocks)
        remove = self.plan(self._began)[number]
        if not remove and self.sizes is None:
            return plain(tokens, *given, **named)
        if any(isinstance(value, Tensor) for value in (*given, *named.values())):
            raise BadInput("a block with merged tokens got an attention mask; merging knows vision towers without one")
        block = self.trunk.blocks[number]
        after = self._merged(block, tokens, number, remove)
        after = self.trunk.feed(block, after)
        last = number + 1 == len(self.trunk.blocks)
        return self.unmerge(after) if last and self.trunk.restores else after

    def unmerge(self, tokens: Tensor) -> Tensor:
        """(b, n', …) as the last block saw them -> (b, n, …) as block 0 did."""
        for found in reversed(self.matches):
            tokens = unmerge(tokens, found)
        return tokens

    def _merged(self, block: nn.Module, tokens: Tensor, number: int, remove: int) -> Tensor:
        bias = None if self.sizes is None else self.sizes.log()[:, None, None, :].to(tokens.dtype)
        seen = self.trunk.attend(block, tokens, bias)
        if not remove:
            return seen.tokens
        sizes = torch.ones(tokens.shape[:2], device=tokens.device) if self.sizes is None else self.sizes
        prefix = self.trunk.prefix
        with torch.no_grad():  # which tokens merge has no gradient, and A would keep its softmax for one
            value = self._value(seen, bias, sizes) if self.rule.needs_value else None
            scores = self.rule.scores(redundancy(seen.keys, prefix), value, number, self._began)
            found = match(scores, tokens.shape[1], prefix, remove)
        self.matches.append(found)
        merged, self.sizes = merge(seen.tokens, sizes, found)
        return merged

    def _value(self, seen: Seen, bias: Tensor | None, sizes: Tensor) -> Tensor:
        """A (b, s) of the sources."""
        if self.trunk.classed:
            queries, weights = seen.queries[:, :, :1], sizes[:, :1]
        else:
            queries, weights = seen.queries, sizes / sizes.sum(1, keepdim=True)
        received = attention_received(queries, seen.keys, bias, seen.scale, weights)
        return sources(received, self.trunk.prefix)
