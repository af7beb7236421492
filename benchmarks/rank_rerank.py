"""Compare and calibrate on simulated lists: pointwise, chunk only and hybrid, with and without position weights.

    python benchmarks/rank_rerank.py --seeds 3

Learns from the clicks on 3,000 lists of 24 candidates, chooses by 600, judges on 500 by the hidden relevance. Who looks
where is learned from 3,000 lists shown in random order. Prints Markdown: mean and standard deviation over the seeds.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from simulation.result_lists import Shoppers, click, simulate_lists

from snapfind.evaluation.calibration import calibration_error
from snapfind.evaluation.metrics import ndcg
from snapfind.ranking.listwise import Listwise, ListwiseConfig, examination, fit_lists, order_of
from snapfind.search.rerank.base import CHUNK

EPSILONS = (0.02, 0.05, 0.1, 0.2)
LEARN, CHOOSE, JUDGE = 3000, 600, 500
Order = Callable[[NDArray[np.float32]], Sequence[int]]


def chunk_only(module: Listwise, features: NDArray[np.float32]) -> list[int]:
    """Each chunk in its own order, the chunks as they were found."""
    found: list[int] = []
    for at in range(0, len(features), CHUNK):
        with torch.no_grad():
            said = module.compare(torch.from_numpy(features[None, at : at + CHUNK]))[0].numpy()
        found += [at + int(place) for place in np.argsort(-said, kind="stable")]
    return found


def pointwise(module: Listwise, features: NDArray[np.float32]) -> list[int]:
    """By the absolute relevance alone."""
    with torch.no_grad():
        worth: list[int] = np.argsort(-module.judge(torch.from_numpy(features)).numpy(), kind="stable").tolist()
    return worth


def judge(order: Order, features: NDArray[np.float32], relevant: NDArray[np.bool_]) -> tuple[float, float, float]:
    """nDCG@10, hit@1, milliseconds a list."""
    gains, hits, spent = [], [], 0.0
    for own, right in zip(features, relevant):
        begin = time.process_time()
        found = order(own)
        spent += time.process_time() - begin
        if right.any():
            answers = {str(place) for place in np.flatnonzero(right)}
            ranked = [str(place) for place in found]
            gains.append(ndcg(ranked, answers, 10))
            hits.append(float(ranked[0] in answers))
    return float(np.mean(gains)), float(np.mean(hits)), 1000 * spent / len(features)


def hybrid(module: Listwise, epsilon: float) -> Order:
    """The merge of search/rerank/base.py."""
    return lambda features: order_of(module, features, epsilon=epsilon)[0]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(given.seeds):
        learned, chosen, judged = (
            simulate_lists(count, 10_000 * part + seed) for part, count in enumerate((LEARN, CHOOSE, JUDGE))
        )
        looked = examination(simulate_lists(LEARN, 90_000 + seed, shuffled=True))
        seen = click(judged, Shoppers(patience=1.0), 80_000 + seed)  # what is clicked when all is looked at
        for name, weights in (("weighted by position", looked), ("unweighted", None)):
            recipe = ListwiseConfig(plan=replace(ListwiseConfig().plan, seed=seed))
            module = fit_lists(learned, chosen, weights, recipe)
            worth = np.stack([order_of(module, own, epsilon=0.0)[1] for own in judged.features])
            error = calibration_error(worth.ravel().tolist(), seen.clicked.ravel().tolist())
            # epsilon is chosen on the lists that chose the epoch, by what was clicked there when all is looked at
            other = click(chosen, Shoppers(patience=1.0), 70_000 + seed)
            gains = [judge(hybrid(module, one), other.features, other.clicked)[0] for one in EPSILONS]
            best = EPSILONS[int(np.argmax(gains))]
            orders: dict[str, Order] = {
                "pointwise": partial(pointwise, module),
                "chunk only": partial(chunk_only, module),
                "hybrid": hybrid(module, best),
            }
            for kind, order in orders.items():
                row = judge(order, judged.features, judged.relevant)
                found.setdefault(f"{kind}, {name}", []).append((*row, error))
        first = judge(lambda own: range(len(own)), judged.features, judged.relevant)
        found.setdefault("first search", []).append((*first, np.nan))
    print("| order | nDCG@10 | hit@1 | ms a list | calibration error of the relevance |\n|---|---|---|---|---|")
    for name, rows in found.items():
        cells = [f"{np.mean(side):.4f} ± {np.std(side, ddof=1):.4f}" for side in zip(*rows)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
