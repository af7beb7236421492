"""Steps that all training commands share: collect samples, build the trained model, compare, offer the switch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.cli.output import err, out, progress_bar
from snapfind.core.errors import BadInput
from snapfind.evaluation.metrics import METRICS
from snapfind.evaluation.queries import LabeledQuery, read_queries
from snapfind.evaluation.report import Report, compare
from snapfind.evaluation.run import evaluate

if TYPE_CHECKING:
    from snapfind.training.adaptation_run import Adapted
    from snapfind.training.data.augmentation import Sample

__all__ = ["TrainingSession", "open_session"]


@dataclass(frozen=True)
class TrainingSession:
    """An open catalog and its training data.

    Attributes:
        opened: The catalog.
        samples: Labeled photos, then pictures of the catalog, each with the index of its product in `products`.
        products: Product ids.
        photos: Files of the labeled photos in `samples`, in the same order.
        labels: Query with the relevant products for each labeled photo.
    """

    opened: Catalog
    samples: "list[Sample]"
    products: list[str]
    photos: list[Path]
    labels: dict[Path, LabeledQuery]

    @property
    def work(self) -> Path:
        """Folder for feature caches, checkpoints and artifacts."""
        return self.opened.folder.path / "train"

    def offer(self, train: "Callable[[Callable[[int, int], None]], Adapted]", *, yes: bool) -> None:
        """Train, build the space of the trained model, compare it on held-out photos, and offer the switch.

        Args:
            train: Trains an encoder. Takes a progress callback (done, total).
            yes: Switch without asking.
        """
        with progress_bar("encoding") as progress:
            result = train(progress)
        held_out = {self.photos[index] for index in result.held_out}
        queries = [query for photo, query in self.labels.items() if photo in held_out]
        _offer(self.opened, result.folder, queries, yes=yes)


@contextmanager
def open_session(
    shop: Path, photos: Path | None, root: Path | None, *, backbone: str | None = None
) -> Iterator[TrainingSession]:
    """Open a catalog and collect its pictures and the labeled photos.

    Args:
        shop: Folder of the catalog.
        photos: CSV of labeled photos with the columns picture and product, or None.
        root: Folder that the picture paths of the CSV are relative to. None: the folder of the CSV.
        backbone: The PyTorch model to fine-tune instead of the bundled network, or None.

    Yields:
        The session. The catalog is closed at the end of the block.

    Raises:
        BadInput: The table cannot be read, or the active model cannot be trained.
        NotFound: There is no catalog in the folder.
    """
    from snapfind.training.data.samples import gather

    queries, failures = read_queries(photos, root) if photos else ([], [])
    labels = {query.photo: query for query in queries if query.photo is not None}
    with snapfind.open(shop, create=False) as opened:
        if not backbone:
            _check_trainable(opened)
        samples, products, used = gather(opened, [(photo, min(query.products)) for photo, query in labels.items()])
        err.print(
            f"{len(used)} of {len(queries) + len(failures)} photos are usable. The catalog has {len(opened)} products."
        )
        for failure in failures[:10]:
            err.print(failure, markup=False)
        yield TrainingSession(opened, samples, products, used, labels)


def _check_trainable(opened: Catalog) -> None:
    """Raise BadInput if the active model is of another network. Print where training starts if it is quantized."""
    active = opened.info()["model"]
    entry = opened.folder.manifest.models[active]
    if entry.precision == "int8":
        err.print(
            f"{active} is quantized to int8. Training starts from the pretrained network in full precision. To quantize"
            f" the trained model: snapfind model quantize {opened.folder.path}"
        )
    if entry.kind == "converted" or not opened.model.photo.shows_cells:
        raise BadInput(
            f"{active} is an ONNX model without PyTorch weights. Give the folder of the original model (snapfind train"
            " catalog SHOP --backbone FOLDER), adapt it with `snapfind model fit`, or switch to a model of the"
            " pretrained network."
        )


def _offer(opened: Catalog, artifact: Path, held_out: list[LabeledQuery], *, yes: bool) -> None:
    """Build the new space, print the metrics before and after, and switch if the user agrees."""
    before, old = evaluate(opened, held_out)[0], opened.info()["model"]
    with progress_bar("building") as progress:
        name = opened.models.adopt(artifact, progress=progress)
    after = evaluate(opened, held_out, model=name)[0]
    if held_out:
        _print(Report(tuple(before)), Report(tuple(after)))
    else:
        out.print("No photo was held out, so recall on shoppers' photos is unknown. Measure it with: snapfind eval")
    if name == old or yes or (sys.stdin.isatty() and typer.confirm(f"Switch to {name}?", default=True)):
        opened.models.switch(name)
        out.print(f"{name} is active. Undo: snapfind model rollback SHOP")
    else:
        out.print(f"{name} is built. To use it: snapfind model switch SHOP {name}")


def _print(before: Report, after: Report) -> None:
    """Print the metrics of both models on held-out photos, and the paired differences."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "before", "after", "difference", "p"):
        grid.add_column(name)
    old, new, changes = before.figures("product"), after.figures("product"), compare(after, before)
    for name in METRICS:
        change = changes[name]
        grid.add_row(name, str(old[name]), str(new[name]), f"{change.mean:+.3f}", f"{change.p:.3f}")
    out.print(f"{len(before.queries):,} held-out photos. Means with 95% bootstrap confidence intervals.")
    out.print(grid)
