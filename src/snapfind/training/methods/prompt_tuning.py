"""Efficient prompting and adapters: a frozen CLIP model is adapted to a shop's classes with few parameters.

After Ju et al., "Prompting Visual-Language Models for Efficient Video Understanding" (arXiv 2112.04478). Trained
vectors are placed before and after each class name, the same for all classes. A temporal transformer reads the frame
features. The loss is a softmax of cosines over 0.07 among the classes of the batch and sampled others. `lora` (Hu et
al., arXiv 2106.09685) trains adapters of the attention of the text encoder instead, `linear` adapters of the two
projections, both with the package peft.
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
from snapfind.training.losses.margin import sample_classes
from snapfind.training.models.clip import Clip

__all__ = ["ClassNames", "Method", "PromptConfig", "Prompted", "TemporalEncoder", "draw_window"]

Method = Literal["names", "prompts", "lora", "linear"]
_RATES = (1, 2, 3, 3, 3, 4)  # frames that a step of the window goes on, drawn evenly, as in the paper's code


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """Configuration as in the paper's release.

    Attributes:
        prefix: Vectors before a name.
        postfix: Vectors after a name.
        frames: Frames of a clip, 1 for images.
        layers: Layers of the temporal transformer.
        heads: Attention heads of the temporal transformer.
        candidates: Classes in a softmax.
        temperature: Temperature of the softmax.
        rank: Rank of the adapters.
    """

    prefix: int = 16
    postfix: int = 16
    frames: int = 1
    layers: int = 1
    heads: int = 8
    candidates: int = 400
    temperature: float = 0.07
    rank: int = 4  # of the adapters


@dataclass(frozen=True)
class ClassNames:
    """Token ids of class names with positions for trained vectors.

    Attributes:
        ids: (c, length) int64 token ids.
        learned: (c, length) bool, positions of trained vectors.
    """

    ids: Tensor
    learned: Tensor

    @classmethod
    def of(cls, names: Sequence[str], clip: Clip, form: PromptConfig, method: Method) -> "ClassNames":
        """Tokenize class names. Long names are cut to what fits between the vectors.

        Args:
            names: c class names.
            clip: The CLIP model.
            form: Configuration.
            method: What is trained.

        Returns:
            The token ids.

        Raises:
            BadInput: The vectors leave no room for a name.
        """
        most = int(clip.model.config.text_config.max_position_embeddings)
        before, after = (form.prefix, form.postfix) if method == "prompts" else (0, 0)
        name_length = most - before - after - 2
        if name_length < 1:
            raise BadInput(f"{before} and {after} vectors leave no room for a name in {most} positions. Give fewer.")
        first, end = clip.tokenizer.bos_token_id, clip.tokenizer.eos_token_id
        token_ids = [clip.tokenizer(name, add_special_tokens=False)["input_ids"][:name_length] for name in names]
        length = max(len(ids) for ids in token_ids) + before + after + 2
        ids, learned = torch.full((len(token_ids), length), end), torch.zeros(len(token_ids), length, dtype=torch.bool)
        for row, own, name in zip(ids, learned, token_ids):
            line = [first, *[first] * before, *name, *[first] * after, end]
            row[: len(line)] = torch.tensor(line)
            own[1 : 1 + before] = own[1 + before + len(name) : len(line) - 1] = True
        return cls(ids, learned)

    def only(self, chosen: Tensor) -> "ClassNames":
        """Return the chosen classes."""
        return ClassNames(self.ids[chosen], self.learned[chosen])


class TemporalEncoder(nn.Module):
    """Maps (n, frames, d) to (n, d): position embeddings, pre-norm transformer layers, mean over frames.

    Args:
        dim: Width d.
        form: Configuration.
    """

    def __init__(self, dim: int, form: PromptConfig) -> None:
        super().__init__()
        self.places = nn.Parameter(0.01 * torch.randn(form.frames, dim))
        heads = next(count for count in range(min(form.heads, dim), 0, -1) if dim % count == 0)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, _quick_gelu, batch_first=True, norm_first=True)
            for _ in range(form.layers)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encode at most as many frames as there are position embeddings."""
        states = frames + self.places[: frames.shape[1]]
        for block in self.blocks:
            states = block(states)
        return states.mean(1)


class Prompted(nn.Module):
    """A frozen CLIP model with trained prompts or adapters. `forward` returns the loss of a batch.

    Copies share all frozen weights, and `state_dict` contains only trained weights.

    Args:
        clip: The CLIP model.
        words: Class names of the training classes.
        method: What is trained.
        form: Configuration.
    """

    def __init__(self, clip: Clip, words: ClassNames, method: Method, form: PromptConfig | None = None) -> None:
        super().__init__()
        self.method, self.form, self.words = method, form or PromptConfig(), words
        self.clip = clip.model
        width, places = self.clip.config.text_config.hidden_size, self.clip.config.text_config.max_position_embeddings
        learns, dim = method == "prompts", self.clip.config.projection_dim
        self.table = nn.Parameter(0.01 * torch.randn(places, width)) if learns else None
        self.temporal = TemporalEncoder(dim, self.form) if learns and self.form.frames > 1 else None
        if method in _TARGETS:
            self.clip = _inject_adapters(deepcopy(clip.model), method, self.form.rank)

    def forward(self, frames: Tensor, labels: Tensor) -> Tensor:
        """Return the softmax loss over the classes of the batch and sampled others.

        Args:
            frames: (n, frames, hidden) pooled states.
            labels: (n,) int64 classes.

        Returns:
            Scalar loss.
        """
        classes = len(self.words.ids)
        part = min(1.0, self.form.candidates / classes)
        chosen, own = sample_classes(labels, classes, part, torch.default_generator)
        return functional.cross_entropy(self.logits(frames, self.words.only(chosen.cpu())), own)

    def train(self, mode: bool = True) -> "Prompted":
        """Set the mode. The frozen model stays in evaluation mode, without dropout."""
        super().train(mode)
        self.clip.eval()
        return self

    def logits(self, frames: Tensor, words: ClassNames) -> Tensor:
        """Return (n, classes) cosines over the temperature for (n, frames, hidden) states."""
        return self.pictures(frames) @ self.texts(words).T / self.form.temperature

    def pictures(self, frames: Tensor) -> Tensor:
        """Map (n, frames, hidden) states to (n, d) unit rows."""
        states = self.clip.visual_projection(frames)
        return functional.normalize(states.mean(1) if self.temporal is None else self.temporal(states), dim=1)

    def texts(self, words: ClassNames) -> Tensor:
        """Map c class names to (c, d) unit rows. Gradients flow through the frozen encoder to the trained vectors."""
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
    def scores(self, clips: Tensor, words: ClassNames) -> Tensor:
        """Return (n, classes) probabilities of (n, views, frames, hidden) states, averaged over the views."""
        found = [self.logits(view, words).softmax(1) for view in clips.unbind(1)]
        return torch.stack(found).mean(0)

    @property
    def device(self) -> torch.device:
        """Device of the frozen model."""
        return next(self.clip.parameters()).device

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Return the trained parameters by name."""
        return {name: own for name, own in self.named_parameters() if _is_trained(name)}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return only the trained weights. The frozen model is in its own folder."""
        return {name: value for name, value in super().state_dict(*args, **kwargs).items() if _is_trained(name)}

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Load trained weights. Raise BadInput if they are of another method."""
        if set(state_dict) != set(self.state_dict()):
            raise BadInput(f"These weights are not of the method {self.method!r}.")
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Prompted":
        shared = {id(own): own for name, own in self.named_parameters() if not _is_trained(name)}
        memo.update(shared)
        copy = self.__class__.__new__(self.__class__)
        memo[id(self)] = copy
        copy.__dict__.update(deepcopy(self.__dict__, memo))
        return copy


def draw_window(features: NDArray[np.float32], frames: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a window of a clip at a random rate. The last frame is repeated if the clip is too short.

    Args:
        features: (length, hidden) features.
        frames: Number of frames.
        rng: Random generator.

    Returns:
        (frames, hidden) features.
    """
    rate = _RATES[int(rng.integers(len(_RATES)))]
    sampled = features[::rate]
    first = int(rng.integers(max(1, len(sampled) - frames + 1)))
    cut = sampled[first : first + frames]
    return np.concatenate([cut, np.repeat(cut[-1:], frames - len(cut), axis=0)])


_TARGETS: dict[str, str] = {
    "lora": r".*text_model\..*\.(q_proj|v_proj)",
    "linear": r".*(visual_projection|text_projection)",
}


def _inject_adapters(model: Any, method: str, rank: int) -> Any:
    from peft import LoraConfig, inject_adapter_in_model

    found = inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_TARGETS[method]), model)
    for name, own in found.named_parameters():
        own.requires_grad_("lora_" in name)
    return found


def _is_trained(name: str) -> bool:
    return not name.startswith("clip.") or "lora_" in name


def _quick_gelu(rows: Tensor) -> Tensor:
    return rows * torch.sigmoid(1.702 * rows)
