"""Small models of the real libraries, and ToMe once more in plain loops."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def pictures(count: int = 2, side: int = 32) -> Tensor:
    """(count, 3, side, side), the same each time."""
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def timm_vit(**more: object) -> nn.Module:
    """4 blocks, 64 patches of 4 pixels and a class token, 3 heads of 8."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    made = timm.models.vision_transformer.VisionTransformer(
        **{"img_size": 32, "patch_size": 4, "embed_dim": 24, "depth": 4, "num_heads": 3, "num_classes": 7} | more
    )
    for parameter in made.parameters():  # fresh weights are so small that attention is flat
        parameter.data.mul_(1.5)
    return made.eval()


def tome_step(tokens: NDArray, sizes: NDArray, keys: NDArray, remove: int) -> tuple[NDArray, NDArray]:
    """One picture's merge as ToMe has it, one token at a time: (n, c), (n,), (n, d) keys averaged over heads."""
    unit = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    sources, targets = range(2, len(tokens), 2), range(1, len(tokens), 2)
    best = {source: max(targets, key=lambda target: unit[source] @ unit[target]) for source in sources}
    ranked = sorted(sources, key=lambda source: -(unit[source] @ unit[best[source]]))
    gone = ranked[:remove]
    total = {target: tokens[target] * sizes[target] for target in targets}
    count = {target: sizes[target] for target in targets}
    for source in gone:
        total[best[source]] = total[best[source]] + tokens[source] * sizes[source]
        count[best[source]] += sizes[source]
    stay = [0, *(source for source in sources if source not in gone)]
    merged = [tokens[place] for place in stay] + [total[target] / count[target] for target in targets]
    return np.array(merged), np.array([*sizes[stay], *(count[target] for target in targets)])
