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
    """Merging in place in a model; `remove()`, or the end of a `with`, gives the model back as it was."""

    def __init__(self, stream: Stream | Around, modules: list[nn.Module]) -> None:
        self._stream, self._modules = stream, modules

    @property
    def sizes(self) -> Tensor | None:
        """(b, n') float32, how many patches each token of the last block stands for; None where nothing was merged."""
        return self._stream.sizes

    def plan(self, tokens: int) -> tuple[int, ...]:
        """How many tokens each block merges away, in a picture of so many with class token and registers."""
        return self._stream.plan(tokens)

    @property
    def groups(self) -> Tensor:
        """(b, n) int64, which token of the last block each token of the first has become. BadInput before a pass, and
        of a U-Net, where every block merges anew."""
        if self.sizes is None:
            raise BadInput("nothing was merged yet; run the model first")
        places = torch.arange(self.sizes.shape[1], device=self.sizes.device)
        return self.unmerge(places.expand(len(self.sizes), -1)[..., None])[..., 0]

    def unmerge(self, tokens: Tensor) -> Tensor:
        """(b, n', …) of the last block -> (b, n, …) in the places of the first; needed only where the model passes
        merged tokens on, as BLIP does."""
        return self._stream.unmerge(tokens)

    def remove(self) -> None:
        """The model is again what it was, bit for bit."""
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
    """Merges the least informative tokens of a vision transformer, so that on average over depth `ratio` of them stay.

    `alpha` weighs the value of a token against its redundancy (0: ToMe), damped by `beta` ** |`gamma` - block|;
    `schedule` says where in depth they go (schedule.py). Without a class token the value is the column mean of
    self-attention. A U-Net's self-attentions merge before and restore after, each anew. Raises BadInput for a model of
    no known family, one that merges already, and values out of range; a ratio too low for the schedule is told in the
    first pass, which knows how many tokens there are.

    >>> with turbo(model, ratio=0.6):            # doctest: +SKIP
    ...     features = model(pictures)
    """
    return plug(model, ratio, Informativity(alpha, beta, gamma), schedule)


def plug(model: nn.Module, ratio: float, rule: Rule, schedule: Schedule = "constant") -> Turbo:
    """As `turbo`, with any rule for what merges first."""
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
