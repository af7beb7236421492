"""Signals: the rankings that take part in rank fusion, in one table.

A signal compares one modality of the query with one modality of the products: photo with pictures, text with texts by
BM25 and by embeddings, text with pictures. Retrieval and query encoding loop over `SIGNALS`. The encoders of
registered signals also run when products are added. `register_signal` adds a signal from outside the package.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from snapfind.core.errors import BadInput
from snapfind.encoders.base import SignalEncoder
from snapfind.encoders.embedding_model import Model
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import Exists, Not

__all__ = [
    "BM25",
    "IMAGE",
    "SIGNALS",
    "TEXT",
    "TEXT_TO_IMAGE",
    "Modality",
    "Signal",
    "document_encoders",
    "register_signal",
    "unregister_signal",
]

Modality = Literal["image", "text"]
_UNTITLED = Not(Exists("title"))


def _any_product(_: Model) -> Filter | None:
    return None


@dataclass(frozen=True, slots=True)
class Signal:
    """One ranking of the fusion.

    Attributes:
        name: Name in `hit.parts`, in explanations and in the weights of the fusion.
        query: Modality of the query.
        document: Modality of the products.
        weight: Share of the weight that the query gives to its modality.
        space: Id of the space that is searched. None: BM25, which the index computes from words.
        encoder: Encodes queries and products. None: `Model` does it, which shares passes between signals.
        restrict: Filter of the products that the signal can rank, or None.
    """

    name: str
    query: Modality
    document: Modality
    weight: float
    space: Callable[[Model], str] | None = None
    encoder: SignalEncoder | None = None
    restrict: Callable[[Model], Filter | None] = _any_product

    def space_id(self, model: Model) -> str | None:
        """Return the id of the space that is searched, or None for BM25."""
        if self.encoder is not None:
            return self.encoder.space.id
        return self.space(model) if self.space else None


def _without_title(model: Model) -> Filter | None:
    """Restrict ConSE to products without a title, unless the photo encoder has a text tower.

    ConSE only adds noise to products that have a text of their own (benchmarks/text_to_product.py).
    """
    return None if model.photo.words is not None else _UNTITLED


IMAGE = Signal("image", "image", "image", 1.0, lambda model: model.photo.space.id)
BM25 = Signal("bm25", "text", "text", 0.5)
TEXT = Signal("text", "text", "text", 0.5, lambda model: model.text.space.id)
TEXT_TO_IMAGE = Signal(
    "text_to_image", "text", "image", 0.5, lambda model: model.text_to_image.id, restrict=_without_title
)
# The three text signals have half of the text weight each: a product is found by the first two, or by the last.
SIGNALS: list[Signal] = [
    IMAGE,
    TEXT,
    TEXT_TO_IMAGE,
    BM25,
]


def register_signal(signal: Signal) -> None:
    """Add a signal with an encoder of its own to the table.

    Call it before a catalog is opened. Products that are added from then on get an embedding of the signal.
    `Catalog.models.build_signal` computes it for those that are there.

    Args:
        signal: The signal.

    Raises:
        BadInput: It has no encoder, or its name or its space is taken.
    """
    if signal.encoder is None:
        raise BadInput(f"Signal {signal.name!r} has no encoder. Pass one with encode_query and encode_document.")
    taken = {one.name for one in SIGNALS} | {one.encoder.space.id for one in SIGNALS if one.encoder}
    for name in (signal.name, signal.encoder.space.id):
        if name in taken:
            raise BadInput(f"There is already a signal {name!r}. Use another name.")
    SIGNALS.append(signal)


def unregister_signal(name: str) -> None:
    """Remove a registered signal. Embeddings that are stored stay, and are no longer searched.

    Raises:
        BadInput: There is no registered signal of that name.
    """
    for signal in SIGNALS:
        if signal.name == name and signal.encoder is not None:
            SIGNALS.remove(signal)
            return
    raise BadInput(f"No registered signal: {name!r}.")


def document_encoders(modality: Modality) -> list[SignalEncoder]:
    """List the encoders of registered signals that encode pictures (`image`) or texts (`text`) of products."""
    return [signal.encoder for signal in SIGNALS if signal.encoder is not None and signal.document == modality]
