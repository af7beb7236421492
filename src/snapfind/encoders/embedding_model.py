"""The encoders that answer together for one catalogue: photo -> photo, text -> text, and text -> photo.

Texts reach photos by the photo encoder's own text tower where it has one, else by a space that was learnt on the shop's
titles (encoders/crossmodal/lit.py), else by ConSE.

`others` are further photo encoders whose space is kept up to date beside the active one, so that a switch or a
rollback finds every product. Those that share a network look at each picture once. ConSE needs a network that knows
ImageNet's classes; a learnt one and a shop's own do not, then the shipped one looks too. It and the learnt space are
kept up to date even where a text tower answers, so that every other model can be switched to.
"""

from collections.abc import Sequence
from functools import cached_property

from PIL.Image import Image

from snapfind.encoders.base import Space, Vectors
from snapfind.encoders.crossmodal.conse import Conse
from snapfind.encoders.crossmodal.lit import Locked, Maps
from snapfind.encoders.image.base import Features, PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import fitted
from snapfind.encoders.text.e5 import TextEncoder, beginning

__all__ = ["Model"]

# Bytes of UTF-8 that are encoded of a text. Of a product its title, brand and category come first, its description
# last; BM25 indexes all of it. Time is about .04 s for 100 bytes, .1 s for 400, .85 s for 2,000
# (benchmarks/text_cost.py).
_OF_A_PRODUCT, _OF_A_QUERY = 384, 512


class Model:
    """One photo encoder that answers, the text side (loaded at its first use), and spaces kept beside.

    `maps` are those of a space of pictures and texts that was learnt on the shop's titles.
    """

    def __init__(self, photo: PhotoEncoder, others: Sequence[PhotoEncoder] = (), maps: Maps | None = None) -> None:
        self.photo, self.others, self.maps = photo, tuple(others), maps

    @cached_property
    def text(self) -> TextEncoder:
        """The encoder of titles and of what shoppers type; its weights load at the first text."""
        return TextEncoder()

    @cached_property
    def conse(self) -> Conse:
        """The bridge from photos to texts of an encoder without a text tower."""
        return Conse(self.text)

    @cached_property
    def locked(self) -> Locked | None:
        """The learnt bridge, where there is one."""
        return Locked(self.maps, self.text) if self.maps else None

    @property
    def bridge(self) -> Space:
        """Where texts are compared with pictures: the photo encoder's own space, without its adapter, the learnt one,
        or ConSE's."""
        return self.photo.words.space if self.photo.words else (self.locked or self.conse).space

    @cached_property
    def classes(self) -> PhotoEncoder:
        """The encoder whose looks ConSE and the learnt bridge are made of."""
        known = (own for own in (self.photo, *self.others) if own.knows_classes)
        fits = (own for own in known if self.maps is None or own.raw_id == self.maps.encoder)
        found = next(fits, None) or Builtin.load()
        if self.locked:
            self.locked.check(found.raw_id)
        return found

    def spaces(self) -> dict[str, int]:
        """Every space whose vectors a catalogue stores: id -> dim."""
        spaces = [*(encoder.space for encoder in (self.photo, *self.others)), self.text.space, self.conse.space]
        return {space.id: space.dim for space in [*spaces, *([self.locked.space] if self.locked else [])]}

    def photos(self, images: Sequence[Image]) -> Vectors:
        """Query photos, RGB -> (n, dim) float32 unit rows of the active space."""
        return self.photo.images(images, "query")

    def prepared(self, image: Image) -> Image:
        """A picture as small as `pictures` needs it, for decoding threads to make; itself where encoders differ."""
        wanted = {encoder.preprocessing for encoder in (self.photo, *self.others, self.classes)}
        only = wanted.pop()
        return fitted(image, only) if not wanted and only.resize == "fit" else image

    def pictures(self, images: Sequence[Image]) -> dict[str, Vectors]:
        """Catalogue pictures, RGB -> the (n, dim) unit rows of every photo space and of the bridges."""
        vectors: dict[str, Vectors] = {}
        by_network: dict[str, Features] = {}
        for encoder in (self.photo, *self.others, self.classes):
            if encoder.raw_id not in by_network:
                by_network[encoder.raw_id] = encoder.extract_features(images)
        for encoder in (self.photo, *self.others):
            vectors[encoder.space.id] = encoder.project(by_network[encoder.raw_id], "catalogue")
        features = by_network[self.classes.raw_id]
        vectors[self.conse.space.id] = self.conse.bridge(features.posterior)
        return vectors | ({self.locked.space.id: self.locked.bridge(features)} if self.locked else {})

    def titles(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Texts of products -> (n, dim) unit rows of the text space; only the beginning of a long text is encoded."""
        return {self.text.space.id: self.text.texts([beginning(text, _OF_A_PRODUCT) for text in texts], "catalogue")}

    def encode_query_texts(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """What shoppers type -> unit rows by signal: "text" in the text space, "bridge" in that of `bridge`."""
        texts = [beginning(text, _OF_A_QUERY) for text in texts]
        encoded, words = self.text.texts(texts, "query"), self.photo.words
        reached = words.texts(texts, "query") if words else (self.locked or self.conse).centred(encoded)
        return {"text": encoded, "bridge": reached}
