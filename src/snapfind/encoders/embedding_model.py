"""Encoders of one catalog: image to image, text to text, and text to image.

The text-to-image space is that of the photo encoder's text tower if it has one, else a space trained on the titles of
the shop (encoders/crossmodal/lit.py), else ConSE.

Further photo encoders keep their spaces up to date beside the active one, so a switch or a rollback finds every
product. Encoders that share a network run it once for each picture. ConSE needs a network with an ImageNet classifier.
If no encoder of the catalog has one, the bundled encoder runs too. ConSE and the trained space are updated even if a
text tower is active, so every other model can be switched to.
"""

from collections.abc import Sequence
from functools import cached_property

from PIL.Image import Image

from snapfind.encoders.base import SignalEncoder, Space, Vectors
from snapfind.encoders.crossmodal.conse import Conse
from snapfind.encoders.crossmodal.lit import LitMaps, LitSpace
from snapfind.encoders.image.base import Features, PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import fitted
from snapfind.encoders.text.e5 import TextEncoder, beginning

__all__ = ["Model"]

# Bytes of UTF-8 of a text that are encoded. The text of a product begins with title, brand and category and ends with
# the description. BM25 indexes all of it. Time is about .04 s for 100 bytes, .1 s for 400, .85 s for 2,000
# (benchmarks/text_cost.py).
_OF_A_PRODUCT, _OF_A_QUERY = 384, 512


class Model:
    """The active photo encoder, the text encoder and the further spaces of a catalog.

    Args:
        photo: Active photo encoder.
        others: Photo encoders whose spaces are kept up to date.
        maps: Maps of a text-to-image space trained on the titles of the shop, or None.
        image_encoders: Further encoders of product pictures, those of registered signals (search/signals.py).
        text_encoders: Further encoders of product texts.
    """

    def __init__(
        self,
        photo: PhotoEncoder,
        others: Sequence[PhotoEncoder] = (),
        maps: LitMaps | None = None,
        image_encoders: Sequence[SignalEncoder] = (),
        text_encoders: Sequence[SignalEncoder] = (),
    ) -> None:
        self.photo, self.others, self.maps = photo, tuple(others), maps
        self.image_encoders, self.text_encoders = tuple(image_encoders), tuple(text_encoders)

    @cached_property
    def text(self) -> TextEncoder:
        """Encoder of titles and query texts. Its weights are loaded at the first text."""
        return TextEncoder()

    @cached_property
    def conse(self) -> Conse:
        """Text-to-image space of an encoder without a text tower."""
        return Conse(self.text)

    @cached_property
    def lit(self) -> LitSpace | None:
        """Trained text-to-image space, or None."""
        return LitSpace(self.maps, self.text) if self.maps else None

    @property
    def text_to_image(self) -> Space:
        """Active text-to-image space: that of the text tower, the trained one, or ConSE."""
        return self.photo.words.space if self.photo.words else (self.lit or self.conse).space

    @cached_property
    def class_encoder(self) -> PhotoEncoder:
        """Encoder that provides the features for ConSE and the trained text-to-image space."""
        known = (own for own in (self.photo, *self.others) if own.knows_classes)
        fits = (own for own in known if self.maps is None or own.raw_id == self.maps.encoder)
        found = next(fits, None) or Builtin.load()
        if self.lit:
            self.lit.check(found.raw_id)
        return found

    def spaces(self) -> dict[str, int]:
        """List the spaces whose embeddings a catalog stores, as id -> dimensions."""
        spaces = [*(encoder.space for encoder in (self.photo, *self.others)), self.text.space, self.conse.space]
        spaces += [self.lit.space] if self.lit else []
        spaces += [encoder.space for encoder in (*self.image_encoders, *self.text_encoders)]
        return {space.id: space.dim for space in spaces}

    def encode_query_images(self, images: Sequence[Image]) -> Vectors:
        """Encode n RGB query photos in the active space, float32 unit rows of shape (n, dim)."""
        return self.photo.images(images, "query")

    def prepare(self, image: Image) -> Image:
        """Resize a picture for the encoders if all share a preprocessing. Decoding threads call it."""
        if self.image_encoders:
            return image
        preprocessings = {encoder.preprocessing for encoder in (self.photo, *self.others, self.class_encoder)}
        only = preprocessings.pop()
        return fitted(image, only) if not preprocessings and only.resize == "fit" else image

    def encode_document_images(self, images: Sequence[Image]) -> dict[str, Vectors]:
        """Encode product pictures in every photo space and every text-to-image space.

        Args:
            images: n RGB images.

        Returns:
            Id of the space -> unit rows of shape (n, dim).
        """
        vectors: dict[str, Vectors] = {}
        by_network: dict[str, Features] = {}
        for encoder in (self.photo, *self.others, self.class_encoder):
            if encoder.raw_id not in by_network:
                by_network[encoder.raw_id] = encoder.extract_features(images)
        for encoder in (self.photo, *self.others):
            vectors[encoder.space.id] = encoder.project(by_network[encoder.raw_id], "document")
        features = by_network[self.class_encoder.raw_id]
        vectors[self.conse.space.id] = self.conse.encode_features(features.posterior)
        vectors |= {self.lit.space.id: self.lit.encode_features(features)} if self.lit else {}
        return vectors | {encoder.space.id: encoder.encode_document(images) for encoder in self.image_encoders}

    def encode_document_texts(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Encode texts of products. Only the beginning of a long text is encoded.

        Args:
            texts: n texts.

        Returns:
            Id of each text space -> unit rows of shape (n, dim).
        """
        vectors = {self.text.space.id: self.text.texts([beginning(text, _OF_A_PRODUCT) for text in texts], "document")}
        return vectors | {encoder.space.id: encoder.encode_document(texts) for encoder in self.text_encoders}

    def encode_query_texts(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Encode query texts.

        Args:
            texts: n texts.

        Returns:
            Signal -> unit rows of shape (n, dim): "text" in the text space, "text_to_image" in the text-to-image space.
        """
        texts = [beginning(text, _OF_A_QUERY) for text in texts]
        encoded, words = self.text.texts(texts, "query"), self.photo.words
        reached = words.texts(texts, "query") if words else (self.lit or self.conse).centered(encoded)
        return {"text": encoded, "text_to_image": reached}
