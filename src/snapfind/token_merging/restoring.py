"""Merging before a costly step and restoring after it, for generation, whose output must keep its length.

ToMe for Stable Diffusion (Bolya & Hoffman, arXiv 2303.17604) with Turbo's informativity. Each self-attention is matched
on its own keys. Keys are computed for the matching, and the value of a token is what evenly spaced sample queries give
it: the column mean of self-attention at 1/64 of its cost.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from snapfind.core.errors import BadInput
from snapfind.token_merging.informativity import Rule, attention_received
from snapfind.token_merging.matching import Match, match, redundancy, sources
from snapfind.token_merging.merging import merge, unmerge

__all__ = ["Around"]

_QUERIES = 64  # queries that stand for all


class Around:
    """Merging around self-attentions with `to_q`, `to_k` and `heads`.

    Self-attentions with fewer tokens than the first are not changed: lower resolutions of a U-Net are cheap and lose
    more.

    Args:
        attentions: The self-attentions.
        ratio: Fraction of the tokens that stay, 0.5 or more.
        rule: Ranks merges.

    Raises:
        BadInput: The ratio is below 0.5.
    """

    def __init__(self, attentions: Sequence[nn.Module], ratio: float, rule: Rule) -> None:
        if ratio < 0.5:
            raise BadInput(f"ratio is {ratio}; merging around an attention keeps at least half, so 0.5 or more")
        self.attentions, self.ratio, self.rule = list(attentions), ratio, rule
        self.sizes: Tensor | None = None
        self._matches: list[Match] = []
        self._most = 0

    def plan(self, tokens: int) -> tuple[int, ...]:
        """Return how many tokens each self-attention merges away."""
        return (min(int(tokens * (1 - self.ratio) + 0.5), tokens // 2),) * len(self.attentions)

    def through(self, number: int, plain: Callable[..., Any], tokens: Tensor, *given: Any, **named: Any) -> Any:
        """Run (b, n, c) tokens through self-attention `number`, whose own forward is `plain`."""
        if number == 0:
            self._most, self.sizes, self._matches = tokens.shape[1], None, []
        remove = self.plan(tokens.shape[1])[number]
        if not remove or tokens.shape[1] < self._most:
            return plain(tokens, *given, **named)
        if any(value is not None for value in given) or named.get("attention_mask") is not None:
            raise BadInput("a self-attention that merges got a mask or other tokens; merging knows plain ones")
        matching = self._match(self.attentions[number], tokens, remove, number)
        merged, sizes = merge(tokens, torch.ones(tokens.shape[:2], device=tokens.device), matching)
        self._matches, self.sizes = [matching], sizes
        output: Tensor = plain(merged, **named | {"attention_mask": sizes.log()[:, None, :].to(tokens.dtype)})
        return unmerge(output, matching)

    def unmerge(self, tokens: Tensor) -> Tensor:
        """Restore (b, n', …) tokens of the last self-attention to (b, n, …)."""
        return unmerge(tokens, self._matches[0]) if self._matches else tokens

    @torch.no_grad()
    def _match(self, own: Any, tokens: Tensor, remove: int, number: int) -> Match:
        keys = own.to_k(tokens).unflatten(2, (own.heads, -1)).transpose(1, 2)
        value = None
        if self.rule.needs_value:
            sampled = tokens[:, :: max(1, tokens.shape[1] // _QUERIES)]
            queries = own.to_q(sampled).unflatten(2, (own.heads, -1)).transpose(1, 2)
            weights = torch.full(sampled.shape[:2], 1 / sampled.shape[1], device=tokens.device)
            value = sources(attention_received(queries, keys, None, keys.shape[-1] ** -0.5, weights), 0)
        return match(self.rule.scores(redundancy(keys, 0), value, number, tokens.shape[1]), tokens.shape[1], 0, remove)
