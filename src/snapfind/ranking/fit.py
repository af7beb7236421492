"""Fitting a click model by any of the methods, with the same data, budget and choice of epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.core.errors import BadInput
from snapfind.evaluation.calibration import auroc
from snapfind.ranking.cdanet import Augmentation, Translation
from snapfind.ranking.networks import HIDDEN, ClickNetwork, CrossNetwork, Inputs, Mixture, SharedBottom, SingleDomain
from snapfind.ranking.rows import Rows, mixed_batches, tensors
from snapfind.search.rerank.features import Field
from snapfind.training.loop import EpochMetrics, TrainingConfig, train

__all__ = ["METHODS", "TWO_DOMAINS", "ClickFit", "ClickModelConfig", "Method", "chances", "fit"]

Method = Literal["single", "random", "dcn", "shared", "mmoe", "cdanet", "cdanet-uncrossed"]
METHODS: tuple[Method, ...] = get_args(Method)
TWO_DOMAINS: tuple[Method, ...] = ("shared", "mmoe", "cdanet", "cdanet-uncrossed")


_PLAN = TrainingConfig(epochs=15, rate=2e-3, rates={"inputs.tables": 3e-4}, decay=1e-2, average=0.97, patience=4)


@dataclass(frozen=True, slots=True)
class ClickModelConfig:
    """How to train. A batch holds `size` rows of each domain, an epoch `steps` batches, however many rows there are;
    `across` is the weight of the cross supervision, `kept_rate` the rate of what the second stage takes over, as a
    part of the plan's. The defaults were chosen on the simulator's rows to choose by.
    """

    size: int = 512
    steps: int = 60
    across: float = 0.5
    kept_rate: float = 0.1
    plan: TrainingConfig = field(default_factory=lambda: _PLAN)


@dataclass(frozen=True, slots=True)
class ClickFit:
    """`network` gives logits of the target domain; `scale` and `shift` calibrate them (Platt 1999); `auc` is that of
    the rows that chose the epoch.
    """

    network: ClickNetwork
    method: Method
    scale: float
    shift: float
    auc: float


def fit(
    method: Method,
    target: Rows,
    chosen_by: Rows,
    fields: Sequence[Field],
    *,
    source: Rows | None = None,
    source_fields: Sequence[Field] = (),
    recipe: ClickModelConfig | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> ClickFit:
    """Learn from `target` (and `source`); the epoch and the calibration are chosen on `chosen_by`, rows of the target.

    Rows are encoded by the union of both domains' fields, the target's first. Raises BadInput.
    """
    if not 0 < float(target.labels.sum()) < len(target):
        raise BadInput("the log of the target needs rows that were clicked and rows that were not")
    if not 0 < float(chosen_by.labels.sum()) < len(chosen_by):
        raise BadInput("the rows that choose the epoch need some that were clicked and some that were not; give more")
    if method in TWO_DOMAINS and (source is None or not len(source)):
        raise BadInput(f"method {method} learns from two domains; give the rows of the other one, or take single")
    recipe = recipe or ClickModelConfig()
    torch.manual_seed(recipe.plan.seed)
    joint = [target, source] if source is not None and method in TWO_DOMAINS else [target]
    union = [*fields, *(own for own in source_fields if own not in fields)]
    inputs = Inputs(union, joint)
    network = _made(method, inputs, fields, source_fields, recipe)
    network = _trained(network, joint, chosen_by, recipe, recipe.plan, on_epoch)
    if isinstance(network, Translation):
        second = Augmentation(network)
        slow = dict.fromkeys(("inputs", "extract", "translate"), recipe.kept_rate * recipe.plan.rate)
        network = _trained(second, [target], chosen_by, recipe, replace(recipe.plan, rates=slow), on_epoch)
    logits = _logits(network, chosen_by)
    scale, shift = _platt(logits, chosen_by.labels)
    return ClickFit(network, method, scale, shift, auroc(logits.tolist(), (chosen_by.labels > 0).tolist()))


def chances(fitted: ClickFit, rows: Rows) -> NDArray[np.float64]:
    """(n,) calibrated chance 0..1 of a click on each row of the target."""
    found: NDArray[np.float64] = 1 / (
        1 + np.exp(-np.clip(fitted.scale * _logits(fitted.network, rows) + fitted.shift, -30, 30))
    )
    return found


def _made(
    method: Method, inputs: Inputs, fields: Sequence[Field], source_fields: Sequence[Field], recipe: ClickModelConfig
) -> ClickNetwork:
    if method == "single":
        return SingleDomain(inputs, fields)
    if method == "random":
        return SingleDomain(inputs, fields, projected=HIDDEN[-1])
    if method == "dcn":
        return CrossNetwork(inputs, fields)
    if method == "shared":
        return SharedBottom(inputs)
    if method == "mmoe":
        return Mixture(inputs)
    across = recipe.across if method == "cdanet" else 0.0
    return Translation(inputs, fields, source_fields, across=across)


def _trained(
    network: ClickNetwork,
    parts: Sequence[Rows],
    chosen_by: Rows,
    recipe: ClickModelConfig,
    plan: TrainingConfig,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> ClickNetwork:
    # an epoch goes at most once through the rows of a domain: few rows seen often are learned by heart
    counts = [max(16, min(recipe.size, len(part) // recipe.steps)) for part in parts]
    batch = mixed_batches(parts, counts, steps=recipe.steps, seed=plan.seed)
    clicked = (chosen_by.labels > 0).tolist()

    def score(module: nn.Module) -> float:
        assert isinstance(module, ClickNetwork)
        return auroc(_logits(module, chosen_by).tolist(), clicked)

    best = train(network, batch, recipe.steps, plan, score=score, on_epoch=on_epoch).module
    assert isinstance(best, ClickNetwork)
    return best.requires_grad_(True)


@torch.no_grad()
def _logits(network: ClickNetwork, rows: Rows) -> NDArray[np.float64]:
    parts = (rows.take(slice(at, at + 8192)) for at in range(0, len(rows), 8192))
    said = [network.logits(*tensors(part)[:3]).numpy() for part in parts]
    return np.concatenate(said).astype(np.float64) if said else np.zeros(0)


def _platt(logits: NDArray[np.float64], labels: NDArray[np.float32]) -> tuple[float, float]:
    """Scale and shift of least cross entropy, by Newton's method; the scale stays above 0."""
    x, y = np.column_stack([logits, np.ones(len(logits))]), labels.astype(np.float64)
    weights = np.array(
        [0.0, np.log((y.mean() + 1e-3) / (1 - y.mean() + 1e-3))]
    )  # from a flat start it cannot overshoot
    for _ in range(30):
        said = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (said - y) + 1e-3 * weights
        hessian = (x * (said * (1 - said))[:, None]).T @ x + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if float(np.abs(step).max()) < 1e-9:
            break
    return (float(weights[0]), float(weights[1])) if weights[0] > 0 else (1.0, 0.0)
