"""Estimates of a new ranker from the log of another: how often their intervals hold the truth, and real logs.

    python benchmarks/rank_offpolicy.py                     # 100 simulated logs for each size
    SNAPFIND_DATA=... python benchmarks/rank_offpolicy.py   # and obd_small: one policy's clicks from the other's log

Prints Markdown.
"""

import csv
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulation.bandit import Market, draw

from snapfind.events.statistics import wilson
from snapfind.ranking.off_policy import Estimate, Log, doubly_robust, ips, logistic_rewards, snips

LOGS, SIZES = 100, (500, 2000, 8000)
ESTIMATORS: dict[str, Callable[[Log, NDArray[np.float64]], Estimate]] = {
    "IPS": ips, "SNIPS": snips, "doubly robust": doubly_robust,
    "doubly robust, reward model held at its mean": lambda log, policy: doubly_robust(
        log, policy, logistic_rewards(policy.shape[1], penalty=1e9)),
}  # fmt: skip


def simulated() -> None:
    """Coverage of the 95 % intervals, error and width, over markets of their own."""
    print("| rows | estimator | truth covered | root mean squared error | mean half width |\n|---|---|---|---|---|")
    for size in SIZES:
        found: dict[str, list[tuple[bool, float, float]]] = {name: [] for name in ESTIMATORS}
        for seed in range(LOGS):
            market = Market.of(seed)
            log, truth = draw(market, size, seed), market.value(market.new, count=50_000)
            policy = market.policy(log.contexts, market.new)
            for name, estimator in ESTIMATORS.items():
                said = estimator(log, policy)
                found[name].append((said.covers(truth), said.value - truth, (said.high - said.low) / 2))
        for name, rows in found.items():
            covered, error, half = (np.array(column, float) for column in zip(*rows))
            print(f"| {size:,} | {name} | {covered.sum():.0f} of {LOGS} | {(error**2).mean() ** 0.5:.4f} "
                  f"| {half.mean():.4f} |", flush=True)  # fmt: skip


def read(folder: Path, name: str) -> tuple[Log, NDArray[np.int64]]:
    """A log of obd_small and the positions 0..2; contexts are the position and the shoppers' hashed features."""
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    positions = np.array([int(row["position"]) - 1 for row in rows])
    parts = [np.eye(3)[positions]]
    for feature in range(4):
        known = sorted({row[f"user_feature_{feature}"] for row in rows})
        parts.append(np.eye(len(known))[[known.index(row[f"user_feature_{feature}"]) for row in rows]])
    columns = {key: np.array([float(row[key]) for row in rows]) for key in ("item_id", "click", "propensity_score")}
    contexts = np.concatenate(parts, axis=1)
    return Log(contexts, columns["item_id"].astype(np.int64), columns["click"], columns["propensity_score"]), positions


def bandit(log: Log, positions: NDArray[np.int64], items: int) -> NDArray[np.float64]:
    """(3, items) probability with which the policy of a log shows each item at each position: how often it did.

    Its own propensities change while it learns; the part that it showed over the week is the policy that is judged.
    """
    shown = np.full((3, items), 1e-9)
    np.add.at(shown, (positions, log.actions), 1.0)
    found: NDArray[np.float64] = shown / shown.sum(axis=1, keepdims=True)
    return found


def real(folder: Path) -> None:
    """The bandit's click rate from the log of the uniform policy, against what its own log shows."""
    print(
        "\n| campaign | clicks in the log | estimator | click rate estimated | effective rows | shown by its own log |"
    )
    print("|---|---|---|---|---|---|")
    for campaign in ("men", "women"):
        log, positions = read(folder, f"random_{campaign}")
        own, own_positions = read(folder, f"bts_{campaign}")
        items = max(int(log.actions.max()), int(own.actions.max())) + 1
        policy = bandit(own, own_positions, items)[positions]
        clicks = int(own.rewards.sum())
        low, high = wilson(clicks, len(own))
        for name, estimator in ESTIMATORS.items():
            said = estimator(log, policy)
            shown = f"{clicks / len(own):.4f} ({low:.4f} to {high:.4f})"
            found = f"{said.value:.4f} ({said.low:.4f} to {said.high:.4f})"
            print(f"| {campaign} | {int(log.rewards.sum())} | {name} | {found} | {said.effective:,.0f} | {shown} |")


def main() -> None:
    """The command line."""
    simulated()
    data = os.environ.get("SNAPFIND_DATA")
    if data:
        real(Path(data) / "obd_small")


if __name__ == "__main__":
    main()
