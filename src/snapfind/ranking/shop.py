"""Fit a click ranker to a shop's own events, and judge it on what was shown after it had learned."""

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
from snapfind.ranking.export import click_model, write_ranker
from snapfind.ranking.fit import ClickModelConfig, Method, fit
from snapfind.ranking.log import FIELDS, Logged, ShopDomain, first_places, read_log
from snapfind.ranking.off_policy import Estimate, snips
from snapfind.search.rerank.click_model import ClickModel, load
from snapfind.search.rerank.features import Encoded, bucket
from snapfind.training.loop import EpochMetrics

__all__ = ["RankerEvaluation", "evaluate_shop", "fit_shop"]

_LEARN, _CHOOSE = 0.7, 0.85  # parts of the log in order of time; the last part judges
_LEAST = 200  # rows that were clicked, below which nothing is fitted


@dataclass(frozen=True, slots=True)
class RankerEvaluation:
    """On rows shown since `since`: figures of the `ranker`, and of the scores that ordered them (`search`; None where
    the log has no scores). `first` is the click rate of the first place, estimated from the places that were drawn with
    a propensity, beside what the log earned there; None where none were.
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
    """Learn from the first 70 % of what was shown, choose the epoch on the next 15 %, judge on the rest.

    The artifact is written whole. Raises BadInput with fewer than 200 clicks.
    """
    target, source = _logs(catalog, domain, method)
    clicks = int(target.rows.labels.sum())
    if clicks < _LEAST:
        raise BadInput(f"{clicks} clicks in the domain {domain}; a ranker needs {_LEAST} or more to learn from")
    cuts = target.cut(_LEARN), target.cut(_CHOOSE)
    parts = target.between(None, cuts[0]), target.between(*cuts), target.between(cuts[1], None)
    # what the other domain shows after the cut would tell of the future
    helping = source.between(None, cuts[0]).rows if source is not None else None
    recipe = replace(ClickModelConfig(), plan=replace(ClickModelConfig().plan, seed=seed))
    fitted = fit(
        method,
        parts[0].rows,
        parts[1].rows,
        FIELDS,
        source=helping,
        source_fields=FIELDS,
        recipe=recipe,
        on_epoch=on_epoch,
    )
    model = click_model(fitted, FIELDS)
    judged = _judge(model, parts[2], cuts[1])
    manifest = {
        "space": catalog.folder.manifest.active,
        "method": method,
        "domain": domain,
        "seed": seed,
        "learned_until": cuts[1].isoformat(),
        "rows": len(parts[0]),
        "data_sha256": _digest(parts[0].rows.encoded, parts[0].rows.labels),
        "metrics": asdict(judged.ranker),
        "command": f"snapfind rank fit --domain {domain} --method {method} --seed {seed}",
    }
    write_ranker(artifact, model, *_golden(catalog), manifest)
    return judged


def evaluate_shop(catalog: Catalog, artifact: Path | None = None) -> RankerEvaluation:
    """The shop's own ranker, or that of an artifact, on what was shown since it learned. Raises NotFound, BadInput."""
    place = artifact or ranker_folder(catalog.folder)
    if not (place / "manifest.json").is_file():
        raise NotFound("this catalog has no click ranker; make one with: snapfind rank fit SHOP")
    model = load(place, catalog.folder.manifest.active)
    told = json.loads((place / "manifest.json").read_bytes())
    logged, _ = _logs(catalog, told["domain"], "single")
    since = datetime.fromisoformat(told["learned_until"])
    later = logged.between(since, None)
    if not len(later):
        raise BadInput(f"nothing was shown since {since.isoformat()}, when the ranker learned; come back later")
    return _judge(model, later, since)


def _logs(catalog: Catalog, domain: ShopDomain, method: Method) -> tuple[Logged, Logged | None]:
    products = {str(point.payload["_product"]): point.payload for point in catalog.points(where("_primary", [True]))}
    other: ShopDomain = "similar" if domain == "search" else "search"
    with tempfile.TemporaryDirectory(dir=catalog.folder.path, prefix=".rank-") as folder:
        events = Path(folder) / "events.parquet"
        export_events(catalog.events, events)
        target = read_log(events, products, domain, source=False)
        source = read_log(events, products, other, source=True) if method == "cdanet" else None
    return target, source


def _judge(model: ClickModel, logged: Logged, since: datetime) -> RankerEvaluation:
    """As it will serve: the place is not told."""
    rows = logged.rows
    clicked = rows.labels > 0
    chances = model.judge(_placeless(rows.encoded))
    numbers = [own.name for own in FIELDS if own.kind == "number"]
    scores = np.expm1(rows.encoded.numbers[:, numbers.index("hit.score")].astype(np.float64))
    known = np.isfinite(scores)
    search = click_figures(scores[known], clicked[known], rows.groups[known]) if known.any() else None
    judged = RankerEvaluation(since.isoformat(), click_figures(chances, clicked, rows.groups), search)
    try:
        log, policy = first_places(logged, chances)
        return replace(judged, first=snips(log, policy), earned=float(log.rewards.mean()))
    except BadInput:  # a shop that draws nothing cannot be told what another order would have earned
        return judged


def _placeless(rows: Encoded) -> Encoded:
    """Every product as if it stood first."""
    hashed = [own for own in FIELDS if own.kind == "hashed"]
    place = [own.name for own in hashed].index("hit.position")
    ids = rows.ids.copy()
    ids[:, place] = bucket(1, hashed[place].held_in, hashed[place].buckets)
    return Encoded(ids, rows.numbers, rows.lists)


def _golden(catalog: Catalog) -> tuple[dict[str, list[object]], int]:
    """Columns of a few products of the shop, and of one that it does not have."""
    ids = [product.id for product, _ in zip(catalog.products(), range(15))]
    count = len(ids) + 1
    columns: dict[str, list[object]] = {
        "product.id": [*ids, "a product that is not there"],
        "product.category": [f"category {at % 3}" for at in range(count)],
        "product.price": [None if at % 4 == 3 else 2.5 * at for at in range(count)],
        "hit.score": [at / count for at in range(count)],
        "hit.position": [1] * count,
        "shopper.recent": [ids[:2]] * count,
    }
    return columns, count


def _digest(rows: Encoded, labels: NDArray[np.float32]) -> str:
    found = hashlib.sha256()
    for array in (rows.ids, rows.numbers, rows.lists, labels):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
