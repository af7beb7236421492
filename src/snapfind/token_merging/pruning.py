"""Pruning of visual tokens in the text side of a model: later layers attend to fewer of them.

Second module of Turbo (arXiv 2407.11717, published code): layer l attends to max(floor, 1 - step * (l + 1)) of the
visual tokens, those that received most cross-attention so far. It prunes and does not merge, and can be combined with
`turbo`.
"""

from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from snapfind.core.errors import BadInput

__all__ = ["Pruning", "prune_cross_attention"]


class Pruning:
    """Hooks on cross-attentions. `remove()`, or the end of a `with` block, removes them.

    Args:
        crossings: The cross-attentions in order.
        floor: Smallest fraction of the visual tokens.
        step: Fraction that each layer drops.
    """

    def __init__(self, crossings: list[Any], floor: float, step: float) -> None:
        self.shares = [max(floor, 1 - step * (layer + 1)) for layer in range(len(crossings))]
        self._attended: list[Tensor | None] = [None] * len(crossings)  # of each layer, (b, k) int64 in order
        self._rank: Tensor | None = None
        self._hooks: list[Any] = []
        for layer, crossing in enumerate(crossings):
            self._hooks += [
                crossing.register_forward_pre_hook(self._drop(layer), with_kwargs=True),
                crossing.register_forward_hook(self._look(layer), with_kwargs=True),
            ]

    def attended(self, layer: int) -> Tensor | None:
        """Return the (b, k) int64 positions of the visual tokens that a layer attended to last, None before a pass."""
        return self._attended[layer]

    def remove(self) -> None:
        """Remove the hooks, so that the model attends to all tokens."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def __enter__(self) -> "Pruning":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _drop(self, layer: int) -> Any:
        """Make the hook before a layer, which selects its share of the visual tokens and of their mask."""

        def drop(module: Any, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            tokens: Tensor = named["encoder_hidden_states"]
            if not _cached(module, named):
                self._attended[layer] = self._select(layer, tokens)
            attended = self._attended[layer]
            assert attended is not None
            mask = named.get("attention_mask")
            if mask is not None:
                mask = torch.take_along_dim(mask, attended[:, None, None, :], 3)
            picked = torch.take_along_dim(tokens, attended[:, :, None], 1)
            return inputs, named | {"encoder_hidden_states": picked, "attention_mask": mask}

        return drop

    def _select(self, layer: int, tokens: Tensor) -> Tensor:
        """Return the (b, k) positions with most attention so far, in order. The first layer attends to all."""
        count = max(1, round(self.shares[layer] * tokens.shape[1]))
        if layer == 0 or self._rank is None:
            return torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        before = self._attended[layer - 1]
        assert before is not None
        best = self._rank.topk(min(count, self._rank.shape[1]), dim=1).indices
        return torch.take_along_dim(before, best, 1).sort(1).values

    def _look(self, layer: int) -> Any:
        """Make the hook after a layer, which sums the attention that each visual token received."""

        def look(_module: Any, _given: Any, named: dict[str, Any], outputs: Any) -> None:
            self._rank = outputs[1].detach().float().mean(1).sum(1)

        return look


def prune_cross_attention(model: nn.Module, floor: float = 0.2, step: float = 0.07) -> Pruning:
    """Prune visual tokens in the cross-attention of BLIP's text decoder or encoder.

    The first layer attends to all tokens. While text is generated with a cache, each layer keeps the tokens of the
    first step.

    Args:
        model: The model.
        floor: Smallest fraction 0..1 of the visual tokens.
        step: Fraction 0..1 that each layer drops.

    Returns:
        A handle that restores the model.

    Raises:
        BadInput: The model has no such layers, or a fraction is out of range.
    """
    if not 0 < floor <= 1 or not 0 <= step <= 1:
        raise BadInput(f"floor {floor} and step {step} are shares of the visual tokens, in 0..1")
    layers = [module for module in model.modules() if type(module).__name__ == "BlipTextLayer"]
    crossings = [layer.crossattention for layer in layers if hasattr(layer, "crossattention")]
    if not crossings:
        raise BadInput(f"{type(model).__name__} has no cross-attention of BLIP; pruning knows BlipTextLayer")
    return Pruning(crossings, floor, step)


def _cached(module: Any, named: dict[str, Any]) -> bool:
    """Return whether keys and values of the image are cached from an earlier step."""
    updated = getattr(named.get("cache"), "is_updated", None)
    return bool(updated and updated.get(module.self.layer_idx))
