"""Products that were never learned from: are they still found, and what does that cost the others? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_unseen.py --work DIR --depth heads blocks
    SNAPFIND_DATA=... python benchmarks/learn_unseen.py --work DIR --depth heads blocks --choose
    SNAPFIND_DATA=... python benchmarks/learn_unseen.py --work DIR --depth blocks --parts 1 .6 --identity

Of 27 products of grocery's 81, drawn, neither photos nor studio picture is learned from. Photos then ask for all 81
studio pictures: those of the 27 (`new`) and those of the other 54 (`known`), by heads alone (share 0) and by heads
beside a closed form (training/weight_interpolation.py). Photos of `val`; with --choose the fifth of `train` that is
least like the rest (benchmarks/learn_choice.py), which is not learned from then. Mean and deviation over seeds.
`--work` keeps maps. With --identity the three stages of identity learning stand in the place of adaptation, on four
views as in the verb.
"""

import argparse
import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_choice import FOLDS, fold_of
from learn_data import frozen, grocery, labels_of, spread
from numpy.typing import NDArray

from snapfind.encoders.arrays import unit
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.data.batches import make_batches
from snapfind.training.data.feature_cache import FeatureCache, build_feature_cache
from snapfind.training.export import SHIPPED
from snapfind.training.initialization import drop_suspect_labels, encode_samples, initialize_heads
from snapfind.training.loop import train
from snapfind.training.methods.catalog_adaptation import LADDER
from snapfind.training.methods.identity_module import Identity, Stages, learn_identity
from snapfind.training.models.adaptation import ProductRecognizer
from snapfind.training.models.backbone import Depth, first_stage, open_backbone
from snapfind.training.validation import encode_view
from snapfind.training.weight_interpolation import append_closed_form, interpolate_weights

SHARES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LEFT_OUT = 27
Rows = NDArray[np.int64]
Weights = dict[str, torch.Tensor]


class Bench:
    """Views of all pictures at one depth, and which photos ask."""

    def __init__(self, depth: Depth, work: Path, *, choose: bool, identity: bool) -> None:
        data, step, self.identity = grocery(), LADDER[depth], identity
        self.step = replace(step, views=min(step.views, 4)) if identity else step
        backbone = open_backbone(SHIPPED)
        self.first = first_stage(depth, backbone)
        front = backbone.front(self.first, torch.get_num_threads())
        asks = [] if choose else data.val
        file = work / f"unseen-{depth}-{self.step.views}{'-choose' if choose else ''}.f16"
        work.mkdir(parents=True, exist_ok=True)
        shown = [*data.train, *asks, *data.studio]
        self.maps = build_feature_cache(shown, front, Builtin.load().preprocessing, file, views=self.step.views, seed=0)
        self.products, self.studio = self.maps.products, np.flatnonzero(~self.maps.queries)
        places = np.arange(len(shown))
        train_photos = places[: len(data.train)]
        self.asks = places[len(data.train) : len(data.train) + len(asks)]
        if choose:
            features = unit(np.asarray(frozen(data.train, work, "train", 2).features[:, 0], np.float32))
            last = fold_of(features, labels_of(data.train)) == FOLDS - 1
            self.asks, train_photos = train_photos[last], train_photos[~last]
        self.train = train_photos

    def body(self) -> torch.nn.Module:
        """What learns: the last blocks, or nothing but heads."""
        return torch.nn.Identity() if self.first is None else open_backbone(SHIPPED).body(self.first)

    def right(self, learner: ProductRecognizer | Identity) -> NDArray[np.bool_]:
        """Which of the photos that ask are answered by their product first."""
        sides = []
        for rows, query in ((self.asks, True), (self.studio, False)):
            parts = [self.maps.batch(part, np.zeros_like(part)) for part in np.array_split(rows, -(-len(rows) // 64))]
            sides.append(np.concatenate([learner.vectors(part, query=query).numpy() for part in parts]))
        return (sides[0] @ sides[1].T).argmax(1) == self.products[self.asks]

    def raw(self) -> NDArray[np.bool_]:
        """The same by the encoder as it is shipped."""
        body = self.body()
        photos, pictures = (encode_view(body, self.maps, rows, 0) for rows in (self.asks, self.studio))
        return (photos @ pictures.T).argmax(1) == self.products[self.asks]

    def learned(
        self, left: Rows, seed: int, epochs: int, parts: Sequence[float]
    ) -> dict[tuple[float, float], NDArray[np.bool_]]:
        """Which photos are answered rightly, by part and share, after learning from all but the products `left`."""
        photos = self.train[~np.isin(self.products[self.train], left)]
        used = np.concatenate([photos, self.studio[~np.isin(self.products[self.studio], left)]])
        source = _Some(self.maps, used)
        learn = self._identity if self.identity else self._adapted
        before, best, kept = learn(source, np.arange(len(photos)), seed, epochs)
        found = {}
        for part in parts:
            mixed = copy.deepcopy(best)
            interpolate_weights(before, mixed, part)
            heads, now = mixed.heads, encode_samples(mixed.body, source, np.zeros(len(used), bool), kept)
            for share in SHARES:
                mixed.heads = append_closed_form(heads, now, share)
                found[part, share] = self.right(mixed)
        return found

    def _adapted(
        self, source: FeatureCache, places: Rows, seed: int, epochs: int
    ) -> tuple[Weights, ProductRecognizer, Rows]:
        """Weights before, what catalog adaptation learned, and the photos that it believed."""
        body, again = self.body(), np.zeros(len(source.products), bool)
        seen = drop_suspect_labels(encode_samples(body, source, again, places))
        step = self.step
        learner = ProductRecognizer(body, *initialize_heads(seen, len(self.studio), step.dim, seed), step.recipe)
        before = copy.deepcopy(learner.state_dict())
        batch, steps = make_batches(source, again, seen.rows[seen.queries], size=step.batch, seed=seed)
        plan = replace(step.plan, seed=seed, epochs=epochs or step.plan.epochs)
        best = train(learner, batch, steps, plan).module
        assert isinstance(best, ProductRecognizer)
        return before, best, seen.rows[seen.queries]

    def _identity(self, source: FeatureCache, places: Rows, seed: int, epochs: int) -> tuple[Weights, Identity, Rows]:
        """The same of the three stages; `epochs` shortens the last."""
        body, again, stages = self.body(), np.zeros(len(source.products), bool), Stages()
        heads, _ = initialize_heads(encode_samples(body, source, again, places), len(self.studio), self.step.dim, seed)
        plans = {name: replace(getattr(stages, name), seed=seed) for name in ("contrast", "prototypes", "angles")}
        plans["angles"] = replace(plans["angles"], epochs=epochs or stages.angles.epochs)
        start = {"body": body.state_dict(), "heads": heads.state_dict()}
        before = copy.deepcopy({f"{side}.{name}": own for side, held in start.items() for name, own in held.items()})
        best, kept = learn_identity(body, heads, source, places, len(self.studio), replace(stages, **plans))
        before["prototypes.weight"] = best.prototypes.weight.detach()
        return before, best, kept


class _Some(FeatureCache):
    """Some rows of maps that stay on disk."""

    def __init__(self, maps: FeatureCache, rows: Rows) -> None:
        super().__init__(maps.features, maps.products[rows], maps.queries[rows])
        object.__setattr__(self, "_rows", rows)

    def batch(self, rows: Rows, views: Rows) -> torch.Tensor:
        """As Maps."""
        return super().batch(self._rows[rows], views)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", nargs="+", choices=("heads", "blocks"), default=["heads"])
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--identity", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", type=float, nargs="+", help="of the way from raw weights to learned")
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print("| learns | part of the way | share of the closed form | recall@1, new products | recall@1, known products |")
    print("|---" * 5 + "|")
    for depth in given.depth:
        bench = Bench(depth, given.work, choose=given.choose, identity=given.identity)
        parts, learns = given.parts or [bench.step.part], f"{depth}, identity" if given.identity else depth
        rows: dict[str, list[tuple[float, float]]] = {}
        for seed in range(given.seeds):
            left = np.random.default_rng([8, seed]).permutation(len(bench.studio))[:LEFT_OUT]
            new = np.isin(bench.products[bench.asks], left)
            found = {"raw": bench.raw()} | {
                f"{part} | {share}": right
                for (part, share), right in bench.learned(left, seed, given.epochs, parts).items()
            }
            for name, right in found.items():
                rows.setdefault(name, []).append((float(right[new].mean()), float(right[~new].mean())))
        for name, values in rows.items():
            told = " | ".join(spread([pair[side] for pair in values]) for side in (0, 1))
            print(f"| {'nothing (raw) | | ' if name == 'raw' else f'{learns} | {name}'} | {told} |", flush=True)


if __name__ == "__main__":
    main()
