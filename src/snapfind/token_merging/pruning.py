"""The text side of a model that attends to a picture: visual tokens are dropped from cross-attention as layers go.

Turbo's second module (arXiv 2407.11717, published code): layer l attends to max(floor, 1 - step * (l + 1)) of the
visual tokens, those that received most cross-attention so far. This prunes, it does not merge, and goes with `turbo`.
"""

from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from snapfind.core.errors import BadInput

__all__ = ["Pruning", "prune_cross_attention"]


class Pruning:
    """Hooks on cross-attentions; `remove()`, or the end of a `with`, takes them off."""

    def __init__(self, crossings: list[Any], floor: float, step: float) -> None:
        self.shares = [max(floor, 1 - step * (layer + 1)) for layer in range(len(crossings))]
        self._kept: list[Tensor | None] = [None] * len(crossings)  # of each layer, (b, k) int64 in order
        self._rank: Tensor | None = None
        self._hooks: list[Any] = []
        for layer, crossing in enumerate(crossings):
            self._hooks += [
                crossing.register_forward_pre_hook(self._drop(layer), with_kwargs=True),
                crossing.register_forward_hook(self._look(layer), with_kwargs=True),
            ]

    def kept(self, layer: int) -> Tensor | None:
        """(b, k) int64, places of the visual tokens that the layer attended to last; None before a pass."""
        return self._kept[layer]

    def remove(self) -> None:
        """The model attends to everything again."""
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
        """Before layer `layer`: only its share of the visual tokens and of their mask."""

        def drop(module: Any, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            seen: Tensor = named["encoder_hidden_states"]
            if not _cached(module, named):
                self._kept[layer] = self._chosen(layer, seen)
            kept = self._kept[layer]
            assert kept is not None
            mask = named.get("attention_mask")
            if mask is not None:
                mask = torch.take_along_dim(mask, kept[:, None, None, :], 3)
            picked = torch.take_along_dim(seen, kept[:, :, None], 1)
            return given, named | {"encoder_hidden_states": picked, "attention_mask": mask}

        return drop

    def _chosen(self, layer: int, seen: Tensor) -> Tensor:
        """(b, k) places in order: the best so far, or all in the first layer, where nothing has been received."""
        count = max(1, round(self.shares[layer] * seen.shape[1]))
        if layer == 0 or self._rank is None:
            return torch.arange(seen.shape[1], device=seen.device).expand(len(seen), -1)
        before = self._kept[layer - 1]
        assert before is not None
        best = self._rank.topk(min(count, self._rank.shape[1]), dim=1).indices
        return torch.take_along_dim(before, best, 1).sort(1).values

    def _look(self, layer: int) -> Any:
        """After layer `layer`: attention (b, heads, words, k) received by each visual token, over heads and words."""

        def look(_module: Any, _given: Any, named: dict[str, Any], made: Any) -> None:
            self._rank = made[1].detach().float().mean(1).sum(1)

        return look


def prune_cross_attention(model: nn.Module, floor: float = 0.2, step: float = 0.07) -> Pruning:
    """Drops visual tokens in the cross-attention of BLIP's text decoder or encoder, down to `floor` of them.

    The first layer attends to all, since nothing is ranked yet. While words are generated with a cache, each layer
    keeps to the tokens of the first step. Raises BadInput for a model without such layers and shares outside 0..1.
    """
    if not 0 < floor <= 1 or not 0 <= step <= 1:
        raise BadInput(f"floor {floor} and step {step} are shares of the visual tokens, in 0..1")
    layers = [module for module in model.modules() if type(module).__name__ == "BlipTextLayer"]
    crossings = [layer.crossattention for layer in layers if hasattr(layer, "crossattention")]
    if not crossings:
        raise BadInput(f"{type(model).__name__} has no cross-attention of BLIP; pruning knows BlipTextLayer")
    return Pruning(crossings, floor, step)


def _cached(module: Any, named: dict[str, Any]) -> bool:
    """Whether keys and values of the picture are kept from an earlier step."""
    updated = getattr(named.get("cache"), "is_updated", None)
    return bool(updated and updated.get(module.self.layer_idx))
