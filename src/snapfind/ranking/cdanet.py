"""CDAnet: a translation network between two domains, followed by an augmentation network in the target domain.

After Chen et al., "Enhancing Cross-domain Click-Through Rate Prediction via Explicit Feature Augmentation" (arXiv
2312.00078). Only the abstract and the captions of the paper could be read: two networks one after the other, a
translator supervised across the towers, new towers in the second network, own and translated latents concatenated. The
form of the losses, their weights, all sizes and what is trained in the second stage are our choice.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from snapfind.ranking.networks import HIDDEN, TOWER, ClickNetwork, Inputs, mlp
from snapfind.ranking.rows import SOURCE, TARGET
from snapfind.search.rerank.features import Field

__all__ = ["Augmentation", "Translation"]


class Translation(ClickNetwork):
    """First stage: an extractor, a linear translator and a tower for each domain.

    The tower of a row's domain predicts from its latent. The tower of the other domain predicts from the translated
    latent, with the same label.

    Args:
        inputs: Inputs of both domains.
        target: Fields of the target.
        source: Fields of the source.
        across: Weight of the loss of the translated latents. 0 does not train the translators (ablation).
    """

    target_places: Tensor
    source_places: Tensor

    def __init__(
        self, inputs: Inputs, target: Sequence[Field], source: Sequence[Field], *, across: float = 0.5
    ) -> None:
        super().__init__(inputs)
        self.across, latent = across, HIDDEN[-1]
        places = {TARGET: inputs.places(target), SOURCE: inputs.places(source)}
        self.register_buffer("target_places", places[TARGET])
        self.register_buffer("source_places", places[SOURCE])
        self.extract = nn.ModuleList(mlp(len(places[domain]), *HIDDEN) for domain in (TARGET, SOURCE))
        self.translate = nn.ModuleList(nn.Linear(latent, latent) for _ in (TARGET, SOURCE))
        self.towers = nn.ModuleList(mlp(latent, TOWER, 1) for _ in (TARGET, SOURCE))

    def latent(self, x: Tensor, domain: int) -> Tensor:
        """Map (n, width) inputs to the (n, 32) latents of a domain."""
        places = self.target_places if domain == TARGET else self.source_places
        return functional.relu(self.extract[domain](x[:, places]))

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        """Map (n, width) inputs to the (n,) logits of a domain."""
        return self.towers[domain](self.latent(x, domain))[:, 0]

    def forward(self, ids: Tensor, numbers: Tensor, lists: Tensor, labels: Tensor, domains: Tensor) -> Tensor:
        """Return the mean cross-entropy of the rows, with that of their translated latents.

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
            own = domains == domain
            latent, other = self.latent(x[own], int(domain)), 1 - int(domain)
            logits = self.towers[int(domain)](latent)[:, 0]
            loss = loss + functional.binary_cross_entropy_with_logits(logits, labels[own], reduction="sum")
            if self.across:
                across = self.towers[other](self.translate[int(domain)](latent))[:, 0]
                cross_loss = functional.binary_cross_entropy_with_logits(across, labels[own], reduction="sum")
                loss = loss + self.across * cross_loss
        return loss / len(labels)


class Augmentation(ClickNetwork):
    """Second stage: extractor and translator of the target under a new tower that reads both latents.

    It predicts for the target alone and needs nothing of the source.

    Args:
        first: The trained first stage.
    """

    places: Tensor

    def __init__(self, first: Translation) -> None:
        super().__init__(first.inputs)
        self.register_buffer("places", first.target_places)
        self.extract, self.translate = first.extract[TARGET], first.translate[TARGET]
        self.tower = mlp(2 * HIDDEN[-1], 2 * TOWER, 1)

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        """Map (n, width) inputs to (n,) logits."""
        latent = functional.relu(self.extract(x[:, self.places]))
        return self.tower(torch.cat([latent, self.translate(latent)], dim=1))[:, 0]
