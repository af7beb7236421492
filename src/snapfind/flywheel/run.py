"""One turn: labels from what shoppers did, a model learned from them, judged, and put on trial when every guard holds.

Nothing that shoppers see changes before the last step, which is one write of the manifest, and each step leaves the
catalog whole: a turn that is interrupted is begun again.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from snapfind._version import __version__
from snapfind.catalog.catalog import Catalog
from snapfind.catalog.read import Reading
from snapfind.core.errors import BadInput, NotFound
from snapfind.evaluation.queries import LabeledQuery
from snapfind.evaluation.report import Report
from snapfind.evaluation.run import run as ask_all
from snapfind.events.parquet import export_events
from snapfind.events.statistics import coverage, exploration
from snapfind.flywheel import ab_test, gates
from snapfind.flywheel.config import Rules
from snapfind.flywheel.gates import Guard
from snapfind.flywheel.labels import Candidate, capped, labels, parted
from snapfind.flywheel.records import Turn, data_hash, number_of_next, turns, write
from snapfind.training.requirements import need_torch

__all__ = ["conclude", "folder_of", "run"]

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Log:
    """What the events say: labels to learn from and held out, impressions of each product, how open the loop is."""

    learnable: list[Candidate]
    held: list[Candidate]
    shown: dict[str, int]
    exploration: float
    coverage: float


def folder_of(catalog: Reading) -> Path:
    """Where the records lie."""
    return catalog.folder.path / "flywheel"


def run(catalog: Catalog, rules: Rules, frozen: Sequence[LabeledQuery] = (), tell: Tell = lambda _: None) -> Turn:
    """One turn, recorded. `frozen` are labeled photos that never change; without them only fresh ones judge.

    Raises BadInput while a trial is under way, ExtraMissing without PyTorch where a network learns.
    """
    if rules.depth != "fit":
        need_torch()
    if catalog.trial is not None:
        raise BadInput(f"{catalog.trial.model} is on trial; conclude that first")
    began, before = _now(), catalog.folder.manifest.active
    log = _read(catalog, rules)
    tell(f"{len(log.learnable)} labeled photos to learn from, {len(log.held)} held out")
    checks = [
        gates.enough(log.learnable, rules),
        gates.not_one_sided([*log.learnable, *log.held], log.shown),
        gates.wide_enough(log.exploration, log.coverage, rules),
    ]
    data = {
        "sha256": data_hash(log.learnable),
        "photos": len(log.learnable),
        "held_out": len(log.held),
        "products": len({one.product for one in log.learnable}),
        "newest": max((one.at.isoformat() for one in log.learnable), default=""),
    }
    turn = Turn(number_of_next(folder_of(catalog)), began, "", __version__, asdict(rules), data, before, guards=checks)
    if all(check.holds for check in checks):
        turn = _learned(catalog, turn, rules, log, frozen, tell)
    failed = next((check for check in turn.guards if not check.holds), None)
    if failed is None:
        turn = _promoted(catalog, turn, rules)
    else:
        turn = replace(turn, decision="stopped", why=f"{failed.name}: {failed.told}")
        if turn.model and turn.model != before:
            catalog.models.delete(turn.model)
    turn = replace(turn, finished=_now())
    write(folder_of(catalog), turn)
    return turn


def conclude(catalog: Catalog, *, votes: int = 50, alpha: float = 0.05, force: bool = False) -> Turn:
    """Ends the trial once shoppers have decided it: switches where they prefer the new model, else keeps the old one.

    Below `votes` decided votes nothing changes unless `force`; then, as with enough votes and no clear preference, the
    old model stays. Raises NotFound without a trial.
    """
    trial, folder = catalog.trial, folder_of(catalog)
    if trial is None:
        raise NotFound("there is no trial under way")
    found = ab_test.judge(catalog.trial_log, catalog.events.read(since=datetime.fromisoformat(trial.began)))
    turn = next((one for one in [*turns(folder)][::-1] if one.model == trial.model), None) or Turn(
        number_of_next(folder), trial.began, "", __version__, {}, {}, catalog.folder.manifest.active, trial.model
    )
    told = asdict(found) | {"preference": round(found.preference, 4)}
    decided = found.active + found.other
    said = f"{found.other} of {decided} decided votes for {trial.model}, p {found.p:.3f}"
    if decided < votes and not force:
        turn = replace(turn, verdict=told, why=f"{said}; {votes} votes decide")
    elif found.p < alpha and found.preference > 0.5:
        catalog.models.switch(trial.model)
        turn = replace(turn, verdict=told, decision="switched", why=said, finished=_now())
    else:
        catalog.models.try_out(None)
        turn = replace(turn, verdict=told, decision="kept", why=f"{said}; the old model stays", finished=_now())
        catalog.models.delete(turn.model)
    write(folder, turn)
    return turn


def _read(catalog: Catalog, rules: Rules) -> _Log:
    learnable, held = parted(capped(labels(catalog), rules.a_session, rules.a_product), rules.fresh)
    shown: dict[str, int] = {}
    for event in catalog.events.read(kind="search"):
        for product in event.results:
            shown[product] = shown.get(product, 0) + 1
    with tempfile.TemporaryDirectory() as spare:
        table = Path(spare) / "events.parquet"
        if not export_events(catalog.events, table):
            return _Log(learnable, held, shown, 0.0, 0.0)
        wide = coverage(table, max(1, len(catalog))).share
        return _Log(learnable, held, shown, exploration(table).share, wide)


def _learned(catalog: Catalog, turn: Turn, rules: Rules, log: _Log, frozen: Sequence[LabeledQuery], tell: Tell) -> Turn:
    """The turn with its model, built beside the old one, and what the two give on both sets."""
    name = _fitted(catalog, log) if rules.depth == "fit" else _taught(catalog, rules, log, turn.number, tell)
    fresh = [LabeledQuery(one.search, one.photo, None, frozenset({one.product})) for one in log.held]
    checks, metrics = list(turn.guards), {}
    for kind, asked in (("fresh", fresh), ("frozen", frozen)):
        if asked:
            before, after = (Report(tuple(ask_all(catalog, asked, model=model)[0])) for model in (None, name))
            checks += [
                gates.proved(kind, before, after, rules),
                gates.no_slice_falls(kind, before, after, rules),
            ]
            metrics[kind] = {"photos": len(after.answered), "before": _figures(before), "after": _figures(after)}
            tell(f"{kind} set: {checks[-2].told}")
    if not metrics:
        checks.append(Guard("judged", False, "no photo was held out and no frozen set was given"))
    return replace(turn, model=name, metrics=metrics, guards=checks)


def _fitted(catalog: Catalog, log: _Log) -> str:
    """A model in closed form, of the labels and of the kept photos that settled nothing."""
    spoken = {one.photo for one in (*log.learnable, *log.held)}
    others = [photo for photo in sorted(catalog.asked) if photo not in spoken]
    return catalog.models.fit_beside(others, [(one.photo, one.product) for one in log.learnable])


def _taught(catalog: Catalog, rules: Rules, log: _Log, number: int, tell: Tell) -> str:
    """A model that learned from the labels by gradient descent."""
    from snapfind.training.data.samples import gather
    from snapfind.training.methods.catalog_adaptation import adapt, within

    assert rules.depth != "fit"
    shown, _, _ = gather(catalog, [(one.photo, one.product) for one in log.learnable])
    step = within(rules.depth, rules.minutes, shown, rules.seed + number)
    with tempfile.TemporaryDirectory(dir=catalog.folder.path) as work:
        command = f"snapfind flywheel run --depth {rules.depth} --minutes {rules.minutes:g} --seed {rules.seed}"
        found = adapt(shown, Path(work) / "artifact", Path(work), depth=rules.depth, step=step, command=command)
        tell(f"learned: {found.before:.3f} -> {found.after:.3f} on photos held out of the labels")
        return catalog.models.adopt(found.folder)


def _figures(report: Report) -> dict[str, float]:
    return {name: round(figure.mean, 4) for name, figure in report.figures("product").items()}


def _promoted(catalog: Catalog, turn: Turn, rules: Rules) -> Turn:
    if turn.model == turn.model_before:
        return replace(turn, decision="kept", why="the same model was learned again")
    if rules.share:
        catalog.models.try_out(turn.model, rules.share)
        return replace(
            turn, decision="trial", why=f"it answers {rules.share:.0%} of the photo searches beside the old one"
        )
    catalog.models.switch(turn.model)
    return replace(turn, decision="switched", why="every guard holds and no trial was asked for")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
