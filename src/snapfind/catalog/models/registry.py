"""Models of a catalog: registering, building beside the active one, switching and rollback.

A model is named by its image space. Its vectors are computed from the stored copies of pictures, point by point, so an
interrupted build can be resumed. Searches use the old model until the switch, which is one write of the manifest.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from snapfind.catalog.models.calibrate import FittedCalibration, learn, read
from snapfind.catalog.models.encoder_files import copy_encoder
from snapfind.catalog.storage.folder import Folder, copy_draft, write_whole
from snapfind.catalog.storage.stored_pictures import stored_picture, stored_pictures
from snapfind.core.artifact import artifact_kind, read_manifest
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, NotFound, SnapfindError
from snapfind.encoders.crossmodal.lit import LitMaps
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.onnx_tower import Tower
from snapfind.encoders.registry import (
    ModelEntry,
    is_kind_name,
    is_tower,
    open_encoder,
    open_model_entry,
    open_network,
)
from snapfind.index.base import Index
from snapfind.search.calibration import Calibration
from snapfind.search.context import SearchContext
from snapfind.search.rerank import click_model, registry
from snapfind.search.signals import document_encoders

__all__ = [
    "MOST",
    "NETWORK",
    "adopt",
    "calibrate",
    "dependent_models",
    "mark_ready",
    "open_model",
    "open_registered",
    "rank",
    "ranker_folder",
    "raw_encoder",
    "register",
    "register_kind_name",
    "rerank",
    "search_context",
]

Progress = Callable[[int, int], None]
MOST = 512  # maximum number of pictures for fitting and calibration


def open_model(folder: Folder, settings: Settings) -> Model:
    """Open the models of a catalog.

    Args:
        folder: Folder of the catalog.
        settings: Settings. `encoder` is that of a new catalog.

    Returns:
        The active encoder, with the other built ones.

    Raises:
        ModelBroken: An artifact is damaged.
    """
    manifest = folder.manifest
    further = (document_encoders("image"), document_encoders("text"))
    if not manifest.active:
        return Model(_first(folder, settings), (), None, *further)
    maps = LitMaps.load(folder.space(manifest.text_to_image)) if manifest.text_to_image else None
    ready = [name for name, model in manifest.models.items() if model.ready and name != manifest.active]
    networks: dict[tuple[str, str], PhotoEncoder] = {}
    active, *others = (_load(folder, name, settings, networks) for name in (manifest.active, *ready))
    _share_text_encoders([active, *others])
    return Model(active, others, maps, *further)


def _share_text_encoders(encoders: Sequence[PhotoEncoder]) -> None:
    """Let a model that was fine-tuned on a two-tower model answer texts as the converted original does.

    Texts are then compared with the picture vectors of the original, which stays in the catalog beside it.
    """
    towers = {encoder.source: encoder.words for encoder in encoders if isinstance(encoder, Tower) and encoder.words}
    for encoder in encoders:
        if isinstance(encoder, Builtin):
            encoder.words = towers.get(encoder.source)


def _first(folder: Folder, settings: Settings) -> PhotoEncoder:
    name = settings.text("encoder")
    artifact = Path(name).expanduser()
    if artifact_kind(artifact):
        return adopt(folder, artifact, settings)
    return register_kind_name(folder, name, settings) if is_kind_name(name) else raw_encoder(name, settings)


def raw_encoder(name: str, settings: Settings) -> PhotoEncoder:
    """Open a bundled encoder.

    Args:
        name: Name, such as `lite0`.
        settings: Settings of the catalog.

    Returns:
        The encoder without an adapter.

    Raises:
        NotFound: There is no such encoder.
    """
    return open_encoder(name, threads=settings.whole("threads"))


def open_registered(folder: Folder, name: str, settings: Settings) -> PhotoEncoder:
    """Open the encoder of a model, which need not be built completely.

    Args:
        folder: Folder of the catalog.
        name: Name of the model.
        settings: Settings of the catalog.

    Returns:
        The encoder.
    """
    return _load(folder, name, settings, {})


def _load(folder: Folder, name: str, settings: Settings, networks: dict[tuple[str, str], PhotoEncoder]) -> PhotoEncoder:
    return open_model_entry(name, folder.manifest.models[name], folder, settings.whole("threads"), networks)


def register(
    folder: Folder, encoder: PhotoEncoder, *, adapted: bool, parent: str = "", origin: ModelEntry | None = None
) -> None:
    """Write a new model to the manifest, before it is built.

    Args:
        folder: Folder of the catalog.
        encoder: The model's encoder.
        adapted: Whether it was fitted to this catalog.
        parent: The bundled encoder from which a trained or quantized network of its own started.
        origin: Entry of the model that it was fitted on. A registered kind is inherited.
    """
    kind, base = "bundled", encoder.name
    if origin is not None and origin.kind not in {"bundled", "trained", "converted"}:
        kind, base, parent = origin.kind, origin.base, origin.encoder
    elif isinstance(encoder, Tower):
        kind, base = "converted", encoder.raw_id
    elif parent:
        kind, base = "trained", encoder.space.id
    entry = ModelEntry(
        kind,
        encoder=parent or encoder.name,
        base=base,
        dim=encoder.space.dim,
        adapted=adapted,
        precision=encoder.precision,
    )
    folder.save(models={**folder.manifest.models, encoder.space.id: entry})


def register_kind_name(folder: Folder, name: str, settings: Settings) -> PhotoEncoder:
    """Open an encoder of a kind that was registered from outside, and write its model into the manifest.

    Args:
        folder: Folder of the catalog.
        name: `KIND:BASE`. The loader of the kind opens the base.
        settings: `threads`.

    Returns:
        The encoder. Its space is yet to be built.

    Raises:
        ModelBroken: Files or golden vectors do not agree.
    """
    kind, _, base = name.partition(":")
    entry = ModelEntry(kind, encoder=name, base=base, dim=0)
    encoder = open_network(entry, folder, settings.whole("threads"))
    if encoder.space.id not in folder.manifest.models:
        entry = replace(entry, dim=encoder.space.dim, precision=encoder.precision)
        folder.save(models={**folder.manifest.models, encoder.space.id: entry})
    return encoder


def dependent_models(folder: Folder, name: str) -> list[str]:
    """Return the models that are fitted on the space of a model.

    Args:
        folder: Folder of the catalog.
        name: Name of the model.

    Returns:
        Names of models that need its vectors.
    """
    models = folder.manifest.models
    return [other for other, model in models.items() if model.base == name and other != name]


def mark_ready(folder: Folder, name: str) -> None:
    """Mark a model as built.

    Args:
        folder: Folder of the catalog.
        name: Name of the model.
    """
    known = folder.manifest.models
    folder.save(models={**known, name: known[name].as_ready()})


def adopt(folder: Folder, artifact: Path, settings: Settings) -> PhotoEncoder:
    """Copy an artifact of training, quantization or conversion into a catalog, and register its model.

    Args:
        folder: Folder of the catalog.
        artifact: Folder of the artifact: a network, adapter weights, both, or a converted encoder.
        settings: Settings of the catalog.

    Returns:
        The encoder.

    Raises:
        NotFound: There is no artifact.
        ModelBroken: Its checksums or golden outputs are wrong.
    """
    if is_tower(artifact):
        tower = copy_encoder(folder, artifact, settings.whole("threads"))
        if tower.space.id not in folder.manifest.models:
            register(folder, tower, adapted=False)
        return tower
    manifest = read_manifest(artifact, "encoder", "adapter", remedy="train it again")
    parent = str(manifest.get("parent", "")) if manifest.get("kind") == "encoder" else ""
    draft = copy_draft(artifact, _FILES, folder.path / "spaces")
    threads = settings.whole("threads")
    raw = str(manifest.get("encoder", "")).rpartition("-")[0]
    try:
        encoder = Builtin.load(*([str(draft)] if parent else [raw]), adapter=None if parent else draft, threads=threads)
    except SnapfindError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    target = folder.space(encoder.space.id)
    if target.exists():
        shutil.rmtree(draft)
    else:
        draft.rename(target)
    if encoder.space.id not in folder.manifest.models:
        adapted = encoder.space.id != encoder.raw_id
        register(folder, encoder, adapted=adapted, parent=parent)
    return encoder


NETWORK = ("manifest.json", "model.onnx", "golden.safetensors")
_FILES = (
    *(*NETWORK, "weights.safetensors", "heads/manifest.json", "heads/weights.safetensors"),
    *("calibration.json", "categories.safetensors"),
)


def rerank(folder: Folder, encoder: PhotoEncoder, method: str | None) -> None:
    """Set or remove the reranker of the active model.

    Args:
        folder: Folder of the catalog.
        encoder: Active encoder.
        method: Name of the reranker, or None to remove it.

    Raises:
        BadInput: The method is unknown, or the encoder has no feature map.
    """
    active = folder.manifest.active
    if method is not None and not encoder.shows_cells:
        raise BadInput(
            f"{active} has no feature map, which the reranker compares; search without a reranker", field="method"
        )
    place = folder.space(active) / "reranker"
    if method is None:
        shutil.rmtree(place, ignore_errors=True)
        return
    content = registry.manifest(method, active)
    place.mkdir(parents=True, exist_ok=True)
    write_whole(place / "manifest.json", content)


def search_context(folder: Folder, index: Index, model: Model, settings: Settings) -> SearchContext:
    """Create the search context of a model.

    Args:
        folder: Folder of the catalog.
        index: The index.
        model: The model.
        settings: Settings of the catalog.

    Returns:
        Index, model, calibration, category prototypes, reranker and click ranker.

    Raises:
        ModelBroken: A fitted file is damaged.
    """
    name = model.photo.space.id
    place = folder.space(name)
    fitted = read(place, _calibration(folder, name))
    reranker, ranker = place / "reranker", place / "ranker"
    return SearchContext(
        *(index, model, fitted.calibration, folder.manifest.schema, settings, fitted.prototypes),
        registry.load(reranker, model.photo) if (reranker / "manifest.json").exists() else None,
        lambda point: stored_picture(folder, point, settings),
        click_model.load(ranker, name) if (ranker / "manifest.json").exists() else None,
    )


def ranker_folder(folder: Folder) -> Path:
    """Return the folder of the click ranker of the active model, whose scores it was trained on.

    Args:
        folder: Folder of the catalog.

    Returns:
        The folder, which may not exist.
    """
    return folder.space(folder.manifest.active) / "ranker"


def rank(folder: Folder, artifact: Path | None) -> None:
    """Set or remove the click ranker of the active model.

    Args:
        folder: Folder of the catalog.
        artifact: Folder of the artifact, or None to remove the ranker.

    Raises:
        NotFound: There is no artifact.
        ModelBroken: The artifact is damaged, or of another model.
    """
    place = ranker_folder(folder)
    if artifact is None:
        shutil.rmtree(place, ignore_errors=True)
        return
    if not (artifact / "manifest.json").is_file():
        raise NotFound(f"{artifact} is not the folder of an artifact: it has no manifest.json")
    click_model.load(artifact, folder.manifest.active)
    draft = copy_draft(artifact, click_model.FILES, place.parent)
    shutil.rmtree(place, ignore_errors=True)
    draft.rename(place)


def calibrate(folder: Folder, context: SearchContext, progress: Progress | None = None) -> FittedCalibration:
    """Fit calibration and category prototypes of a model to the pictures of a catalog, and store them.

    Args:
        folder: Folder of the catalog.
        context: Search context of the model.
        progress: Called with (pictures done, pictures in total).

    Returns:
        The fitted calibration.

    Raises:
        BadInput: There are fewer than two products.
    """
    fitted = learn(stored_pictures(folder, context.index, context.settings, most=MOST), context, progress)
    fitted.save(folder.space(context.model.photo.space.id))
    return fitted


def _calibration(folder: Folder, name: str) -> Calibration:
    """Return the calibration of a model before fitting: that of its artifact, if there is one."""
    if not folder.manifest.models[name].adapted:
        return Calibration.raw()
    own = read_manifest(folder.space(name), "encoder", "adapter", remedy="train it again").get("calibration", ())
    if len(own) != len(Calibration.fitted().photo):
        return Calibration.fitted()
    similarity, margin, lead, category, bias = (float(weight) for weight in own)
    return Calibration((similarity, margin, lead, category, bias))
