"""Interface of a model for merging: its blocks, and how each is split between attention and MLP."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attended", "Trunk", "attention", "capture_output"]


class Attended(NamedTuple):
    """Result of the attention of a block.

    Attributes:
        tokens: (b, n, c) tokens after the attention.
        queries: (b, heads, n, d) queries.
        keys: (b, heads, n, d) keys.
        scale: Factor of the logits.
    """

    tokens: Tensor
    queries: Tensor
    keys: Tensor
    scale: float


@dataclass(frozen=True)
class Trunk:
    """A vision transformer split into half blocks.

    Attributes:
        family: Name of the family.
        blocks: The blocks.
        attend: First half of a block with its residual. `bias` (b, 1, 1, n) is added to the attention logits.
        feed: Second half of a block.
        prefix: Number of first tokens that never merge.
        classed: Whether the first token is a class token.
        restores: Whether the output of the last block is restored to the original positions.
    """

    family: str
    blocks: Sequence[nn.Module]
    attend: Callable[[nn.Module, Tensor, Tensor | None], Attended]
    feed: Callable[[nn.Module, Tensor], Tensor]
    prefix: int
    classed: bool
    restores: bool = True


def attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, scale: float, drop: float) -> Tensor:
    """Compute attention with a bias of the logits: (b, heads, n, d) to (b, n, heads * d)."""
    mask = None if bias is None else bias.to(queries.dtype)
    mixed = functional.scaled_dot_product_attention(queries, keys, values, mask, drop, scale=scale)
    return mixed.transpose(1, 2).flatten(2)


@contextmanager
def capture_output(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the outputs of a module while the block runs."""
    caught: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _given, made: caught.append(made))
    try:
        yield caught
    finally:
        hook.remove()
