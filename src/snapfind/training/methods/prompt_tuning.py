"""Efficient prompting and adapters: a frozen two-tower model learns a shop's classes with very few numbers.

After Ju et al., "Prompting Visual-Language Models for Efficient Video Understanding" (arXiv 2112.04478). Learned
vectors stand before and behind each class name, one table for all classes. A temporal block reads the frame features.
Cosines over .07 in a softmax over the classes of the batch and others that are drawn. Only the table, the places of the
frames and the block learn. `lora` (Hu et al., arXiv 2106.09685) puts adapters on the attention of the text tower
instead, `linear` on the two projections, both by the package peft.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.core.errors import BadInput
from snapfind.training.losses.margin import sampled
from snapfind.training.models.clip import Clip

__all__ = ["Form", "Method", "Prompted", "Temporal", "Words", "window"]

Method = Literal["names", "prompts", "lora", "linear"]
_RATES = (1, 2, 3, 3, 3, 4)  # frames that a step of the window goes on, drawn evenly, as in the paper's code


@dataclass(frozen=True, slots=True)
class Form:
    """As in the paper's release: vectors before and behind a name, frames, blocks, heads, classes of a softmax."""

    prefix: int = 16
    postfix: int = 16
    frames: int = 1
    layers: int = 1
    heads: int = 8
    candidates: int = 400
    temperature: float = 0.07
    rank: int = 4  # of the adapters


@dataclass(frozen=True)
class Words:
    """Token ids (c, length) of class names with room around them; `learned` (c, length) bool says where the room is."""

    ids: Tensor
    learned: Tensor

    @classmethod
    def of(cls, names: Sequence[str], clip: Clip, form: Form, method: Method) -> "Words":
        """Long names are cut to what fits between the vectors. Raises BadInput for vectors that leave no room."""
        most = int(clip.model.config.text_config.max_position_embeddings)
        before, behind = (form.prefix, form.postfix) if method == "prompts" else (0, 0)
        room = most - before - behind - 2
        if room < 1:
            raise BadInput(f"{before} and {behind} vectors leave no room for a name in {most} places; give fewer")
        first, end = clip.tokenizer.bos_token_id, clip.tokenizer.eos_token_id
        told = [clip.tokenizer(name, add_special_tokens=False)["input_ids"][:room] for name in names]
        length = max(len(ids) for ids in told) + before + behind + 2
        ids, learned = torch.full((len(told), length), end), torch.zeros(len(told), length, dtype=torch.bool)
        for row, own, name in zip(ids, learned, told):
            line = [first, *[first] * before, *name, *[first] * behind, end]
            row[: len(line)] = torch.tensor(line)
            own[1 : 1 + before] = own[1 + before + len(name) : len(line) - 1] = True
        return cls(ids, learned)

    def only(self, chosen: Tensor) -> "Words":
        """Those classes."""
        return Words(self.ids[chosen], self.learned[chosen])


class Temporal(nn.Module):
    """(n, frames, d) -> (n, d): places of the frames, pre-norm transformer blocks, mean over time."""

    def __init__(self, dim: int, form: Form) -> None:
        super().__init__()
        self.places = nn.Parameter(0.01 * torch.randn(form.frames, dim))
        heads = next(count for count in range(min(form.heads, dim), 0, -1) if dim % count == 0)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, _quick_gelu, batch_first=True, norm_first=True)
            for _ in range(form.layers)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """As long as `places` at the most."""
        seen = frames + self.places[: frames.shape[1]]
        for block in self.blocks:
            seen = block(seen)
        return seen.mean(1)


class Prompted(nn.Module):
    """`forward(frames, labels)` is the loss: (n, frames, hidden) pooled states of the picture's tower, (n,) classes.

    The classes are those of `words`, given when it is made; `logits` also takes others. Copies share every weight of
    the frozen model, which stays in eval mode, and `state_dict` holds only what learns.
    """

    def __init__(self, clip: Clip, words: Words, method: Method, form: Form | None = None) -> None:
        super().__init__()
        self.method, self.form, self.words = method, form or Form(), words
        self.clip = clip.model
        width, places = self.clip.config.text_config.hidden_size, self.clip.config.text_config.max_position_embeddings
        learns, dim = method == "prompts", self.clip.config.projection_dim
        self.table = nn.Parameter(0.01 * torch.randn(places, width)) if learns else None
        self.temporal = Temporal(dim, self.form) if learns and self.form.frames > 1 else None
        if method in _ADAPTED:
            self.clip = _adapted(deepcopy(clip.model), method, self.form.rank)

    def forward(self, frames: Tensor, labels: Tensor) -> Tensor:
        """Softmax over the classes of the batch and others, `candidates` in all."""
        classes = len(self.words.ids)
        part = min(1.0, self.form.candidates / classes)
        chosen, own = sampled(labels, classes, part, torch.default_generator)
        return functional.cross_entropy(self.logits(frames, self.words.only(chosen.cpu())), own)

    def train(self, mode: bool = True) -> "Prompted":
        """What is frozen does not begin to drop out."""
        super().train(mode)
        self.clip.eval()
        return self

    def logits(self, frames: Tensor, words: Words) -> Tensor:
        """(n, frames, hidden) -> (n, classes): cosines over the temperature."""
        return self.pictures(frames) @ self.texts(words).T / self.form.temperature

    def pictures(self, frames: Tensor) -> Tensor:
        """(n, frames, hidden) -> (n, d) unit rows."""
        seen = self.clip.visual_projection(frames)
        return functional.normalize(seen.mean(1) if self.temporal is None else self.temporal(seen), dim=1)

    def texts(self, words: Words) -> Tensor:
        """(c, d) unit rows; gradients pass through the frozen tower to the learned vectors."""
        ids, learned = words.ids.to(self.device), words.learned.to(self.device)

        def put(module: nn.Module, given: Any, found: Tensor) -> Tensor:
            assert self.table is not None
            return torch.where(learned[..., None], self.table[: ids.shape[1]], found)

        table = self.clip.text_model.embeddings.token_embedding
        hook = table.register_forward_hook(put) if self.table is not None else None
        try:
            pooled = self.clip.text_model(input_ids=ids).pooler_output
        finally:
            if hook is not None:
                hook.remove()
        return functional.normalize(self.clip.text_projection(pooled), dim=1)

    @torch.no_grad()
    def scores(self, clips: Tensor, words: Words) -> Tensor:
        """(n, views, frames, hidden) several windows of each -> (n, classes) probabilities, the mean over the views."""
        found = [self.logits(view, words).softmax(1) for view in clips.unbind(1)]
        return torch.stack(found).mean(0)

    @property
    def device(self) -> torch.device:
        """Where the frozen model is."""
        return next(self.clip.parameters()).device

    def learnable(self) -> dict[str, nn.Parameter]:
        """What learns, by name."""
        return {name: own for name, own in self.named_parameters() if _learns(name)}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Only what learns: the frozen model is in its own folder."""
        return {name: value for name, value in super().state_dict(*args, **kwargs).items() if _learns(name)}

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Raises BadInput where it is of another form."""
        if set(state_dict) != set(self.state_dict()):
            raise BadInput(f"these weights are not of the method {self.method!r}")
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Prompted":
        shared = {id(own): own for name, own in self.named_parameters() if not _learns(name)}
        memo.update(shared)
        copy = self.__class__.__new__(self.__class__)
        memo[id(self)] = copy
        copy.__dict__.update(deepcopy(self.__dict__, memo))
        return copy


def window(features: NDArray[np.float32], frames: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(length, hidden) features of a clip -> (frames, hidden): a drawn rate, a drawn window, the last one repeated."""
    rate = _RATES[int(rng.integers(len(_RATES)))]
    seen = features[::rate]
    first = int(rng.integers(max(1, len(seen) - frames + 1)))
    cut = seen[first : first + frames]
    return np.concatenate([cut, np.repeat(cut[-1:], frames - len(cut), axis=0)])


_ADAPTED: dict[str, str] = {
    "lora": r".*text_model\..*\.(q_proj|v_proj)",
    "linear": r".*(visual_projection|text_projection)",
}


def _adapted(model: Any, method: str, rank: int) -> Any:
    from peft import LoraConfig, inject_adapter_in_model

    found = inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_ADAPTED[method]), model)
    for name, own in found.named_parameters():
        own.requires_grad_("lora_" in name)
    return found


def _learns(name: str) -> bool:
    return not name.startswith("clip.") or "lora_" in name


def _quick_gelu(rows: Tensor) -> Tensor:
    return rows * torch.sigmoid(1.702 * rows)
