"""Training loop shared by all methods: AdamW, warm-up and cosine decay, averaged weights, early stopping, checkpoints.

A method passes a module whose `forward(*batch)` returns a loss, a function that returns one batch of an epoch, and
optionally a function that scores the averaged weights. The loop runs on any device, in float32 or bfloat16. It also
runs on several processes if torch.distributed is initialized: then `batch` returns the rows of its own rank, and the
time and score of rank 0 decide when all ranks stop. A run that resumes from a checkpoint (training/checkpoint.py)
produces the same numbers as a run without interruption.

Weight decay applies only to parameters with two axes or more. Biases, gains and scales are excluded, as in CLIP
(Radford et al., arXiv 2103.00020, section 2.5).
"""

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from snapfind.core.errors import BadInput
from snapfind.training import checkpoint

__all__ = ["Batch", "EpochMetrics", "Outcome", "TrainingConfig", "train"]

Batch = Callable[[int, int], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Training configuration.

    `rates` maps prefixes of parameter names to peak learning rates. All other parameters use `rate`.
    """

    epochs: int = 12
    rate: float = 1e-3
    rates: Mapping[str, float] = field(default_factory=dict)
    decay: float = 1e-4  # weight decay of parameters with two axes or more
    warm: float = 0.05  # fraction of the steps used for warm-up
    average: float = 0.99  # decay per step of the averaged weights
    patience: int = 0  # epochs without a better score before early stopping, 0 disables it
    minutes: float = 0.0  # time limit: the number of epochs is reduced to fit, 0 sets no limit
    clip: float = 5.0  # largest gradient norm
    seed: int = 0
    device: str = "cpu"
    bfloat16: bool = False


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """Metrics of one epoch (1-based): mean loss, rows per second over all processes, and the score if there is one."""

    epoch: int
    epochs: int
    loss: float
    speed: float
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a training run.

    `module` holds the averaged weights of the best epoch on the CPU. Without scores this is the last epoch. `epoch` is
    the number of that epoch, and `seconds` is the training time.
    """

    module: nn.Module
    history: tuple[EpochMetrics, ...]
    epoch: int
    seconds: float


def train(
    module: nn.Module,
    batch: Batch,
    steps: int,
    config: TrainingConfig,
    *,
    score: Callable[[nn.Module], float] | None = None,
    validation_count: int = 0,
    checkpoint_folder: Path | None = None,
    data_fingerprint: str = "",
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Outcome:
    """Train `module` in place.

    Args:
        module: `forward(*batch)` returns a scalar loss.
        batch: Called with (epoch, step), both 0-based. The result must depend on these two numbers only.
        steps: Batches per epoch.
        config: Training configuration.
        score: Scores the averaged weights after each epoch, higher is better.
        validation_count: Number of photos that the score (a fraction of them) is measured on. If it is positive, the
            latest epoch within one standard error of the best is selected (Breiman et al., Classification and
            Regression Trees, 1984). Otherwise the best epoch is selected.
        checkpoint_folder: Folder of the checkpoint. A run resumes from a checkpoint of the same run. A checkpoint of a
            finished, different run is replaced.
        data_fingerprint: Identifies the data and the method, as far as `config` does not (`checkpoint.fingerprint`).
        on_epoch: Called on rank 0 with the metrics of each epoch.

    Returns:
        The averaged weights of the selected epoch and the history.

    Raises:
        BadInput: The checkpoint belongs to a different, unfinished run or has another format, the ranks do not see the
            same checkpoint, or the loss is NaN or infinite.
        NoRoom: The checkpoint cannot be written.
    """
    run = _Run(module, steps, config, validation_count, checkpoint_folder, data_fingerprint)
    while run.has_next_epoch():
        start = time.monotonic()
        loss, rows = run.train_epoch(batch)
        value = None if score is None else score(run.averaged)
        loss, rows, seconds, value = _synchronize(loss, rows, time.monotonic() - start, value, run.device)
        run.record(EpochMetrics(run.done, run.epochs, loss, rows / seconds, value), seconds)
        if on_epoch is not None and _rank() == 0:
            on_epoch(run.history[-1])
    return Outcome(run.best.cpu(), tuple(run.history), run.best_epoch, run.seconds)


class _Run:
    """State of a run, as in the checkpoint: module, averaged weights, best weights, optimizer and counters."""

    def __init__(
        self,
        module: nn.Module,
        steps: int,
        config: TrainingConfig,
        validation_count: int,
        checkpoint_folder: Path | None,
        data_fingerprint: str,
    ) -> None:
        self.config, self.steps, self.validation_count = config, steps, validation_count
        self.checkpoint_folder, self.data_fingerprint = checkpoint_folder, data_fingerprint
        self.done, self.epochs, self.best_epoch, self.seconds = 0, config.epochs, 0, 0.0
        self.history: list[EpochMetrics] = []
        self.device = torch.device(config.device)
        self.module = module.to(self.device)
        self.averaged = copy.deepcopy(self.module).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.averaged)
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=config.decay)
        parallel = distributed.is_available() and distributed.is_initialized()
        self.outer: nn.Module = DistributedDataParallel(self.module) if parallel else self.module
        self._load()
        if parallel:
            _check_same_epoch(self.done, self.device)

    def _groups(self) -> list[dict[str, object]]:
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                rates = (rate for start, rate in self.config.rates.items() if name.startswith(start))
                decay = self.config.decay if parameter.ndim > 1 else 0.0
                groups.setdefault((next(rates, self.config.rate), decay), []).append(parameter)
        return [
            {"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay}
            for (rate, decay), parameters in groups.items()
        ]

    def has_next_epoch(self) -> bool:
        """Return whether the epochs, the time limit and the patience allow another epoch."""
        waited = self.done - self.best_epoch
        return self.done < self.epochs and not (
            0 < self.config.patience <= waited and self.history[-1].score is not None
        )

    def train_epoch(self, batch: Batch) -> tuple[float, int]:
        """Train one epoch and return the mean loss and the number of rows of this process."""
        torch.manual_seed(1_000_003 * self.config.seed + 1_009 * self.done + _rank())
        self.module.train()
        total, rows = 0.0, 0
        for step in range(self.steps):
            parts = tuple(part.to(self.device) for part in batch(self.done, step))
            total += self._step(parts, self.done * self.steps + step)
            rows += len(parts[0])
        self.done += 1
        for mean, current in zip(self.averaged.buffers(), self.module.buffers()):
            mean.copy_(current)  # batch norm statistics are running means already
        return total / self.steps, rows

    def _step(self, parts: tuple[Tensor, ...], step: int) -> float:
        factor = _warm_cosine(step, self.steps * self.epochs, self.config.warm)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            loss: Tensor = self.outer(*parts)
        if not torch.isfinite(loss):
            raise BadInput(f"Loss is NaN or infinite at step {step}. Lower --rate.")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.module.parameters(), self.config.clip)
        self.optimizer.step()
        decay = min(
            self.config.average, (step + 1) / (step + 10)
        )  # small at first, so that the initial weights fade quickly
        with torch.no_grad():
            for mean, current in zip(self.averaged.parameters(), self.module.parameters()):
                if current.requires_grad:
                    mean.lerp_(current, 1 - decay)
        return float(loss.detach())

    def record(self, metrics: EpochMetrics, seconds: float) -> None:
        """Record an epoch: update the history, the best weights, the number of epochs and the checkpoint."""
        better = self._is_better(metrics.score)
        self.history.append(metrics)
        self.seconds += seconds
        if better:
            self.best.load_state_dict(self.averaged.state_dict())
            self.best_epoch = self.done
        self._limit_epochs()
        if self.checkpoint_folder is not None and _rank() == 0:
            self._save(self.checkpoint_folder)

    def _limit_epochs(self) -> None:
        """Reduce the number of epochs to what fits into the time limit."""
        if self.config.minutes and self.done:
            left = max(0.0, self.config.minutes * 60 - self.seconds)
            self.epochs = min(self.config.epochs, self.done + int(left * self.done / self.seconds))

    def _is_better(self, score: float | None) -> bool:
        scores = [old.score for old in self.history if old.score is not None]
        if score is None or not scores or score > max(scores):
            return True
        error = math.sqrt(max(scores) * (1 - max(scores)) / self.validation_count) if self.validation_count else 0.0
        return self.validation_count > 0 and score >= max(scores) - error

    def _save(self, folder: Path) -> None:
        """Write the whole state to one file, so that its parts always match."""
        tensors = {
            f"{kind}.{name}": value for kind, part in self._modules() for name, value in part.state_dict().items()
        }
        state = self.optimizer.state_dict()["state"]
        tensors |= {f"optimizer.{at}.{key}": value for at, slots in state.items() for key, value in slots.items()}
        counts = {
            "run": self._identity(),
            "finished": not self.has_next_epoch(),
            "done": self.done,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "history": [asdict(old) for old in self.history],
        }
        checkpoint.write(folder, tensors, counts)

    def _load(self) -> None:
        file = None if self.checkpoint_folder is None else checkpoint.checkpoint_path(self.checkpoint_folder)
        if file is None or not file.exists():
            return
        counts, tensors = checkpoint.read(file)
        if counts["run"] != self._identity():
            if counts["finished"]:  # its artifact is written, so a new run may replace it
                return
            raise BadInput(
                f"{file} belongs to an unfinished run with another configuration, other images or another method."
                " Repeat that run to finish it, or remove the file to start a new run."
            )
        for kind, part in self._modules():
            prefix = kind + "."
            part.load_state_dict(
                {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            )
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, at, key = name.split(".")
                slots.setdefault(int(at), {})[key] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": slots})
        self.done, self.epochs, self.best_epoch = counts["done"], counts["epochs"], counts["best_epoch"]
        self.seconds, self.history = counts["seconds"], [EpochMetrics(**old) for old in counts["history"]]
        self._limit_epochs()

    def _identity(self) -> dict[str, object]:
        """Return what must match for a run to resume. The time limit and the device may differ."""
        config = asdict(self.config) | {"minutes": 0, "device": ""}
        shapes = [(name, tuple(value.shape)) for name, value in self.module.state_dict().items()]
        module = checkpoint.fingerprint(type(self.module).__name__, shapes)
        identity: dict[str, object] = json.loads(
            json.dumps({"config": config, "steps": self.steps, "of": self.data_fingerprint, "module": module})
        )
        return identity

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("module", self.module), ("averaged", self.averaged), ("best", self.best)


def _warm_cosine(step: int, steps: int, warm: float) -> float:
    """Return the factor 0..1 of the peak rate: linear warm-up over the fraction `warm`, then cosine decay to 0.01."""
    rise = max(1, round(warm * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise))))


def _synchronize(
    loss: float, rows: int, seconds: float, score: float | None, device: torch.device
) -> tuple[float, int, float, float | None]:
    """Average the loss and add the rows over all ranks, and broadcast the seconds and the score of rank 0.

    All ranks then stop after the same epoch.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return loss, rows, seconds, score
    totals = torch.tensor([loss, rows], dtype=torch.float64, device=device)
    first = torch.tensor([seconds, score or 0.0], dtype=torch.float64, device=device)
    distributed.all_reduce(totals)
    distributed.broadcast(first, 0)
    mean = float(totals[0]) / distributed.get_world_size()
    return mean, int(totals[1]), float(first[0]), None if score is None else float(first[1])


def _check_same_epoch(done: int, device: torch.device) -> None:
    """Raise BadInput if the ranks would resume from different epochs."""
    ends = torch.tensor([done, -done], device=device)
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    most, least = int(ends[0]), -int(ends[1])
    if most != least:
        raise BadInput(
            f"Some ranks found a checkpoint of epoch {most}, others of epoch {least}. Give all ranks the same folder."
        )


def _rank() -> int:
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
