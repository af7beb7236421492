"""The catalog: products, pictures and spaces in one folder, and the verbs that the three doors share."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snapfind.catalog.ingest.ingest import Progress
from snapfind.catalog.models import registry
from snapfind.catalog.models.calibrate import refit
from snapfind.catalog.models.encoder_files import delete_unused_encoders
from snapfind.catalog.models.fit import OnRejected, fit
from snapfind.catalog.models.text_to_image import copy_text_to_image_space
from snapfind.catalog.storage.folder import Folder, absolute_path
from snapfind.catalog.storage.migrate import MigrationReport, move, open_index
from snapfind.catalog.storage.snapshot import pack
from snapfind.catalog.write import Writing
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, NotFound
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.registry import is_kind_name
from snapfind.index.qdrant.collection import CollectionLayout
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.decode import Source as Photo
from snapfind.search.signals import SIGNALS

__all__ = ["Catalog", "open_catalog"]


def open_catalog(path: str | Path, *, create: bool = True, **settings: int | float | str) -> "Catalog":
    """Open a catalog folder, or make one; `settings` are those of docs/reference/settings.md.

    >>> shop = snapfind.open("shop.snap")

    Raises NotFound (with `create=False`), CatalogBusy when another process has it open, CatalogBroken.
    """
    return Catalog(Folder(Path(path), create=create), Settings(settings))


class Catalog(Writing):
    """An open catalog; any thread may call it. Close it, or use it in a `with` block, to give the folder back."""

    def fit(
        self,
        photos: Sequence[Photo] = (),
        confirmed: Sequence[tuple[Photo, str]] = (),
        *,
        kept: bool = False,
        refused: OnRejected | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Fit the encoder to the catalog's own pictures, build the new space beside the old one, and switch.

        Photos of shoppers make it better: `photos` (files, bytes or images) need no label, `confirmed` are (photo,
        product id) pairs, `kept` takes those of searches that the setting `keep_photos` kept. Of many, 4,096 are drawn.
        `refused` is told why one could not be used. Returns the model's name. Raises BadInput with too few pictures, or
        where no photo can be used.
        """
        name = self.fit_beside(photos, confirmed, kept=kept, refused=refused, progress=progress)
        self.switch(name)
        return name

    def fit_beside(
        self,
        photos: Sequence[Photo] = (),
        confirmed: Sequence[tuple[Photo, str]] = (),
        *,
        kept: bool = False,
        refused: OnRejected | None = None,
        progress: Progress | None = None,
    ) -> str:
        """As `fit`, but the model that answered goes on answering."""
        asked = [*confirmed, *((photo, "") for photo in photos)]
        asked += [(photo, "") for photo in sorted(self.asked)] if kept else []
        if kept and not asked:
            raise BadInput("no photo of a search was kept; give the setting keep_photos (0 to 1) to the server")
        parts = (self.folder, self.index, self.model, self.settings)
        encoder = fit(*parts, photos=asked, refused=refused, progress=progress)
        self._build(encoder, progress)
        with suppress(BadInput):  # of a single product there is nothing to learn
            self.calibrate(model=encoder.space.id, progress=progress)
        return encoder.space.id

    def calibrate(
        self,
        confirmed: Sequence[tuple[Photo, str]] | None = None,
        *,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Fit the scores of a model, and its picture of the categories, to this catalog; None: the active model.

        Without a label from its own pictures; with `confirmed` (photo, product id) pairs from those: 30 or more.
        Returns what was learned and from what. Raises BadInput, BadPicture, NotFound.
        """
        context = self.context_of(model)
        if confirmed is None:
            found = registry.calibrate(self.folder, context, progress)
        else:
            limits, side = Limits.of(self.settings), context.model.photo.preprocessing.source_side
            found = refit([(load(photo, limits, side=side), product) for photo, product in confirmed], context)
            found.save(self.folder.space(context.model.photo.space.id))
        self._retold()
        return {"photo": found.calibration.photo, "categories": len(found.prototypes.names), **(found.metadata or {})}

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
        if encoder in self.folder.manifest.models:
            other = registry.open_registered(self.folder, encoder, self.settings)
        elif is_kind_name(encoder):
            other = registry.register_kind_name(self.folder, encoder, self.settings)
        else:
            other = registry.raw_encoder(encoder, self.settings)
        if other.space.id not in self.folder.manifest.models:
            registry.register(self.folder, other, adapted=False)
        self._build(other, progress)
        return other.space.id

    def adopt(self, artifact: str | Path, *, progress: Progress | None = None) -> str:
        """Build the space of an artifact of `snapfind train` or `snapfind model convert` beside the active one.

        `switch` makes it answer; a build that was interrupted goes on when the same is adopted again.

        Returns the model's name. Raises NotFound, ModelBroken.
        """
        encoder = registry.adopt(self.folder, absolute_path(artifact), self.settings)
        self._build(encoder, progress)
        return encoder.space.id

    def use(self, artifact: str | Path, *, progress: Progress | None = None) -> str:
        """Build the space of a converted encoder beside the active one, switch, and fit the scores to it.

        Returns the model's name. Raises NotFound, ModelBroken, ExtraMissing.
        """
        name = self.adopt(artifact, progress=progress)
        self.switch(name)
        with suppress(BadInput):  # of a single product there is nothing to learn
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
        parts = (self.folder, self.index, encoder.space, encoder.encode_document, self.settings)
        registry.build(*parts, self._write_lock, progress)

    def _build(self, encoder: PhotoEncoder, progress: Progress | None) -> None:
        # most of it a batch at a time, so that other writers get their turn; then what they left, with the door shut
        parts = (self.folder, self.index, encoder.space, lambda images: encoder.images(images, "document"))
        registry.build(*parts, self.settings, self._write_lock, progress)
        with self._writing:
            registry.build(*parts, self.settings, nullcontext)
            registry.mark_ready(self.folder, encoder.space.id)
            self._reopen()

    def _reopen(self) -> None:
        """Load the models and search contexts of the current manifest."""
        self.model = registry.open_model(self.folder, self.settings)
        self._load_contexts()

    def switch(self, model: str) -> None:
        """Let another built model answer from now on. Raises NotFound, BadInput when it is not built to the end."""
        with self._writing:
            self._switch(model)

    def _switch(self, model: str) -> None:
        self.context_of(model)
        active = self.folder.manifest.active
        if model != active:
            self.folder.save(active=model, previous=active, trial={})
            self._reopen()
            self.index.publish(model)

    def rollback(self) -> str:
        """Switch back to the model before; returns its name. Raises NotFound when there is none."""
        with self._writing:
            previous = self.folder.manifest.previous
            if not previous:
                raise NotFound("there is no model to go back to: none was switched yet")
            self._switch(previous)
        return previous

    def drop(self, model: str) -> None:
        """Remove a model and its vectors. Raises NotFound, BadInput for one that answers or is on trial."""
        with self._writing:
            manifest = self.folder.manifest
            if model not in manifest.models:
                raise NotFound(f"no model {model!r}; there are: {', '.join(manifest.models)}", field="model")
            if model == manifest.active or (self.trial and model == self.trial.model):
                raise BadInput(f"model {model} answers now; switch to another one first", field="model")
            if standing := registry.dependent_models(self.folder, model):
                raise BadInput(f"{', '.join(standing)} stands on {model}; drop that first", field="model")
            previous = "" if model == manifest.previous else manifest.previous
            known = {name: own for name, own in manifest.models.items() if name != model}
            self.folder.save(models=known, previous=previous)  # from here on nothing asks for it
            self._reopen()
            self._readers.wait(lambda context: context.model.photo.space.id == model)
            self.index.drop_space(model)
            shutil.rmtree(self.folder.space(model), ignore_errors=True)
            delete_unused_encoders(self.folder, {own.base for own in known.values()})

    def try_out(self, model: str | None, share: float = 0.1) -> None:
        """Let a built model answer a share (0..1) of the photo searches beside the active one; None ends the trial.

        Its log begins anew. Raises NotFound, BadInput.
        """
        if model is None:
            with self._writing:
                self.folder.save(trial={})
                self._load_contexts()
            return
        self.context_of(model)
        if model == self.folder.manifest.active:
            raise BadInput(f"model {model} answers already; try out another one", field="model")
        if not 0 < share <= 1:
            raise BadInput(f"share {share}: a part of the searches above 0, at most 1", field="share")
        with self._writing:
            self.trial_log.clear()
            began = datetime.now(UTC).isoformat(timespec="seconds")
            self.folder.save(trial={"model": model, "share": share, "began": began})
            self._load_contexts()

    def rerank(self, method: str | None) -> None:
        """Look at the first ten candidates of a photo once more, by "geometry"; None: not, as it is at first.

        It belongs to the model that answers. Raises BadInput for another method.
        """
        with self._writing:
            registry.rerank(self.folder, self.model.photo, method)
            self._retold()

    def rank(self, artifact: str | Path | None) -> None:
        """Order products of one verdict by the click ranker of `snapfind rank fit`; None: not, as it is at first.

        It belongs to the model that answers. Raises NotFound, ModelBroken.
        """
        with self._writing:
            registry.rank(self.folder, None if artifact is None else absolute_path(artifact))
            self._retold()

    def _retold(self) -> None:
        """What a model learned lies beside the manifest: that is replaced too, for readers elsewhere to see it."""
        self.folder.save()
        self._load_contexts()

    def use_text_to_image(self, artifact: str | Path | None, *, progress: Progress | None = None) -> str:
        """Compare texts with pictures in a space of `snapfind train lit`; None: in ConSE's, as it is at first.

        Every picture gets its vector there before it answers; an interrupted build goes on. It speaks for products
        without a title, whichever model answers. Returns the name of the space. Raises NotFound, ModelBroken.
        """
        before = self.folder.manifest.text_to_image
        if artifact is not None:
            space = copy_text_to_image_space(self.folder, absolute_path(artifact), self.model.text)
            encoder = Model(self.model.photo, self.model.others, space.maps).class_encoder
            parts = (
                self.folder,
                self.index,
                space.space,
                lambda images: space.encode_features(encoder.extract_features(images)),
            )
            registry.build(*parts, self.settings, self._write_lock, progress)
        with self._writing:
            if artifact is not None:
                registry.build(*parts, self.settings, nullcontext)
            self.folder.save(text_to_image="" if artifact is None else space.space.id)
            self._reopen()
            if before and before != self.folder.manifest.text_to_image:
                self._readers.wait(lambda context: context.model.text_to_image.id == before)
                self.index.drop_space(before)
                shutil.rmtree(self.folder.space(before), ignore_errors=True)
        return self.folder.manifest.text_to_image or self.model.conse.space.id

    # ── the folder ───────────────────────────────────────────────────────────────

    def snapshot(self, target: str | Path) -> int:
        """Write the open catalog into a tar with checksums; writers wait, searches go on. Returns its bytes.

        Raises BadInput when the file is there already, NoRoom.
        """
        with self._writing, tempfile.TemporaryDirectory() as spare:
            self.index.flush()
            copies = (
                {"events.db": self.events.copy(Path(spare) / "events.db")} if not self.settings.text("events") else {}
            )
            return pack(self.folder.path, absolute_path(target), copies)

    def migrate(
        self, address: str, *, progress: Progress | None = None, shape: CollectionLayout | None = None
    ) -> MigrationReport:
        """Move the index to Qdrant servers (`qdrant://HOST:6333/NAME`), or back ("folder"); writers wait meanwhile.

        `shape` says how a new collection lies on them. What was left behind stays as it is. Raises BadInput, NotReady,
        ExtraMissing, CatalogBroken where the two disagree.
        """
        with self._writing:
            moved = move(self.folder, self.index, address, progress, shape)
            old, self.index = self.index, open_index(self.folder)
            self._load_contexts()
            self._readers.wait(lambda context: context.index is old)
            old.close()
        return moved

    def optimize(self) -> None:
        """Build search graphs and merge the engine's files."""
        self.index.optimize()
