"""Click models of one domain, and of two domains that share a part: the baselines of CDAnet.

Layers are ReLU, 64 and 32 wide. Embedding tables have 16 columns. Fields with the same table share it, across domains
too.
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
    """Encodes fields as (n, width) float32: embeddings, scaled numbers, mean embeddings of sequences.

    Args:
        fields: The fields.
        rows: Training rows, for mean and scale of the numbers.
        dim: Columns of an embedding table.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, fields: Sequence[Field], rows: Sequence[Rows], dim: int = DIM) -> None:
        super().__init__()
        self.fields, self.dim = tuple(fields), dim
        by_kind = {kind: [field for field in fields if field.kind == kind] for kind in ("hashed", "number", "sequence")}
        self.hashed, self.sequences, self.numeric = by_kind["hashed"], by_kind["sequence"], by_kind["number"]
        sizes = {field.held_in: field.buckets for field in (*self.hashed, *self.sequences)}
        self.table_names = tuple(sizes)
        self.tables = nn.ParameterList(nn.Parameter(_FIRST * torch.randn(size, dim)) for size in sizes.values())
        numbers = np.concatenate([one.encoded.numbers for one in rows])
        known = np.isfinite(numbers)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, numbers, 0).sum(0) / count
        scale = np.sqrt(np.where(known, (numbers - mean) ** 2, 0).sum(0) / count)
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy(np.maximum(scale, 1e-3).astype(np.float32)))

    def forward(self, ids: Tensor, numbers: Tensor, lists: Tensor) -> Tensor:
        """Encode rows.

        Args:
            ids: (n, f) int64 ids of the hashed fields.
            numbers: (n, g) numbers, NaN if unknown.
            lists: (n, h, k) int64 ids of the sequences, 0 for padding.

        Returns:
            (n, width) with the columns in the order of `places`.
        """
        parts = [self._rows(field, ids[:, at]) for at, field in enumerate(self.hashed)]
        parts.append(torch.nan_to_num((numbers - self.mean) / self.scale, nan=0.0).clamp(-5, 5))
        for at, field in enumerate(self.sequences):
            there = (lists[:, at] > 0).to(numbers.dtype)[:, :, None]
            rows = self._rows(field, lists[:, at]) * there
            parts.append(rows.sum(1) / there.sum(1).clamp(min=1))
        return functional.dropout(torch.cat(parts, dim=1), _DROPPED, self.training)

    def _rows(self, field: Field, ids: Tensor) -> Tensor:
        # an embedding whose gradient is dense: the loop averages whole tables anyway
        return functional.embedding(ids, self.tables[self.table_names.index(field.held_in)])

    def places(self, chosen: Sequence[Field]) -> Tensor:
        """Return the columns of `forward` that belong to some fields, in its order."""
        table_names, found, at = {field.name for field in chosen}, [], 0
        for field in (*self.hashed, *self.numeric, *self.sequences):
            width = 1 if field.kind == "number" else self.dim
            found += list(range(at, at + width)) if field.name in table_names else []
            at += width
        return torch.tensor(found, dtype=torch.int64)


def mlp(*widths: int) -> nn.Sequential:
    """Build linear layers with ReLU between them.

    Args:
        widths: Widths, from the input to the output.

    Returns:
        The layers.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ClickNetwork(nn.Module):
    """Base class of the networks. Subclasses define `domain_logits`.

    Args:
        inputs: Encoder of the rows.
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.inputs = inputs

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        """Map (n, width) inputs to the (n,) logits of a domain."""
        raise NotImplementedError

    def forward(self, ids: Tensor, numbers: Tensor, lists: Tensor, labels: Tensor, domains: Tensor) -> Tensor:
        """Return the mean cross-entropy of rows of any domain.

        Args:
            ids: (n, f) int64 ids of the hashed fields.
            numbers: (n, g) numbers.
            lists: (n, h, k) int64 ids of the sequences.
            labels: (n,) clicks, 0 or 1.
            domains: (n,) domains.

        Returns:
            Scalar loss.
        """
        x = self.inputs(ids, numbers, lists)
        loss = x.new_zeros(())
        for domain in domains.unique().tolist():
            field = domains == domain
            logits = self.domain_logits(x[field], int(domain))
            loss = loss + functional.binary_cross_entropy_with_logits(logits, labels[field], reduction="sum")
        return loss / len(labels)

    def logits(self, ids: Tensor, numbers: Tensor, lists: Tensor) -> Tensor:
        """Return the (n,) logits of the target for rows."""
        return self.domain_logits(self.inputs(ids, numbers, lists), TARGET)


class SingleDomain(ClickNetwork):
    """A network of the target's fields.

    Args:
        inputs: Encoder of the rows.
        fields: Fields of the target.
        projected: Length of a fixed random projection of the latent that is concatenated to it, the control for
            CDAnet's larger tower. 0 for none.
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
        """Map (n, width) inputs to (n,) logits."""
        latent = functional.relu(self.extract(x[:, self.places]))
        return self.tower(torch.cat([latent, latent @ self.projection], dim=1))[:, 0]


class CrossNetwork(ClickNetwork):
    """DCN-V2 (Wang et al., arXiv 2008.13535) in parallel form: cross layers with full matrices beside a network.

    Args:
        inputs: Encoder of the rows.
        fields: Fields of the target.
        depth: Number of cross layers.
    """

    places: Tensor

    def __init__(self, inputs: Inputs, fields: Sequence[Field], depth: int = 3) -> None:
        super().__init__(inputs)
        self.register_buffer("places", inputs.places(fields))
        width = len(self.places)
        self.cross = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.deep = mlp(width, *HIDDEN)
        self.tower = nn.Linear(width + HIDDEN[-1], 1)

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        """Map (n, width) inputs to (n,) logits."""
        first = x[:, self.places]
        crossed = first
        for layer in self.cross:
            crossed = first * layer(crossed) + crossed
        return self.tower(torch.cat([crossed, functional.relu(self.deep(first))], dim=1))[:, 0]


class SharedBottom(ClickNetwork):
    """One extractor of the fields of both domains and a tower for each (Caruana 1997).

    Fields of the other domain are 0.

    Args:
        inputs: Encoder of the rows.
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.bottom = mlp(len(inputs.places(inputs.fields)), *HIDDEN)
        self.towers = nn.ModuleList(mlp(HIDDEN[-1], TOWER, 1) for _ in (TARGET, SOURCE))

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        """Map (n, width) inputs to the (n,) logits of a domain."""
        return self.towers[domain](functional.relu(self.bottom(x)))[:, 0]


class Mixture(ClickNetwork):
    """MMoE (Ma et al., KDD 2018): experts shared by both domains, mixed by a gate for each domain.

    Args:
        inputs: Encoder of the rows.
        experts: Number of experts.
    """

    def __init__(self, inputs: Inputs, experts: int = 4) -> None:
        super().__init__(inputs)
        width = len(inputs.places(inputs.fields))
        self.experts = nn.ModuleList(mlp(width, *HIDDEN) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(width, experts) for _ in (TARGET, SOURCE))
        self.towers = nn.ModuleList(mlp(HIDDEN[-1], TOWER, 1) for _ in (TARGET, SOURCE))

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        """Map (n, width) inputs to the (n,) logits of a domain."""
        outputs = torch.stack([functional.relu(expert(x)) for expert in self.experts], dim=1)
        mixed = (self.gates[domain](x).softmax(dim=1)[:, :, None] * outputs).sum(dim=1)
        return self.towers[domain](mixed)[:, 0]
