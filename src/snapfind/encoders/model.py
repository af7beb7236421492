"""The encoders that answer together for one catalogue: photo -> photo, text -> text, and text -> photo by ConSE.

`others` are further photo encoders whose space is kept up to date beside the active one, so that a switch or a
rollback finds every product. Those that share a network look at each picture once. The bridge needs a network that
knows ImageNet's classes; a learnt one does not, then the shipped one looks too.
"""

from collections.abc import Sequence
from functools import cached_property

from PIL.Image import Image

from snapfind.encoders.builtin import Builtin, Look
from snapfind.encoders.conse import Conse
from snapfind.encoders.port import Vectors
from snapfind.encoders.preprocess import fitted
from snapfind.encoders.text import TextEncoder

__all__ = ["Model"]


class Model:
    """One photo encoder that answers, the text side (loaded at its first use), and spaces kept beside."""

    def __init__(self, photo: Builtin, others: Sequence[Builtin] = ()) -> None:
        self.photo = photo
        self.others = tuple(others)

    @cached_property
    def text(self) -> TextEncoder:
        """The encoder of titles and of what shoppers type; its weights load at the first text."""
        return TextEncoder()

    @cached_property
    def conse(self) -> Conse:
        """The bridge from photos to texts."""
        return Conse(self.text)

    @cached_property
    def classes(self) -> Builtin:
        """The encoder whose posteriors the bridge is made of."""
        return next((own for own in (self.photo, *self.others) if own.knows_classes), None) or Builtin.load()

    def spaces(self) -> dict[str, int]:
        """Every space whose vectors a catalogue stores: id -> dim."""
        spaces = (*(encoder.space for encoder in (self.photo, *self.others)), self.text.space, self.conse.space)
        return {space.id: space.dim for space in spaces}

    def photos(self, images: Sequence[Image]) -> Vectors:
        """Query photos, RGB -> (n, dim) float32 unit rows of the active space."""
        return self.photo.images(images, "query")

    def prepared(self, image: Image) -> Image:
        """A picture as small as `pictures` needs it, for decoding threads to make; itself where encoders differ."""
        wanted = {encoder.preprocessing for encoder in (self.photo, *self.others)}
        return fitted(image, wanted.pop()) if len(wanted) == 1 else image

    def pictures(self, images: Sequence[Image]) -> dict[str, Vectors]:
        """Catalogue pictures, RGB -> the (n, dim) unit rows of every photo space and of the bridge."""
        vectors: dict[str, Vectors] = {}
        looks: dict[str, Look] = {}
        for encoder in (self.photo, *self.others, self.classes):
            if encoder.raw_id not in looks:
                looks[encoder.raw_id] = encoder.look(images)
        for encoder in (self.photo, *self.others):
            vectors[encoder.space.id] = encoder.project(looks[encoder.raw_id], "catalogue")
        vectors[self.conse.space.id] = self.conse.bridge(looks[self.classes.raw_id].posterior)
        return vectors

    def titles(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Texts of products -> (n, dim) unit rows of the text space."""
        return {self.text.space.id: self.text.texts(texts, "catalogue")}

    def wanted(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """What shoppers type -> unit rows, in the text space and in the bridge's."""
        encoded = self.text.texts(texts, "query")
        return {self.text.space.id: encoded, self.conse.space.id: self.conse.centred(encoded)}
