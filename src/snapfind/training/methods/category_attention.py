"""Products of picture and title, found by a photo: text attends to patches, one classifier serves both sides.

After Cheng et al., OCLEAR, "Category-Oriented Representation Learning for Image to Multi-Modal Retrieval" (arXiv
2305.03972; the published text gives the idea, the formulas are ours): the words of a title attend to the patches of the
product's picture, a_ij = softmax(c_j . v_i / sqrt(d)); a gate says how much of that is added to the picture's own
vector; photo and product have a head each and are samples of one class of one margin softmax. Classes are made before
training by `govern`: clicks that disagree are dropped, products that share photos are one class, popular ones capped.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.training.losses.margin import Prototypes, cosine_margin, margin_loss

__all__ = ["Attention", "Document", "PhotoToProduct", "govern"]

_SCALE, _MARGIN = 16.0, 0.1


@dataclass(frozen=True, slots=True)
class Document:
    """Products of a batch: `patches` (n, p, v), words `concepts` (n, c, t) and which of these there are (n, c) bool."""

    patches: Tensor
    concepts: Tensor
    there: Tensor


class Attention(nn.Module):
    """Picture and title -> (n, dim) rows; without a word it is the picture alone."""

    def __init__(self, patch: int, concept: int, dim: int) -> None:
        super().__init__()
        self.own, self.value = nn.Linear(patch, dim), nn.Linear(patch, dim)
        self.key, self.ask = nn.Linear(patch, dim), nn.Linear(concept, dim)
        self.gate = nn.Linear(2 * dim, dim)
        nn.init.constant_(self.gate.bias, -2.0)  # it begins near the picture alone

    def weights(self, document: Document) -> Tensor:
        """(n, c, p) how much each word looks at each patch; rows sum to 1."""
        keys, asks = self.key(document.patches), self.ask(document.concepts)
        return torch.softmax(asks @ keys.transpose(1, 2) / keys.shape[-1] ** 0.5, dim=2)

    def forward(self, document: Document) -> Tensor:
        """Gated sum of the picture's vector and what its title points at."""
        own, there = self.own(document.patches.mean(1)), document.there.float()
        seen = self.weights(document) @ self.value(document.patches)
        read = (seen * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)
        read = read + (self.ask(document.concepts) * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)
        gate = torch.sigmoid(self.gate(torch.cat([own, read], 1))) * (there.sum(1, keepdim=True) > 0)
        return own + gate * read


class PhotoToProduct(nn.Module):
    """`forward(photos, patches, concepts, there, labels)` is the loss of n photos and their n products."""

    def __init__(self, patch: int, concept: int, dim: int, classes: int) -> None:
        super().__init__()
        self.query = nn.Linear(patch, dim)
        self.document = Attention(patch, concept, dim)
        self.prototypes = Prototypes(torch.randn(classes, dim))

    def photos(self, photos: Tensor) -> Tensor:
        """(n, p, v) patches of a photo -> (n, dim) unit rows."""
        return functional.normalize(self.query(photos.mean(1)), dim=1)

    def products(self, document: Document) -> Tensor:
        """(n, dim) unit rows."""
        return functional.normalize(self.document(document), dim=1)

    def forward(self, photos: Tensor, patches: Tensor, concepts: Tensor, there: Tensor, labels: Tensor) -> Tensor:
        """A scalar."""
        vectors = torch.cat([self.photos(photos), self.products(Document(patches, concepts, there))])
        twice = torch.cat([labels, labels])
        return margin_loss(cosine_margin(self.prototypes(vectors), twice, _MARGIN), twice, scale=_SCALE)


def govern(
    photos: NDArray[np.int64],
    products: NDArray[np.int64],
    count: int,
    *,
    least: int = 2,
    most: int = 200,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Click pairs (photo i, product i) -> the pairs that stay and the class (products,) of each product.

    A photo's clicks must agree: pairs on another product than the one that the photo clicked most are noise. Products
    that share `least` photos or more are one class; no product gives more than `most` pairs.
    """
    votes: dict[int, dict[int, int]] = {}
    for photo, product in zip(photos.tolist(), products.tolist()):
        own = votes.setdefault(photo, {})
        own[product] = own.get(product, 0) + 1
    together = np.zeros((count, count), np.int64)
    for own in votes.values():
        strong = [product for product, clicks in own.items() if clicks >= max(2, max(own.values()) // 2)]
        for one in strong:
            together[one, strong] += 1
    np.fill_diagonal(together, 0)
    classes = _connected(together >= least)
    best = {photo: max(own, key=lambda product: own[product]) for photo, own in votes.items()}
    wanted = np.array([classes[best[photo]] for photo in photos.tolist()], np.int64)
    agrees = classes[products] == wanted
    stays = np.flatnonzero(agrees)
    order, seen, kept = np.random.default_rng(seed).permutation(stays), np.zeros(count, np.int64), []
    for pair in order.tolist():
        seen[products[pair]] += 1
        if seen[products[pair]] <= most:
            kept.append(pair)
    return np.sort(np.array(kept, np.int64)), classes


def _connected(graph: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n, n) symmetric -> (n,) the number of the component of each."""
    found = np.full(len(graph), -1, np.int64)
    number = 0
    for start in range(len(graph)):
        if found[start] < 0:
            reached = [start]
            while reached:
                place = reached.pop()
                if found[place] < 0:
                    found[place] = number
                    reached += np.flatnonzero(graph[place] & (found < 0)).tolist()
            number += 1
    return found
