"""Flywheel run: labels from clicks, a model trained on them, evaluation, quality gates, and an A/B test.

Nothing that shoppers see changes before the last step, which writes the manifest once. An interrupted run leaves the
catalog valid and can be started again.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from snapfind._version import __version__
from snapfind.catalog.catalog import Catalog
from snapfind.catalog.read import CatalogReader
from snapfind.core.errors import BadInput, NotFound
from snapfind.evaluation.queries import LabeledQuery
from snapfind.evaluation.report import Report
from snapfind.evaluation.run import evaluate
from snapfind.events.parquet import export_events
from snapfind.events.statistics import coverage, exploration
from snapfind.flywheel import gates
from snapfind.flywheel.ab_test import count_votes
from snapfind.flywheel.config import FlywheelConfig
from snapfind.flywheel.gates import GateResult
from snapfind.flywheel.labels import ClickLabel, cap_labels, read_labels, split_labels
from snapfind.flywheel.records import FlywheelRun, data_hash, next_number, read_runs, write_run
from snapfind.training.requirements import need_torch

__all__ = ["conclude_experiment", "folder_of", "run_flywheel"]

OnProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Log:
    """Labels and statistics of the events."""

    train: list[ClickLabel]
    test: list[ClickLabel]
    impressions: dict[str, int]
    exploration: float
    coverage: float


def folder_of(catalog: CatalogReader) -> Path:
    """Return the folder of the run records of a catalog.

    Args:
        catalog: Catalog or replica.

    Returns:
        The folder. It is missing before the first run.
    """
    return catalog.folder.path / "flywheel"


def run_flywheel(
    catalog: Catalog,
    config: FlywheelConfig,
    frozen: Sequence[LabeledQuery] = (),
    on_progress: OnProgress = lambda _: None,
) -> FlywheelRun:
    """Start a flywheel run and write its record.

    Args:
        catalog: Catalog with events and stored query photos.
        config: Options of the run.
        frozen: Fixed test set. Without it the new model is tested on held-out clicks only.
        on_progress: Called with a sentence after each step.

    Returns:
        The record. Its decision is "stopped", "experiment", "switched" or "kept".

    Raises:
        BadInput: An experiment is running.
        ExtraMissing: `config.depth` is not "fit" and PyTorch is not installed.
    """
    if config.depth != "fit":
        need_torch()
    if catalog.trial is not None:
        raise BadInput(f"an experiment with {catalog.trial.model} is running; conclude it first")
    started, before = _now(), catalog.folder.manifest.active
    log = _read_log(catalog, config)
    on_progress(f"{len(log.train)} labeled photos for training, {len(log.test)} held out")
    results = [
        gates.check_label_count(log.train, config),
        gates.check_label_balance([*log.train, *log.test], log.impressions),
        gates.check_exposure(log.exploration, log.coverage, config),
    ]
    data = {
        "sha256": data_hash(log.train),
        "photos": len(log.train),
        "held_out": len(log.test),
        "products": len({label.product for label in log.train}),
        "newest": max((label.at.isoformat() for label in log.train), default=""),
    }
    number = next_number(folder_of(catalog))
    record = FlywheelRun(number, started, "", __version__, asdict(config), data, before, gates=results)
    if all(result.passed for result in results):
        record = _train_and_evaluate(catalog, record, config, log, frozen, on_progress)
    failed = next((result for result in record.gates if not result.passed), None)
    if failed is None:
        record = _deploy(catalog, record, config)
    else:
        record = replace(record, decision="stopped", reason=f"{failed.name}: {failed.detail}")
        if record.model and record.model != before:
            catalog.models.delete(record.model)
    record = replace(record, finished=_now())
    write_run(folder_of(catalog), record)
    return record


def conclude_experiment(catalog: Catalog, *, votes: int = 50, alpha: float = 0.05, force: bool = False) -> FlywheelRun:
    """End the experiment if it is decided: switch if shoppers prefer the new model, else keep the old one.

    Args:
        catalog: Catalog with a running experiment.
        votes: Minimum number of decided votes. With fewer nothing changes.
        alpha: Significance level of the sign test, 0..1. Without a significant preference the old model stays.
        force: Whether to end the experiment with fewer votes.

    Returns:
        The updated record.

    Raises:
        NotFound: No experiment is running.
    """
    trial, folder = catalog.trial, folder_of(catalog)
    if trial is None:
        raise NotFound("no experiment is running; start one with a flywheel run")
    result = count_votes(catalog.trial_log, catalog.events.read(since=datetime.fromisoformat(trial.began)))
    record = next((one for one in [*read_runs(folder)][::-1] if one.model == trial.model), None) or FlywheelRun(
        next_number(folder), trial.began, "", __version__, {}, {}, catalog.folder.manifest.active, trial.model
    )
    decided = result.active + result.other
    summary = f"{result.other} of {decided} decided votes for {trial.model}, p {result.p:.3f}"
    record = replace(record, experiment=asdict(result) | {"preference": round(result.preference, 4)})
    if decided < votes and not force:
        record = replace(record, reason=f"{summary}; {votes} votes are needed")
    elif result.p < alpha and result.preference > 0.5:
        catalog.models.switch(trial.model)
        record = replace(record, decision="switched", reason=summary, finished=_now())
    else:
        catalog.models.try_out(None)
        record = replace(record, decision="kept", reason=f"{summary}; the old model stays", finished=_now())
        catalog.models.delete(record.model)
    write_run(folder, record)
    return record


def _read_log(catalog: Catalog, config: FlywheelConfig) -> _Log:
    labels = cap_labels(read_labels(catalog), config.max_per_session, config.max_per_product)
    train, test = split_labels(labels, config.holdout_every)
    impressions: dict[str, int] = {}
    for event in catalog.events.read(kind="search"):
        for product in event.results:
            impressions[product] = impressions.get(product, 0) + 1
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "events.parquet"
        if not export_events(catalog.events, table):
            return _Log(train, test, impressions, 0.0, 0.0)
        covered = coverage(table, max(1, len(catalog))).share
        return _Log(train, test, impressions, exploration(table).share, covered)


def _train_and_evaluate(
    catalog: Catalog,
    record: FlywheelRun,
    config: FlywheelConfig,
    log: _Log,
    frozen: Sequence[LabeledQuery],
    on_progress: OnProgress,
) -> FlywheelRun:
    """Train the model, build its vectors beside the old ones, and evaluate both models on both test sets."""
    name = _fit(catalog, log) if config.depth == "fit" else _train(catalog, config, log, record.number, on_progress)
    fresh = [LabeledQuery(label.search, label.photo, None, frozenset({label.product})) for label in log.test]
    results, metrics = list(record.gates), {}
    for test_set, queries in (("fresh", fresh), ("frozen", frozen)):
        if queries:
            before, after = (Report(tuple(evaluate(catalog, queries, model=model)[0])) for model in (None, name))
            overall = gates.check_overall(test_set, before, after, config)
            results += [overall, gates.check_slices(test_set, before, after, config)]
            metrics[test_set] = {"photos": len(after.queries), "before": _means(before), "after": _means(after)}
            on_progress(f"{test_set} set: {overall.detail}")
    if not metrics:
        results.append(GateResult("evaluated", False, "no photo is held out and there is no fixed test set"))
    return replace(record, model=name, metrics=metrics, gates=results)


def _fit(catalog: Catalog, log: _Log) -> str:
    """Fit the closed-form adapter on the labels and on the stored query photos without a label."""
    labeled = {label.photo for label in (*log.train, *log.test)}
    unlabeled = [photo for photo in sorted(catalog.query_photos) if photo not in labeled]
    return catalog.models.fit_beside(unlabeled, [(label.photo, label.product) for label in log.train])


def _train(catalog: Catalog, config: FlywheelConfig, log: _Log, number: int, on_progress: OnProgress) -> str:
    """Train on the labels by gradient descent."""
    from snapfind.training.data.samples import gather
    from snapfind.training.methods.catalog_adaptation import adapt, within

    assert config.depth != "fit"
    samples, _, _ = gather(catalog, [(label.photo, label.product) for label in log.train])
    step = within(config.depth, config.minutes, samples, config.seed + number)
    with tempfile.TemporaryDirectory(dir=catalog.folder.path) as work:
        command = f"snapfind flywheel run --depth {config.depth} --minutes {config.minutes:g} --seed {config.seed}"
        result = adapt(samples, Path(work) / "artifact", Path(work), depth=config.depth, step=step, command=command)
        on_progress(f"trained: {result.before:.3f} -> {result.after:.3f} on photos held out of the labels")
        return catalog.models.adopt(result.folder)


def _means(report: Report) -> dict[str, float]:
    return {name: round(figure.mean, 4) for name, figure in report.figures("product").items()}


def _deploy(catalog: Catalog, record: FlywheelRun, config: FlywheelConfig) -> FlywheelRun:
    """Start the experiment, or switch to the new model at once."""
    if record.model == record.model_before:
        return replace(record, decision="kept", reason="training gave the same model again")
    if config.share:
        catalog.models.try_out(record.model, config.share)
        reason = f"it answers {config.share:.0%} of the photo searches beside the old one"
        return replace(record, decision="experiment", reason=reason)
    catalog.models.switch(record.model)
    return replace(record, decision="switched", reason="all quality gates passed; no experiment was requested")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
