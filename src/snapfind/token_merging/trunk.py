"""What merging has to know of a model: its blocks, and how each is cut in two between attention and MLP."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Seen", "Trunk", "attention", "catching"]


class Seen(NamedTuple):
    """Tokens (b, n, c) after a block's attention, with the queries and keys (b, heads, n, d) that it used."""

    tokens: Tensor
    queries: Tensor
    keys: Tensor
    scale: float


@dataclass(frozen=True)
class Trunk:
    """A vision transformer cut open.

    `attend(block, tokens, bias)` is the first half of a block, its residual added, with `bias` (b, 1, 1, n) added to
    the logits of attention; `feed(block, tokens)` is the second. The first `prefix` tokens never merge; the very
    first is a class token where `classed`. What leaves the last block is put back in its old places where `restores`.
    """

    family: str
    blocks: Sequence[nn.Module]
    attend: Callable[[nn.Module, Tensor, Tensor | None], Seen]
    feed: Callable[[nn.Module, Tensor], Tensor]
    prefix: int
    classed: bool
    restores: bool = True


def attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, scale: float, drop: float) -> Tensor:
    """Heads (b, heads, n, d) -> (b, n, heads * d): attention with `bias` on its logits."""
    mask = None if bias is None else bias.to(queries.dtype)
    mixed = functional.scaled_dot_product_attention(queries, keys, values, mask, drop, scale=scale)
    return mixed.transpose(1, 2).flatten(2)


@contextmanager
def catching(module: nn.Module) -> Iterator[list[Tensor]]:
    """What the module makes while the context is open."""
    caught: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _given, made: caught.append(made))
    try:
        yield caught
    finally:
        hook.remove()
