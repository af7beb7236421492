"""The models of an open catalog: fit, calibrate, build, switch, roll back, compare, delete."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL.Image import Image

from snapfind.catalog.ingest.ingest import Progress
from snapfind.catalog.models import registry
from snapfind.catalog.models.build_space import build_space
from snapfind.catalog.models.calibrate import refit
from snapfind.catalog.models.encoder_files import delete_unused_encoders
from snapfind.catalog.models.fit import OnRejected, fit
from snapfind.catalog.models.read_texts import read_texts
from snapfind.catalog.models.text_to_image import copy_text_to_image_space
from snapfind.catalog.state import CatalogState
from snapfind.catalog.storage.folder import absolute_path
from snapfind.core.errors import BadInput, NotFound
from snapfind.encoders.base import Space, Vectors
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.ocr.reader import TextReader
from snapfind.encoders.registry import is_kind_name
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.decode import Source as Photo
from snapfind.search.signals import SIGNALS

__all__ = ["CatalogModels"]


class CatalogModels:
    """The models of a catalog, as `catalog.models`. Any thread may call it.

    A new model is built beside the active one, which keeps answering. The switch is one write of the manifest, and so
    is the rollback. An interrupted build continues when it is asked for again.

    Args:
        state: The open catalog.
    """

    def __init__(self, state: CatalogState) -> None:
        self._state = state

    def fit(
        self,
        photos: Sequence[Photo] = (),
        confirmed: Sequence[tuple[Photo, str]] = (),
        *,
        stored_photos: bool = False,
        refused: OnRejected | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Fit an adapter to the catalog's pictures, build its space beside the active one, and switch.

        Args:
            photos: Photos of shoppers without labels (paths, bytes, PIL images).
            confirmed: Pairs of photo and product id.
            stored_photos: Also use the query photos that the setting `keep_photos` stored.
            refused: Called with a message for each photo that cannot be used.
            progress: Called with (done, total).

        Returns:
            Name of the model. Of many photos 4,096 are drawn.

        Raises:
            BadInput: There are too few pictures, or no photo can be used.
        """
        name = self.fit_beside(photos, confirmed, stored_photos=stored_photos, refused=refused, progress=progress)
        self.switch(name)
        return name

    def fit_beside(
        self,
        photos: Sequence[Photo] = (),
        confirmed: Sequence[tuple[Photo, str]] = (),
        *,
        stored_photos: bool = False,
        refused: OnRejected | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Fit as `fit` does, and leave the active model active."""
        state = self._state
        samples = [*confirmed, *((photo, "") for photo in photos)]
        samples += [(photo, "") for photo in sorted(state.query_photos)] if stored_photos else []
        if stored_photos and not samples:
            raise BadInput("No query photo is stored. Set keep_photos (0 to 1) on the server to store some.")
        encoder = fit(
            state.folder, state.index, state.model, state.settings, photos=samples, refused=refused, progress=progress
        )
        self._build(encoder, progress)
        with suppress(BadInput):  # a calibration needs two products
            self.calibrate(model=encoder.space.id, progress=progress)
        return encoder.space.id

    def calibrate(
        self,
        confirmed: Sequence[tuple[Photo, str]] | None = None,
        *,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Fit the calibration and the category prototypes of a model to this catalog.

        Args:
            confirmed: At least 30 pairs of photo and product id. None: synthetic photos of the catalog's pictures.
            model: Name of the model. None: the active one.
            progress: Called with (done, total).

        Returns:
            The weights and what they were fitted on.

        Raises:
            BadInput: There are too few photos or products.
            BadPicture: A photo cannot be decoded.
            NotFound: There is no such model.
        """
        context = self._state.context_of(model)
        if confirmed is None:
            fitted = registry.calibrate(self._state.folder, context, progress)
        else:
            limits, side = Limits.of(self._state.settings), context.model.photo.preprocessing.source_side
            fitted = refit([(load(photo, limits, side=side), product) for photo, product in confirmed], context)
            fitted.save(self._state.folder.space(context.model.photo.space.id))
        self._publish_files()
        facts = {"photo": fitted.calibration.photo, "categories": len(fitted.prototypes.names)}
        return facts | (fitted.metadata or {})

    def build(self, encoder: str, *, progress: Progress | None = None) -> str:
        """Build the space of another encoder beside the active one. `switch` activates it.

        Args:
            encoder: A bundled encoder (`lite2`), `KIND:BASE` of a registered kind, or the name of a model of this
                catalog, whose missing vectors are built.
            progress: Called with (done, total).

        Returns:
            Name of the model.

        Raises:
            NotFound: There is no such encoder.
        """
        folder, settings = self._state.folder, self._state.settings
        if encoder in folder.manifest.models:
            other = registry.open_registered(folder, encoder, settings)
        elif is_kind_name(encoder):
            other = registry.register_kind_name(folder, encoder, settings)
        else:
            other = registry.raw_encoder(encoder, settings)
        if other.space.id not in folder.manifest.models:
            registry.register(folder, other, adapted=False)
        self._build(other, progress)
        return other.space.id

    def adopt(self, artifact: str | Path, *, progress: Progress | None = None) -> str:
        """Build the space of an artifact beside the active one. `switch` activates it.

        Args:
            artifact: Folder that `snapfind train` or `snapfind model convert` wrote.
            progress: Called with (done, total).

        Returns:
            Name of the model.

        Raises:
            NotFound: There is no artifact in the folder.
            ModelBroken: Its files or golden vectors do not agree.
        """
        encoder = registry.adopt(self._state.folder, absolute_path(artifact), self._state.settings)
        self._build(encoder, progress)
        return encoder.space.id

    def use(self, artifact: str | Path, *, progress: Progress | None = None) -> str:
        """Build the space of an artifact, switch to it, and calibrate its scores.

        Args:
            artifact: Folder that `snapfind train` or `snapfind model convert` wrote.
            progress: Called with (done, total).

        Returns:
            Name of the model.

        Raises:
            NotFound: There is no artifact in the folder.
            ModelBroken: Its files or golden vectors do not agree.
            ExtraMissing: It needs a package that is not installed.
        """
        name = self.adopt(artifact, progress=progress)
        self.switch(name)
        with suppress(BadInput):  # a calibration needs two products
            self.calibrate(progress=progress)
        return name

    def build_signal(self, name: str, *, progress: Progress | None = None) -> None:
        """Compute the embeddings of a registered signal for the pictures that are there.

        Args:
            name: Name of a signal of `snapfind.search.signals.register_signal` that encodes pictures.
            progress: Called with (done, total).

        Raises:
            NotFound: There is no such signal.
        """
        encoder = next((one.encoder for one in SIGNALS if one.name == name and one.document == "image"), None)
        if encoder is None:
            raise NotFound(f"No registered signal that encodes pictures: {name!r}.")
        self._fill(encoder.space, encoder.encode_document, progress)

    def read_texts(self, *, progress: Progress | None = None) -> int:
        """Read the text in pictures that were added without reading it. Continues where it was interrupted.

        Args:
            progress: Called with (pictures done, pictures in total).

        Returns:
            Number of pictures that were read.

        Raises:
            ExtraMissing: The extra `ocr` is not installed.
        """
        state = self._state
        reader = TextReader(state.settings.whole("threads"))
        return read_texts(state.folder, state.index, state.schema, reader, state.settings, self._write_lock, progress)

    def switch(self, model: str) -> None:
        """Make another built model the active one.

        Raises:
            NotFound: There is no such model.
            BadInput: It is not built to the end.
        """
        with self._state._writing:
            self._switch(model)

    def rollback(self) -> str:
        """Switch back to the previous model. Returns its name.

        Raises:
            NotFound: There is no previous model.
        """
        with self._state._writing:
            previous = self._state.folder.manifest.previous
            if not previous:
                raise NotFound("There is no previous model: none was switched yet.")
            self._switch(previous)
        return previous

    def delete(self, model: str) -> None:
        """Delete a model and its vectors. Waits for searches that still use it.

        Raises:
            NotFound: There is no such model.
            BadInput: It is active, in an experiment, or another model is built on it.
        """
        state, folder = self._state, self._state.folder
        with state._writing:
            manifest = folder.manifest
            if model not in manifest.models:
                raise NotFound(f"no model {model!r}; there are: {', '.join(manifest.models)}", field="model")
            if model == manifest.active or (state.trial and model == state.trial.model):
                raise BadInput(f"model {model} answers now; switch to another one first", field="model")
            if dependent := registry.dependent_models(folder, model):
                raise BadInput(f"{', '.join(dependent)} is built on {model}; delete that first", field="model")
            previous = "" if model == manifest.previous else manifest.previous
            known = {name: entry for name, entry in manifest.models.items() if name != model}
            folder.save(models=known, previous=previous)  # new searches no longer find it
            self._reopen()
            state._readers.wait(lambda context: context.model.photo.space.id == model)
            state.index.drop_space(model)
            shutil.rmtree(folder.space(model), ignore_errors=True)
            delete_unused_encoders(folder, {entry.base for entry in known.values()})

    def try_out(self, model: str | None, share: float = 0.1) -> None:
        """Start an interleaving experiment: a built model answers photo searches beside the active one.

        Args:
            model: Name of the model. None ends the experiment.
            share: Fraction of the photo searches in the experiment, above 0 and at most 1.

        Raises:
            NotFound: There is no such model.
            BadInput: It is active or not built, or the fraction is out of range.
        """
        state = self._state
        if model is None:
            with state._writing:
                state.folder.save(trial={})
                state._load_contexts()
            return
        state.context_of(model)
        if model == state.folder.manifest.active:
            raise BadInput(f"model {model} answers already; try out another one", field="model")
        if not 0 < share <= 1:
            raise BadInput(f"share {share}: a fraction of the searches above 0, at most 1", field="share")
        with state._writing:
            state.trial_log.clear()
            began = datetime.now(UTC).isoformat(timespec="seconds")
            state.folder.save(trial={"model": model, "share": share, "began": began})
            state._load_contexts()

    def use_reranker(self, method: str | None) -> None:
        """Rerank the first ten candidates of a photo. The setting belongs to the active model.

        Args:
            method: "geometry" for local features. None: no reranker, the default.

        Raises:
            BadInput: There is no such method, or the encoder has no feature map.
        """
        with self._state._writing:
            registry.rerank(self._state.folder, self._state.model.photo, method)
            self._publish_files()

    def use_ranker(self, artifact: str | Path | None) -> None:
        """Order products of one verdict by a click ranker. The setting belongs to the active model.

        Args:
            artifact: Folder that `snapfind rank fit` wrote. None: no click ranker, the default.

        Raises:
            NotFound: There is no artifact in the folder.
            ModelBroken: It is damaged, or trained on scores of another model.
        """
        with self._state._writing:
            registry.rank(self._state.folder, None if artifact is None else absolute_path(artifact))
            self._publish_files()

    def use_text_to_image(self, artifact: str | Path | None, *, progress: Progress | None = None) -> str:
        """Compare texts with pictures in a trained space, whichever model is active.

        Args:
            artifact: Folder that `snapfind train lit` wrote. None: ConSE, the default.
            progress: Called with (done, total).

        Returns:
            Id of the space.

        Raises:
            NotFound: There is no artifact in the folder.
            ModelBroken: It is damaged, or trained on other encoders.
        """
        state, before = self._state, self._state.folder.manifest.text_to_image
        lit = None
        if artifact is not None:
            lit = copy_text_to_image_space(state.folder, absolute_path(artifact), state.model.text)
            encoder = Model(state.model.photo, state.model.others, lit.maps).class_encoder
            encode = lit.encode_features
            self._fill(lit.space, lambda images: encode(encoder.extract_features(images)), progress)
        with state._writing:
            if lit is not None:
                self._fill_rest(lit.space, lambda images: encode(encoder.extract_features(images)))
            state.folder.save(text_to_image=lit.space.id if lit else "")
            self._reopen()
            if before and before != state.folder.manifest.text_to_image:
                state._readers.wait(lambda context: context.model.text_to_image.id == before)
                state.index.drop_space(before)
                shutil.rmtree(state.folder.space(before), ignore_errors=True)
        return state.folder.manifest.text_to_image or state.model.conse.space.id

    def _build(self, encoder: PhotoEncoder, progress: Progress | None) -> None:
        """Build the space of an encoder, and mark its model as ready."""

        def encode(images: Sequence[Image]) -> Vectors:
            return encoder.images(images, "document")

        self._fill(encoder.space, encode, progress)
        with self._state._writing:
            self._fill_rest(encoder.space, encode)
            registry.mark_ready(self._state.folder, encoder.space.id)
            self._reopen()

    def _fill(self, space: Space, encode: Callable[[Sequence[Image]], Vectors], progress: Progress | None) -> None:
        """Compute the missing vectors of a space, a batch at a time, so that other writers get their turn."""
        state = self._state
        build_space(state.folder, state.index, space, encode, state.settings, self._write_lock, progress)

    def _fill_rest(self, space: Space, encode: Callable[[Sequence[Image]], Vectors]) -> None:
        """Compute the vectors of what other writers added meanwhile. The caller holds the lock."""
        build_space(self._state.folder, self._state.index, space, encode, self._state.settings, nullcontext)

    @contextmanager
    def _write_lock(self) -> Iterator[Model]:
        with self._state._writing:
            yield self._state.model

    def _switch(self, model: str) -> None:
        self._state.context_of(model)
        active = self._state.folder.manifest.active
        if model != active:
            self._state.folder.save(active=model, previous=active, trial={})
            self._reopen()
            self._state.index.publish(model)

    def _reopen(self) -> None:
        """Load the models and search contexts of the current manifest."""
        self._state.model = registry.open_model(self._state.folder, self._state.settings)
        self._state._load_contexts()

    def _publish_files(self) -> None:
        """Write the manifest again after a change of files beside it, so that replicas see the change."""
        self._state.folder.save()
        self._state._load_contexts()
