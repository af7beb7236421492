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

__all__ = ["METHODS", "TWO_DOMAINS", "ClickFit", "ClickModelConfig", "Method", "fit", "predict_clicks"]

Method = Literal["single", "random", "dcn", "shared", "mmoe", "cdanet", "cdanet-uncrossed"]
METHODS: tuple[Method, ...] = get_args(Method)
TWO_DOMAINS: tuple[Method, ...] = ("shared", "mmoe", "cdanet", "cdanet-uncrossed")


_TRAINING = TrainingConfig(epochs=15, rate=2e-3, rates={"inputs.tables": 3e-4}, decay=1e-2, average=0.97, patience=4)


@dataclass(frozen=True, slots=True)
class ClickModelConfig:
    """Training configuration of a click model. The defaults were chosen on validation rows of the simulator.

    Attributes:
        size: Rows of each domain per batch.
        steps: Batches per epoch.
        across: Weight of the loss of translated latents (CDAnet).
        transfer_rate: Learning rate of transferred layers in the second stage, relative to the rate of the first.
        training: Configuration of the training loop.
    """

    size: int = 512
    steps: int = 60
    across: float = 0.5
    transfer_rate: float = 0.1
    training: TrainingConfig = field(default_factory=lambda: _TRAINING)


@dataclass(frozen=True, slots=True)
class ClickFit:
    """A fitted click model.

    Attributes:
        network: The network. Its logits are those of the target.
        method: The method.
        scale: Factor of the logits (Platt 1999).
        shift: Offset of the logits.
        auc: AUROC 0..1 on the validation rows.
    """

    network: ClickNetwork
    method: Method
    scale: float
    shift: float
    auc: float


def fit(
    method: Method,
    target: Rows,
    validation: Rows,
    fields: Sequence[Field],
    *,
    source: Rows | None = None,
    source_fields: Sequence[Field] = (),
    config: ClickModelConfig | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> ClickFit:
    """Fit a click model.

    Rows are encoded by the fields of both domains, those of the target first.

    Args:
        method: The method.
        target: Training rows of the target.
        validation: Rows of the target that select the epoch and calibrate the logits.
        fields: Fields of the target.
        source: Training rows of the source, for methods with two domains.
        source_fields: Fields of the source.
        config: Configuration.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The fitted model.

    Raises:
        BadInput: There are no clicks, only clicks, or no rows of the source.
    """
    if not 0 < float(target.labels.sum()) < len(target):
        raise BadInput("The target log needs rows with a click and rows without one.")
    if not 0 < float(validation.labels.sum()) < len(validation):
        raise BadInput("The validation rows need some with a click and some without one. Give more.")
    if method in TWO_DOMAINS and (source is None or not len(source)):
        raise BadInput(f"Method {method} needs rows of a second domain. Give them, or use single.")
    config = config or ClickModelConfig()
    torch.manual_seed(config.training.seed)
    joint = [target, source] if source is not None and method in TWO_DOMAINS else [target]
    union = [*fields, *(own for own in source_fields if own not in fields)]
    inputs = Inputs(union, joint)
    network = _build_network(method, inputs, fields, source_fields, config)
    network = _train_network(network, joint, validation, config, config.training, on_epoch)
    if isinstance(network, Translation):
        second = Augmentation(network)
        slow = dict.fromkeys(("inputs", "extract", "translate"), config.transfer_rate * config.training.rate)
        network = _train_network(second, [target], validation, config, replace(config.training, rates=slow), on_epoch)
    logits = _logits(network, validation)
    scale, shift = _platt(logits, validation.labels)
    return ClickFit(network, method, scale, shift, auroc(logits.tolist(), (validation.labels > 0).tolist()))


def predict_clicks(fitted: ClickFit, rows: Rows) -> NDArray[np.float64]:
    """Predict calibrated click probabilities.

    Args:
        fitted: The fitted model.
        rows: Rows of the target.

    Returns:
        (n,) float64 probabilities 0..1.
    """
    probabilities: NDArray[np.float64] = 1 / (
        1 + np.exp(-np.clip(fitted.scale * _logits(fitted.network, rows) + fitted.shift, -30, 30))
    )
    return probabilities


def _build_network(
    method: Method, inputs: Inputs, fields: Sequence[Field], source_fields: Sequence[Field], config: ClickModelConfig
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
    across = config.across if method == "cdanet" else 0.0
    return Translation(inputs, fields, source_fields, across=across)


def _train_network(
    network: ClickNetwork,
    parts: Sequence[Rows],
    validation: Rows,
    config: ClickModelConfig,
    training: TrainingConfig,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> ClickNetwork:
    # an epoch uses each row of a domain at most once, because few rows that are used often are overfitted
    counts = [max(16, min(config.size, len(part) // config.steps)) for part in parts]
    batch = mixed_batches(parts, counts, steps=config.steps, seed=training.seed)
    clicked = (validation.labels > 0).tolist()

    def score(module: nn.Module) -> float:
        assert isinstance(module, ClickNetwork)
        return auroc(_logits(module, validation).tolist(), clicked)

    best = train(network, batch, config.steps, training, score=score, on_epoch=on_epoch).module
    assert isinstance(best, ClickNetwork)
    return best.requires_grad_(True)


@torch.no_grad()
def _logits(network: ClickNetwork, rows: Rows) -> NDArray[np.float64]:
    parts = (rows.take(slice(at, at + 8192)) for at in range(0, len(rows), 8192))
    logits = [network.logits(*tensors(part)[:3]).numpy() for part in parts]
    return np.concatenate(logits).astype(np.float64) if logits else np.zeros(0)


def _platt(logits: NDArray[np.float64], labels: NDArray[np.float32]) -> tuple[float, float]:
    """Fit scale and shift by Newton's method on the cross-entropy. The scale stays positive."""
    x, y = np.column_stack([logits, np.ones(len(logits))]), labels.astype(np.float64)
    weights = np.array(
        [0.0, np.log((y.mean() + 1e-3) / (1 - y.mean() + 1e-3))]
    )  # from a flat start it cannot overshoot
    for _ in range(30):
        probabilities = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (probabilities - y) + 1e-3 * weights
        hessian = (x * (probabilities * (1 - probabilities))[:, None]).T @ x + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if float(np.abs(step).max()) < 1e-9:
            break
    return (float(weights[0]), float(weights[1])) if weights[0] > 0 else (1.0, 0.0)
