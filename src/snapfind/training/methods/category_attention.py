"""Multi-modal products found by a photo: words attend to image patches, one classifier serves photos and products.

After Cheng et al., OCLEAR, "Category-Oriented Representation Learning for Image to Multi-Modal Retrieval" (arXiv
2305.03972). The published text describes the idea, the formulas are ours: the words of a title attend to the patches of
the product image, a_ij = softmax(c_j . v_i / sqrt(d)). A gate weights the result, which is added to the vector of the
image. Photo and product have a head each and are samples of one class of a margin softmax. `make_classes` makes the
classes from clicks before training.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.training.losses.margin import Prototypes, cosine_margin, margin_loss

__all__ = ["Attention", "Document", "PhotoToProduct", "make_classes"]

_SCALE, _MARGIN = 16.0, 0.1


@dataclass(frozen=True, slots=True)
class Document:
    """Products of a batch.

    Attributes:
        patches: (n, p, v) image patches.
        concepts: (n, c, t) word vectors.
        present: (n, c) bool, which of the words exist.
    """

    patches: Tensor
    concepts: Tensor
    present: Tensor


class Attention(nn.Module):
    """Cross-attention of words to patches: (n, dim) rows of images and titles.

    Without a word the row is that of the image.

    Args:
        patch: Length v of a patch.
        concept: Length t of a word vector.
        dim: Length of a row.
    """

    def __init__(self, patch: int, concept: int, dim: int) -> None:
        super().__init__()
        self.own, self.value = nn.Linear(patch, dim), nn.Linear(patch, dim)
        self.key, self.query_words = nn.Linear(patch, dim), nn.Linear(concept, dim)
        self.gate = nn.Linear(2 * dim, dim)
        nn.init.constant_(self.gate.bias, -2.0)  # it begins near the picture alone

    def weights(self, document: Document) -> Tensor:
        """Return (n, c, p) attention of each word to the patches. Rows sum to 1."""
        keys, word_queries = self.key(document.patches), self.query_words(document.concepts)
        return torch.softmax(word_queries @ keys.transpose(1, 2) / keys.shape[-1] ** 0.5, dim=2)

    def forward(self, document: Document) -> Tensor:
        """Return the (n, dim) vectors of the images plus the gated vectors of the titles."""
        own, present = self.own(document.patches.mean(1)), document.present.float()
        seen = self.weights(document) @ self.value(document.patches)
        read = (seen * present[..., None]).sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        read = read + (self.query_words(document.concepts) * present[..., None]).sum(1) / present.sum(
            1, keepdim=True
        ).clamp(min=1)
        gate = torch.sigmoid(self.gate(torch.cat([own, read], 1))) * (present.sum(1, keepdim=True) > 0)
        return own + gate * read


class PhotoToProduct(nn.Module):
    """Heads for photos and products, and prototypes.

    Args:
        patch: Length v of a patch.
        concept: Length t of a word vector.
        dim: Length of the vectors.
        classes: Number of products.
    """

    def __init__(self, patch: int, concept: int, dim: int, classes: int) -> None:
        super().__init__()
        self.query = nn.Linear(patch, dim)
        self.document = Attention(patch, concept, dim)
        self.prototypes = Prototypes(torch.randn(classes, dim))

    def photos(self, photos: Tensor) -> Tensor:
        """Map (n, p, v) patches of photos to (n, dim) unit rows."""
        return functional.normalize(self.query(photos.mean(1)), dim=1)

    def products(self, document: Document) -> Tensor:
        """Map n products to (n, dim) unit rows."""
        return functional.normalize(self.document(document), dim=1)

    def forward(self, photos: Tensor, patches: Tensor, concepts: Tensor, present: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of n photos and their n products.

        Args:
            photos: (n, p, v) patches of the photos.
            patches: (n, p, v) patches of the product images.
            concepts: (n, c, t) word vectors.
            present: (n, c) bool, which of the words exist.
            labels: (n,) int64 products.

        Returns:
            Scalar loss.
        """
        vectors = torch.cat([self.photos(photos), self.products(Document(patches, concepts, present))])
        twice = torch.cat([labels, labels])
        return margin_loss(cosine_margin(self.prototypes(vectors), twice, _MARGIN), twice, scale=_SCALE)


def make_classes(
    photos: NDArray[np.int64],
    products: NDArray[np.int64],
    count: int,
    *,
    min_shared: int = 2,
    max_pairs: int = 200,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Make classes of products from clicks, and drop clicks that disagree.

    A pair is dropped if it is on another class than the product that the photo clicked most. Products that share photos
    form one class.

    Args:
        photos: (n,) int64 photo of each click.
        products: (n,) int64 product of each click.
        count: Number of products.
        min_shared: Number of shared photos from which two products form one class.
        max_pairs: Limit of the pairs of one product.
        seed: Random seed.

    Returns:
        Indices of the pairs that remain, and the (count,) int64 class of each product.
    """
    votes: dict[int, dict[int, int]] = {}
    for photo, product in zip(photos.tolist(), products.tolist()):
        own = votes.setdefault(photo, {})
        own[product] = own.get(product, 0) + 1
    shared_photos = np.zeros((count, count), np.int64)
    for own in votes.values():
        strong = [product for product, clicks in own.items() if clicks >= max(2, max(own.values()) // 2)]
        for one in strong:
            shared_photos[one, strong] += 1
    np.fill_diagonal(shared_photos, 0)
    classes = _connected(shared_photos >= min_shared)
    best = {photo: max(own, key=lambda product: own[product]) for photo, own in votes.items()}
    wanted = np.array([classes[best[photo]] for photo in photos.tolist()], np.int64)
    agrees = classes[products] == wanted
    agreeing = np.flatnonzero(agrees)
    order, seen, chosen = np.random.default_rng(seed).permutation(agreeing), np.zeros(count, np.int64), []
    for pair in order.tolist():
        seen[products[pair]] += 1
        if seen[products[pair]] <= max_pairs:
            chosen.append(pair)
    return np.sort(np.array(chosen, np.int64)), classes


def _connected(graph: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the (n,) number of the connected component of each node of a symmetric (n, n) graph."""
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
