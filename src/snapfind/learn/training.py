"""The loop that every method shares: AdamW, warm-up and cosine, averaged weights, early stopping, checkpoints.

A method hands over a module whose `forward(*batch)` is a loss, a function that gives batch number `step` of an epoch,
and how good the averaged weights are now. Runs on any device, in float32 or bfloat16, and on several processes where
torch.distributed was begun before (`batch` then gives each rank its own rows). A checkpoint holds tensors and numbers
only, in safetensors and JSON. A run that goes on from one gives the numbers of a run that was never interrupted.
"""

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from snapfind.errors import BadInput

__all__ = ["Batch", "Outcome", "Plan", "Told", "train"]

FORMAT = 1  # of the checkpoint
Batch = Callable[[int, int], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. `rates` maps the beginning of a parameter's name to its peak learning rate; others get `rate`."""

    epochs: int = 12
    rate: float = 1e-3
    rates: Mapping[str, float] = field(default_factory=dict)
    decay: float = 1e-4
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
    """`module` holds the averaged weights of the best epoch (of the last one where nothing was scored)."""

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
    told: Callable[[Told], None] | None = None,
) -> Outcome:
    """Trains `module` in place, `steps` batches an epoch.

    `batch(epoch, step)` depends on nothing else. Where the score is a part of so many photos (`judged`), the latest
    epoch within one standard error of the best is kept (Breiman et al., Classification and Regression Trees, 1984),
    else the best one. `kept` is a folder for checkpoints; what is there is gone on from.
    Raises BadInput on a checkpoint of another plan or version, or that not every process sees, and when a loss is no
    longer a number.
    """
    run = _Run(module, steps, plan, judged, kept)
    while run.goes_on():
        begin = time.monotonic()
        loss, rows = run.epoch(batch)
        found = None if score is None else score(run.averaged)
        run.note(Told(run.done, run.epochs, loss, rows / (time.monotonic() - begin), found), time.monotonic() - begin)
        if told is not None and _rank() == 0:
            told(run.history[-1])
    return Outcome(run.best, tuple(run.history), run.best_epoch, run.seconds)


class _Run:
    """Module, averaged and best weights, optimiser and counts: together in memory and in the checkpoint."""

    def __init__(self, module: nn.Module, steps: int, plan: Plan, judged: int, kept: Path | None) -> None:
        self.plan, self.steps, self.judged, self.kept = plan, steps, judged, kept
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
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                rates = (rate for start, rate in self.plan.rates.items() if name.startswith(start))
                groups.setdefault(next(rates, self.plan.rate), []).append(parameter)
        return [{"params": own, "lr": rate, "peak": rate} for rate, own in groups.items()]

    def goes_on(self) -> bool:
        """Whether there is an epoch left, in the plan, in its minutes and in its patience."""
        waited = self.done - self.best_epoch
        return self.done < self.epochs and not (0 < self.plan.patience <= waited and self.history[-1].score is not None)

    def epoch(self, batch: Batch) -> tuple[float, int]:
        """The mean loss, and how many rows were seen by all processes."""
        torch.manual_seed(1_000_003 * self.plan.seed + 1_009 * self.done + _rank())
        self.module.train()
        total, rows = 0.0, 0
        for step in range(self.steps):
            parts = tuple(part.to(self.device) for part in batch(self.done, step))
            total += self._step(parts, self.done * self.steps + step)
            rows += len(parts[0])
        self.done += 1
        return total / self.steps, rows * (distributed.get_world_size() if self.outer is not self.module else 1)

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
        if self.plan.minutes:
            left = max(0.0, self.plan.minutes * 60 - self.seconds)
            self.epochs = min(self.plan.epochs, self.done + int(left * self.done / self.seconds))
        if self.kept is not None and _rank() == 0:
            self._save(self.kept)

    def _is_better(self, score: float | None) -> bool:
        scores = [old.score for old in self.history if old.score is not None]
        if score is None or not scores or score > max(scores):
            return True
        error = math.sqrt(max(scores) * (1 - max(scores)) / self.judged) if self.judged else 0.0
        return self.judged > 0 and score >= max(scores) - error

    def _save(self, folder: Path) -> None:
        """One file replaced whole holds everything that must agree."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"{kind}.{name}": value for kind, own in self._modules() for name, value in own.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{at}.{key}": value for at, own in state.items() for key, value in own.items()}
        counts = {
            "format": FORMAT,
            "plan": asdict(self.plan),
            "steps": self.steps,
            "done": self.done,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "history": [asdict(old) for old in self.history],
        }
        draft = folder / "checkpoint.new"
        save_file({name: value.contiguous() for name, value in tensors.items()}, draft, {"told": json.dumps(counts)})
        draft.replace(folder / "checkpoint.safetensors")

    def _load(self) -> None:
        file = None if self.kept is None else self.kept / "checkpoint.safetensors"
        if file is None or not file.exists():
            return
        told, tensors = _read(file)
        mine = json.loads(json.dumps(asdict(self.plan)))
        if told["plan"] | {"minutes": 0} != mine | {"minutes": 0} or told["steps"] != self.steps:
            raise BadInput(f"{file} is of another plan or other pictures; remove it to begin anew")
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

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("module", self.module), ("averaged", self.averaged), ("best", self.best)


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            told = json.loads(opened.metadata()["told"])
        if told["format"] != FORMAT:
            raise BadInput(
                f"{file} is a checkpoint of format {told['format']}, this snapfind reads {FORMAT}; remove it"
            )
        return told, load_file(file)
    except (SafetensorError, KeyError, ValueError, TypeError) as problem:
        raise BadInput(f"{file} is no checkpoint ({problem}); remove it to begin anew") from problem


def _warm_cosine(step: int, steps: int, warm: float) -> float:
    """Factor 0..1 of the peak rate: rises over the first `warm` part, falls to a hundredth as a half cosine."""
    rise = max(1, round(warm * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise))))


def _agree(done: int, device: torch.device) -> None:
    """Raises BadInput where the ranks would go on from different epochs."""
    ends = torch.tensor([done, -done], device=device)
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    most, least = int(ends[0]), -int(ends[1])
    if most != least:
        raise BadInput(f"some ranks found a checkpoint of epoch {most}, others of {least}; all must see one folder")


def _rank() -> int:
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
