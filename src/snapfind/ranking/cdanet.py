"""CDAnet: a translation network between two domains, then an augmentation network in the target.

After Chen et al., "Enhancing Cross-domain Click-Through Rate Prediction via Explicit Feature Augmentation" (arXiv
2312.00078). Of the paper we could read the abstract and the captions: two networks one after the other; a translator
supervised across the towers; the towers reset; own and translated latents concatenated. The form of the losses, their
weights, all sizes and what learns in the second stage are ours.
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
    """Two extractors, a linear translator each way, two towers.

    A row's own tower judges its latent; the *other* tower judges its translated latent by the same label, weighted by
    `across` (0: the translators learn nothing, the ablation).
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
        """(n, width) inputs -> (n, 32) of the domain's own extractor."""
        places = self.target_places if domain == TARGET else self.source_places
        return functional.relu(self.extract[domain](x[:, places]))

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        return self.towers[domain](self.latent(x, domain))[:, 0]

    def forward(self, ids: Tensor, numbers: Tensor, lists: Tensor, labels: Tensor, domains: Tensor) -> Tensor:
        x = self.inputs(ids, numbers, lists)
        loss = x.new_zeros(())
        for domain in domains.unique().tolist():
            own = domains == domain
            latent, other = self.latent(x[own], int(domain)), 1 - int(domain)
            said = self.towers[int(domain)](latent)[:, 0]
            loss = loss + functional.binary_cross_entropy_with_logits(said, labels[own], reduction="sum")
            if self.across:
                across = self.towers[other](self.translate[int(domain)](latent))[:, 0]
                judged = functional.binary_cross_entropy_with_logits(across, labels[own], reduction="sum")
                loss = loss + self.across * judged
        return loss / len(labels)


class Augmentation(ClickNetwork):
    """The target's extractor and its translator, taken over, under a new tower that sees both latents.

    Serves the target alone: nothing of the source is asked for.
    """

    places: Tensor

    def __init__(self, first: Translation) -> None:
        super().__init__(first.inputs)
        self.register_buffer("places", first.target_places)
        self.extract, self.translate = first.extract[TARGET], first.translate[TARGET]
        self.tower = mlp(2 * HIDDEN[-1], 2 * TOWER, 1)

    def domain_logits(self, x: Tensor, domain: int) -> Tensor:
        latent = functional.relu(self.extract(x[:, self.places]))
        return self.tower(torch.cat([latent, self.translate(latent)], dim=1))[:, 0]
