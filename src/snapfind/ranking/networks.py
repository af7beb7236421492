"""Click models of one domain and of two that share a part: the baselines, built from the same pieces as CDAnet.

`forward(ids, numbers, lists, labels, domains)` is the loss of a batch, `logits(ids, numbers, lists)` are those of the
target domain. Layers of ReLU, 64 and 32 wide; tables of 16; fields of the same table share it, also across domains.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snapfind.ranking.rows import SOURCE, TARGET, Rows
from snapfind.search.rerank.features import Field

__all__ = ["DIM", "HIDDEN", "ClickNetwork", "CrossNetwork", "Inputs", "Mixture", "SharedBottom", "SingleDomain", "mlp"]

DIM, HIDDEN, TOWER = 16, (64, 32), 16
_DROPPED = 0.2  # part of the inputs that a step of learning does not see
_FIRST = 0.01  # deviation of a table at first: larger rows are fingerprints by which few rows are learned by heart


class Inputs(nn.Module):
    """Fields -> (n, width) float32: a row of the table, the scaled number, the mean of a sequence's rows."""

    mean: Tensor
    scale: Tensor

    def __init__(self, fields: Sequence[Field], rows: Sequence[Rows], dim: int = DIM) -> None:
        super().__init__()
        self.fields, self.dim = tuple(fields), dim
        by_kind = {kind: [own for own in fields if own.kind == kind] for kind in ("hashed", "number", "sequence")}
        self.hashed, self.listed, self.counted = by_kind["hashed"], by_kind["sequence"], by_kind["number"]
        sizes = {own.held_in: own.buckets for own in (*self.hashed, *self.listed)}
        self.names = tuple(sizes)
        self.tables = nn.ParameterList(nn.Parameter(_FIRST * torch.randn(size, dim)) for size in sizes.values())
        numbers = np.concatenate([one.encoded.numbers for one in rows])
        known = np.isfinite(numbers)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, numbers, 0).sum(0) / count
        scale = np.sqrt(np.where(known, (numbers - mean) ** 2, 0).sum(0) / count)
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy(np.maximum(scale, 1e-3).astype(np.float32)))

    def forward(self, ids: Tensor, numbers: Tensor, lists: Tensor) -> Tensor:
        """Columns in the order of `places`."""
        parts = [self._rows(own, ids[:, at]) for at, own in enumerate(self.hashed)]
        parts.append(torch.nan_to_num((numbers - self.mean) / self.scale, nan=0.0).clamp(-5, 5))
        for at, own in enumerate(self.listed):
            there = (lists[:, at] > 0).to(numbers.dtype)[:, :, None]
            rows = self._rows(own, lists[:, at]) * there
            parts.append(rows.sum(1) / there.sum(1).clamp(min=1))
        return functional.dropout(torch.cat(parts, dim=1), _DROPPED, self.training)

    def _rows(self, field: Field, ids: Tensor) -> Tensor:
        # an embedding whose gradient is dense: the loop averages whole tables anyway
        return functional.embedding(ids, self.tables[self.names.index(field.held_in)])

    def places(self, chosen: Sequence[Field]) -> Tensor:
        """Columns of `forward` that belong to these fields, in its order."""
        names, found, at = {own.name for own in chosen}, [], 0
        for own in (*self.hashed, *self.counted, *self.listed):
            width = 1 if own.kind == "number" else self.dim
            found += list(range(at, at + width)) if own.name in names else []
            at += width
        return torch.tensor(found, dtype=torch.int64)


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them, none behind the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ClickNetwork(nn.Module):
    """`domain_logits(x, domain)` of (n, width) inputs is what a method defines; the loss is the mean over domains."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.inputs = inputs

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        """(n, width) inputs -> (n,) logits."""
        raise NotImplementedError

    def forward(self, ids: Tensor, numbers: Tensor, lists: Tensor, labels: Tensor, domains: Tensor) -> Tensor:
        """The mean cross entropy of the rows, whatever their domain."""
        x = self.inputs(ids, numbers, lists)
        loss = x.new_zeros(())
        for domain in domains.unique().tolist():
            own = domains == domain
            said = self.domain_logits(x[own], int(domain))
            loss = loss + functional.binary_cross_entropy_with_logits(said, labels[own], reduction="sum")
        return loss / len(labels)

    def logits(self, ids: Tensor, numbers: Tensor, lists: Tensor) -> Tensor:
        """(n,) of the target domain."""
        return self.domain_logits(self.inputs(ids, numbers, lists), TARGET)


class SingleDomain(ClickNetwork):
    """A DNN on the fields of the target. `projected`: its latent is concatenated with a fixed random projection of
    itself, the control for CDAnet's larger tower.
    """

    places: Tensor
    projection: Tensor

    def __init__(self, inputs: Inputs, fields: Sequence[Field], *, projected: int = 0) -> None:
        super().__init__(inputs)
        self.register_buffer("places", inputs.places(fields))
        self.extract = mlp(len(self.places), *HIDDEN)
        random = torch.randn(HIDDEN[-1], projected) / HIDDEN[-1] ** 0.5
        self.register_buffer("projection", random)
        self.tower = mlp(HIDDEN[-1] + projected, TOWER if not projected else 2 * TOWER, 1)

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        latent = functional.relu(self.extract(x[:, self.places]))
        return self.tower(torch.cat([latent, latent @ self.projection], dim=1))[:, 0]


class CrossNetwork(ClickNetwork):
    """DCN-V2 (Wang et al., arXiv 2008.13535), parallel: three cross layers of full matrices beside a DNN."""

    places: Tensor

    def __init__(self, inputs: Inputs, fields: Sequence[Field], depth: int = 3) -> None:
        super().__init__(inputs)
        self.register_buffer("places", inputs.places(fields))
        width = len(self.places)
        self.cross = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.deep = mlp(width, *HIDDEN)
        self.tower = nn.Linear(width + HIDDEN[-1], 1)

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        first = x[:, self.places]
        crossed = first
        for layer in self.cross:
            crossed = first * layer(crossed) + crossed
        return self.tower(torch.cat([crossed, functional.relu(self.deep(first))], dim=1))[:, 0]


class SharedBottom(ClickNetwork):
    """One extractor over the fields of both domains (those that a domain lacks are 0), a tower for each
    (Caruana 1997).
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.bottom = mlp(len(inputs.places(inputs.fields)), *HIDDEN)
        self.towers = nn.ModuleList(mlp(HIDDEN[-1], TOWER, 1) for _ in (TARGET, SOURCE))

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        return self.towers[domain](functional.relu(self.bottom(x)))[:, 0]


class Mixture(ClickNetwork):
    """MMoE (Ma et al., KDD 2018): experts that both domains share, mixed by a gate of each."""

    def __init__(self, inputs: Inputs, experts: int = 4) -> None:
        super().__init__(inputs)
        width = len(inputs.places(inputs.fields))
        self.experts = nn.ModuleList(mlp(width, *HIDDEN) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(width, experts) for _ in (TARGET, SOURCE))
        self.towers = nn.ModuleList(mlp(HIDDEN[-1], TOWER, 1) for _ in (TARGET, SOURCE))

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        said = torch.stack([functional.relu(expert(x)) for expert in self.experts], dim=1)
        mixed = (self.gates[domain](x).softmax(dim=1)[:, :, None] * said).sum(dim=1)
        return self.towers[domain](mixed)[:, 0]
