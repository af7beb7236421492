"""Fit a click ranker to a shop's events, and evaluate it on what was shown after the training data."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.models.registry import ranker_folder
from snapfind.core.errors import BadInput, NotFound
from snapfind.evaluation.click_metrics import ClickFigures, click_figures
from snapfind.events.parquet import export_events
from snapfind.index.filters import where
from snapfind.ranking.export import build_click_model, write_ranker
from snapfind.ranking.fit import ClickModelConfig, Method, fit
from snapfind.ranking.log import FIELDS, LoggedRows, ShopDomain, first_positions, read_log
from snapfind.ranking.off_policy import Estimate, snips
from snapfind.search.rerank.click_model import ClickModel, load
from snapfind.search.rerank.features import Encoded, bucket
from snapfind.training.loop import EpochMetrics

__all__ = ["RankerEvaluation", "evaluate_shop", "fit_shop"]

_LEARN, _CHOOSE = 0.7, 0.85  # parts of the log in order of time; the last part judges
_LEAST = 200  # rows that were clicked, below which nothing is fitted


@dataclass(frozen=True, slots=True)
class RankerEvaluation:
    """Evaluation of a ranker on later rows.

    Attributes:
        since: Start of the evaluated rows, in ISO format.
        ranker: Metrics of the ranker.
        search: Metrics of the scores that ordered the rows, None if the log has no scores.
        first: Off-policy estimate of the click rate of the first position, None without randomized positions.
        earned: Logged click rate of the randomized first positions.
    """

    since: str
    ranker: ClickFigures
    search: ClickFigures | None
    first: Estimate | None = None
    earned: float = 0.0


def fit_shop(
    catalog: Catalog,
    artifact: Path,
    *,
    domain: ShopDomain = "search",
    method: Method = "single",
    seed: int = 0,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> RankerEvaluation:
    """Train on the first 70 % of the rows in time, select the epoch on the next 15 %, and evaluate on the rest.

    Args:
        catalog: The catalog.
        artifact: Folder of the new artifact.
        domain: Domain of the target.
        method: The method.
        seed: Random seed.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The evaluation.

    Raises:
        BadInput: There are fewer than 200 clicks.
        NoRoom: The disk is full.
    """
    target, source = _logs(catalog, domain, method)
    clicks = int(target.rows.labels.sum())
    if clicks < _LEAST:
        raise BadInput(f"{clicks} clicks in the domain {domain} are too few. A ranker needs at least {_LEAST}.")
    cuts = target.time_at(_LEARN), target.time_at(_CHOOSE)
    parts = target.shown_between(None, cuts[0]), target.shown_between(*cuts), target.shown_between(cuts[1], None)
    # later rows of the other domain would leak the future
    source_rows = source.shown_between(None, cuts[0]).rows if source is not None else None
    config = replace(ClickModelConfig(), training=replace(ClickModelConfig().training, seed=seed))
    fitted = fit(
        method,
        parts[0].rows,
        parts[1].rows,
        FIELDS,
        source=source_rows,
        source_fields=FIELDS,
        config=config,
        on_epoch=on_epoch,
    )
    model = build_click_model(fitted, FIELDS)
    evaluation = _evaluate(model, parts[2], cuts[1])
    manifest = {
        "space": catalog.folder.manifest.active,
        "method": method,
        "domain": domain,
        "seed": seed,
        "learned_until": cuts[1].isoformat(),
        "rows": len(parts[0]),
        "data_sha256": _digest(parts[0].rows.encoded, parts[0].rows.labels),
        "metrics": asdict(evaluation.ranker),
        "command": f"snapfind rank fit --domain {domain} --method {method} --seed {seed}",
    }
    write_ranker(artifact, model, *_golden(catalog), manifest)
    return evaluation


def evaluate_shop(catalog: Catalog, artifact: Path | None = None) -> RankerEvaluation:
    """Evaluate a click ranker on the rows that were shown after its training data.

    Args:
        catalog: The catalog.
        artifact: Folder of the ranker, by default that of the catalog.

    Returns:
        The evaluation.

    Raises:
        NotFound: The catalog has no click ranker.
        BadInput: No product was shown since.
    """
    place = artifact or ranker_folder(catalog.folder)
    if not (place / "manifest.json").is_file():
        raise NotFound("This catalog has no click ranker. Fit one with: snapfind rank fit SHOP")
    model = load(place, catalog.folder.manifest.active)
    manifest = json.loads((place / "manifest.json").read_bytes())
    logged, _ = _logs(catalog, manifest["domain"], "single")
    since = datetime.fromisoformat(manifest["learned_until"])
    later = logged.shown_between(since, None)
    if not len(later):
        raise BadInput(f"No product was shown since {since.isoformat()}, the end of the training data. Evaluate later.")
    return _evaluate(model, later, since)


def _logs(catalog: Catalog, domain: ShopDomain, method: Method) -> tuple[LoggedRows, LoggedRows | None]:
    products = {str(point.payload["_product"]): point.payload for point in catalog.points(where("_primary", [True]))}
    other: ShopDomain = "similar" if domain == "search" else "search"
    with tempfile.TemporaryDirectory(dir=catalog.folder.path, prefix=".rank-") as folder:
        events = Path(folder) / "events.parquet"
        export_events(catalog.events, events)
        target = read_log(events, products, domain, source=False)
        source = read_log(events, products, other, source=True) if method == "cdanet" else None
    return target, source


def _evaluate(model: ClickModel, logged: LoggedRows, since: datetime) -> RankerEvaluation:
    """Evaluate the ranker as it serves: without the position."""
    rows = logged.rows
    clicked = rows.labels > 0
    chances = model.predict_encoded(_without_position(rows.encoded))
    numbers = [field.name for field in FIELDS if field.kind == "number"]
    scores = np.expm1(rows.encoded.numbers[:, numbers.index("hit.score")].astype(np.float64))
    known = np.isfinite(scores)
    search = click_figures(scores[known], clicked[known], rows.groups[known]) if known.any() else None
    evaluation = RankerEvaluation(since.isoformat(), click_figures(chances, clicked, rows.groups), search)
    try:
        log, policy = first_positions(logged, chances)
        return replace(evaluation, first=snips(log, policy), earned=float(log.rewards.mean()))
    except BadInput:  # without randomized positions the reward of another order cannot be estimated
        return evaluation


def _without_position(rows: Encoded) -> Encoded:
    """Return the rows with every product at the first position."""
    hashed = [field for field in FIELDS if field.kind == "hashed"]
    place = [field.name for field in hashed].index("hit.position")
    ids = rows.ids.copy()
    ids[:, place] = bucket(1, hashed[place].held_in, hashed[place].buckets)
    return Encoded(ids, rows.numbers, rows.lists)


def _golden(catalog: Catalog) -> tuple[dict[str, list[object]], int]:
    """Return columns of some products of the shop and of an unknown one, and their number."""
    ids = [product.id for product, _ in zip(catalog.products(), range(15))]
    count = len(ids) + 1
    columns: dict[str, list[object]] = {
        "product.id": [*ids, "an unknown product"],
        "product.category": [f"category {at % 3}" for at in range(count)],
        "product.price": [None if at % 4 == 3 else 2.5 * at for at in range(count)],
        "hit.score": [at / count for at in range(count)],
        "hit.position": [1] * count,
        "shopper.recent": [ids[:2]] * count,
    }
    return columns, count


def _digest(rows: Encoded, labels: NDArray[np.float32]) -> str:
    digest = hashlib.sha256()
    for array in (rows.ids, rows.numbers, rows.lists, labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
