"""The call: `turbo(model, ratio)` puts merging into a model in place, and its handle takes it out again.

Only `forward` of the model's own blocks is replaced, on these instances: no copy, no subclass, the same keys in
`state_dict`. Training, autocast and export go through it as through the model itself.
"""

from functools import partial
from types import TracebackType

import torch
from torch import Tensor, nn

from snapfind.core.errors import BadInput
from snapfind.token_merging.families import FAMILIES, find_trunk
from snapfind.token_merging.families.unet import find_attentions
from snapfind.token_merging.informativity import Informativity, Rule
from snapfind.token_merging.restoring import Around
from snapfind.token_merging.schedule import Schedule
from snapfind.token_merging.stream import Stream

__all__ = ["Turbo", "plug", "turbo"]


class Turbo:
    """Token merging that is active in a model. `remove()`, or the end of a `with` block, restores the model.

    Args:
        stream: State of the merging.
        modules: Modules whose forward was replaced.
    """

    def __init__(self, stream: Stream | Around, modules: list[nn.Module]) -> None:
        self._stream, self._modules = stream, modules

    @property
    def sizes(self) -> Tensor | None:
        """(b, n') float32 number of patches of each token of the last block, None if nothing was merged."""
        return self._stream.sizes

    def plan(self, tokens: int) -> tuple[int, ...]:
        """Return how many of `tokens` tokens, including class token and registers, each block merges."""
        return self._stream.plan(tokens)

    @property
    def groups(self) -> Tensor:
        """(b, n) int64 token of the last block that each token of the first became.

        Raises:
            BadInput: No image was processed yet, or the model is a U-Net, in which every block merges again.
        """
        if self.sizes is None:
            raise BadInput("nothing was merged yet; run the model first")
        places = torch.arange(self.sizes.shape[1], device=self.sizes.device)
        return self.unmerge(places.expand(len(self.sizes), -1)[..., None])[..., 0]

    def unmerge(self, tokens: Tensor) -> Tensor:
        """Restore (b, n', …) tokens of the last block to the (b, n, …) positions of the first. Only BLIP needs it."""
        return self._stream.unmerge(tokens)

    def remove(self) -> None:
        """Restore the model exactly."""
        for module in self._modules:
            module.__dict__.pop("forward", None)
        self._modules = []

    def __enter__(self) -> "Turbo":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def turbo(
    model: nn.Module,
    ratio: float,
    *,
    alpha: float = 5.0,
    beta: float = 1.0,
    gamma: float = 0.0,
    schedule: Schedule = "constant",
) -> Turbo:
    """Merge the least informative tokens of a vision transformer.

    Without a class token the value of a token is the column mean of self-attention. The self-attentions of a U-Net
    merge before and restore after, each on its own.

    Args:
        model: The model, changed in place.
        ratio: Fraction 0..1 of the tokens that stay, averaged over depth.
        alpha: Weight of the value of a token against its redundancy. 0 is ToMe.
        beta: Damping of alpha per block.
        gamma: Block at which alpha is not damped.
        schedule: How many tokens each block merges (schedule.py).

    Returns:
        A handle that restores the model.

    Raises:
        BadInput: The model is of no known family or merges already, or a value is out of range. A ratio that the
            schedule cannot reach is reported in the first forward pass.

    Example:
        >>> with turbo(model, ratio=0.6):            # doctest: +SKIP
        ...     features = model(pictures)
    """
    return plug(model, ratio, Informativity(alpha, beta, gamma), schedule)


def plug(model: nn.Module, ratio: float, rule: Rule, schedule: Schedule = "constant") -> Turbo:
    """Merge tokens with any rule. The arguments are those of `turbo`.

    Args:
        model: The model, changed in place.
        ratio: Fraction 0..1 of the tokens that stay, averaged over depth.
        rule: Ranks merges.
        schedule: How many tokens each block merges.

    Returns:
        A handle that restores the model.

    Raises:
        BadInput: As `turbo`.
    """
    if not 0 < ratio <= 1:
        raise BadInput(f"ratio is {ratio}; it is the share of tokens that stay, above 0 and up to 1")
    stream: Stream | Around
    if attentions := find_attentions(model):
        stream, modules = Around(attentions, ratio, rule), [*attentions]
    elif trunk := find_trunk(model):
        stream, modules = Stream(trunk, ratio, rule, schedule), [*trunk.blocks]
    else:
        raise BadInput(f"{type(model).__name__} has no blocks that merging knows; it knows {FAMILIES}")
    if any("forward" in vars(module) for module in modules):
        raise BadInput(f"{type(model).__name__} has blocks whose forward is replaced already; remove that first")
    for number, module in enumerate(modules):
        module.forward = partial(stream.through, number, module.forward)
    return Turbo(stream, modules)
