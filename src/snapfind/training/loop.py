"""The loop that every method shares: AdamW, warm-up and cosine, averaged weights, early stopping, checkpoints.

A method hands over a module whose `forward(*batch)` is a loss, a function that gives batch number `step` of an epoch,
and how good the averaged weights are now. Runs on any device, in float32 or bfloat16, and on several processes where
torch.distributed was begun before: `batch` then gives each rank its own rows, and the first says when to stop. A run
that goes on from a checkpoint (training/checkpoint.py) gives the numbers of a run that was never interrupted.

Decay is for weights that multiply: biases, gains, means and scales, whatever has one axis or none, are left where they
are, as in the training code of CLIP (Radford et al., arXiv 2103.00020, section 2.5).
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

__all__ = ["Batch", "Outcome", "Plan", "Told", "train"]

Batch = Callable[[int, int], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. `rates` maps the beginning of a parameter's name to its peak learning rate; others get `rate`."""

    epochs: int = 12
    rate: float = 1e-3
    rates: Mapping[str, float] = field(default_factory=dict)
    decay: float = 1e-4  # of parameters with two axes or more
    warm: float = 0.05  # part of the steps over which the rates rise
    average: float = 0.99  # decay of the averaged weights, a step
    patience: int = 0  # epochs without a better score before it ends; 0 never
    minutes: float = 0.0  # so many epochs are done as fit in; 0 sets no limit
    clip: float = 5.0  # longest gradient
    seed: int = 0
    device: str = "cpu"
    bfloat16: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An epoch, counted from 1: mean loss, rows (of all processes) a second, and the score where there is one."""

    epoch: int
    epochs: int
    loss: float
    speed: float
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`module` holds the averaged weights of the best epoch (of the last one where nothing was scored), on the CPU."""

    module: nn.Module
    history: tuple[Told, ...]
    epoch: int
    seconds: float


def train(
    module: nn.Module,
    batch: Batch,
    steps: int,
    plan: Plan,
    *,
    score: Callable[[nn.Module], float] | None = None,
    judged: int = 0,
    kept: Path | None = None,
    of: str = "",
    told: Callable[[Told], None] | None = None,
) -> Outcome:
    """Trains `module` in place, `steps` batches an epoch.

    `batch(epoch, step)` depends on nothing else. Where the score is a part of so many photos (`judged`), the latest
    epoch within one standard error of the best is kept (Breiman et al., Classification and Regression Trees, 1984),
    else the best one. `kept` is a folder for checkpoints; what is there is gone on from. `of` says what is learnt from
    and how, as far as the plan does not (`checkpoint.fingerprint`). A finished run of something else is begun anew.
    Raises BadInput on an unfinished one, a checkpoint of another version, or that not every process sees, and when a
    loss is no longer a number; NoRoom where a checkpoint cannot be written.
    """
    run = _Run(module, steps, plan, judged, kept, of)
    while run.goes_on():
        begin = time.monotonic()
        loss, rows = run.epoch(batch)
        found = None if score is None else score(run.averaged)
        loss, rows, seconds, found = _together(loss, rows, time.monotonic() - begin, found, run.device)
        run.note(Told(run.done, run.epochs, loss, rows / seconds, found), seconds)
        if told is not None and _rank() == 0:
            told(run.history[-1])
    return Outcome(run.best.cpu(), tuple(run.history), run.best_epoch, run.seconds)


class _Run:
    """Module, averaged and best weights, optimiser and counts: together in memory and in the checkpoint."""

    def __init__(self, module: nn.Module, steps: int, plan: Plan, judged: int, kept: Path | None, of: str) -> None:
        self.plan, self.steps, self.judged, self.kept, self.of = plan, steps, judged, kept, of
        self.done, self.epochs, self.best_epoch, self.seconds = 0, plan.epochs, 0, 0.0
        self.history: list[Told] = []
        self.device = torch.device(plan.device)
        self.module = module.to(self.device)
        self.averaged = copy.deepcopy(self.module).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.averaged)
        self.optimiser = torch.optim.AdamW(self._groups(), weight_decay=plan.decay)
        parallel = distributed.is_available() and distributed.is_initialized()
        self.outer: nn.Module = DistributedDataParallel(self.module) if parallel else self.module
        self._load()
        if parallel:
            _agree(self.done, self.device)

    def _groups(self) -> list[dict[str, object]]:
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                rates = (rate for start, rate in self.plan.rates.items() if name.startswith(start))
                decay = self.plan.decay if parameter.ndim > 1 else 0.0
                groups.setdefault((next(rates, self.plan.rate), decay), []).append(parameter)
        return [
            {"params": own, "lr": rate, "peak": rate, "weight_decay": decay} for (rate, decay), own in groups.items()
        ]

    def goes_on(self) -> bool:
        """Whether there is an epoch left, in the plan, in its minutes and in its patience."""
        waited = self.done - self.best_epoch
        return self.done < self.epochs and not (0 < self.plan.patience <= waited and self.history[-1].score is not None)

    def epoch(self, batch: Batch) -> tuple[float, int]:
        """The mean loss, and how many rows were seen, by this process."""
        torch.manual_seed(1_000_003 * self.plan.seed + 1_009 * self.done + _rank())
        self.module.train()
        total, rows = 0.0, 0
        for step in range(self.steps):
            parts = tuple(part.to(self.device) for part in batch(self.done, step))
            total += self._step(parts, self.done * self.steps + step)
            rows += len(parts[0])
        self.done += 1
        for mean, now in zip(self.averaged.buffers(), self.module.buffers()):
            mean.copy_(now)  # statistics of a batch norm are a mean already
        return total / self.steps, rows

    def _step(self, parts: tuple[Tensor, ...], step: int) -> float:
        factor = _warm_cosine(step, self.steps * self.epochs, self.plan.warm)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bfloat16):
            loss: Tensor = self.outer(*parts)
        if not torch.isfinite(loss):
            raise BadInput(f"the loss is no number after {step} steps; give a smaller --rate")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.module.parameters(), self.plan.clip)
        self.optimiser.step()
        decay = min(self.plan.average, (step + 1) / (step + 10))  # the first steps count for little
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.module.parameters()):
                if now.requires_grad:
                    mean.lerp_(now, 1 - decay)
        return float(loss.detach())

    def note(self, told: Told, seconds: float) -> None:
        """Keeps the epoch: history, best weights, the number of epochs that fit in, the checkpoint."""
        better = self._is_better(told.score)
        self.history.append(told)
        self.seconds += seconds
        if better:
            self.best.load_state_dict(self.averaged.state_dict())
            self.best_epoch = self.done
        self._fit_in()
        if self.kept is not None and _rank() == 0:
            self._save(self.kept)

    def _fit_in(self) -> None:
        """As many epochs as the minutes leave room for."""
        if self.plan.minutes and self.done:
            left = max(0.0, self.plan.minutes * 60 - self.seconds)
            self.epochs = min(self.plan.epochs, self.done + int(left * self.done / self.seconds))

    def _is_better(self, score: float | None) -> bool:
        scores = [old.score for old in self.history if old.score is not None]
        if score is None or not scores or score > max(scores):
            return True
        error = math.sqrt(max(scores) * (1 - max(scores)) / self.judged) if self.judged else 0.0
        return self.judged > 0 and score >= max(scores) - error

    def _save(self, folder: Path) -> None:
        """One file replaced whole holds everything that must agree."""
        tensors = {f"{kind}.{name}": value for kind, own in self._modules() for name, value in own.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{at}.{key}": value for at, own in state.items() for key, value in own.items()}
        counts = {
            "run": self._self(),
            "finished": not self.goes_on(),
            "done": self.done,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "history": [asdict(old) for old in self.history],
        }
        checkpoint.write(folder, tensors, counts)

    def _load(self) -> None:
        file = None if self.kept is None else checkpoint.file_in(self.kept)
        if file is None or not file.exists():
            return
        told, tensors = checkpoint.read(file)
        if told["run"] != self._self():
            if told["finished"]:  # what it led to is written: a shop that learns once more begins anew
                return
            raise BadInput(
                f"{file} is of another plan, other pictures or another method, and not finished; remove it to begin"
                " anew, or go on with what it was begun with"
            )
        for kind, own in self._modules():
            start = kind + "."
            own.load_state_dict({name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)})
        held: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser."):
                _, at, key = name.split(".")
                held.setdefault(int(at), {})[key] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": held})
        self.done, self.epochs, self.best_epoch = told["done"], told["epochs"], told["best_epoch"]
        self.seconds, self.history = told["seconds"], [Told(**old) for old in told["history"]]
        self._fit_in()

    def _self(self) -> dict[str, object]:
        """What must be the same for a run to go on; how long it may take, and on what, may change."""
        plan = asdict(self.plan) | {"minutes": 0, "device": ""}
        shapes = [(name, tuple(value.shape)) for name, value in self.module.state_dict().items()]
        module = checkpoint.fingerprint(type(self.module).__name__, shapes)
        told: dict[str, object] = json.loads(
            json.dumps({"plan": plan, "steps": self.steps, "of": self.of, "module": module})
        )
        return told

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("module", self.module), ("averaged", self.averaged), ("best", self.best)


def _warm_cosine(step: int, steps: int, warm: float) -> float:
    """Factor 0..1 of the peak rate: rises over the first `warm` part, falls to a hundredth as a half cosine."""
    rise = max(1, round(warm * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise))))


def _together(
    loss: float, rows: int, seconds: float, score: float | None, device: torch.device
) -> tuple[float, int, float, float | None]:
    """What every rank goes by, so that all end after the same epoch: the mean loss and the sum of the rows of all,
    seconds and score of the first."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return loss, rows, seconds, score
    summed = torch.tensor([loss, rows], dtype=torch.float64, device=device)
    first = torch.tensor([seconds, score or 0.0], dtype=torch.float64, device=device)
    distributed.all_reduce(summed)
    distributed.broadcast(first, 0)
    mean = float(summed[0]) / distributed.get_world_size()
    return mean, int(summed[1]), float(first[0]), None if score is None else float(first[1])


def _agree(done: int, device: torch.device) -> None:
    """Raises BadInput where the ranks would go on from different epochs."""
    ends = torch.tensor([done, -done], device=device)
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    most, least = int(ends[0]), -int(ends[1])
    if most != least:
        raise BadInput(f"some ranks found a checkpoint of epoch {most}, others of {least}; all must see one folder")


def _rank() -> int:
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
