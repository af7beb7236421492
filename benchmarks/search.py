"""What each step of a search is worth. Prints Markdown; every table is one function.

    SNAPFIND_DATA=... python benchmarks/search.py categories calibration known          # some of the tables
    SNAPFIND_DATA=... python benchmarks/search.py calibration --plot docs/explanation/reliability.svg

Photos: `grocery`, val (296); what is chosen or fitted was on `train` or on the catalog's own pictures, and each row
says which. Gallery: 81 studio pictures. Intervals: 95 %, bootstrap over photos.
"""

import argparse
import io
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scenes import DATA
from shop import COARSE, NAMES, PICTURES, Photos, head, photos, search_context

from snapfind.catalog.models.calibrate import fit_features, synthetic_photo_features
from snapfind.core.config import Settings
from snapfind.core.query import Query, QueryTerm
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.fit import fit as fit_adapter
from snapfind.encoders.image.efficientnet import Builtin, Features
from snapfind.encoders.text.e5 import TextEncoder
from snapfind.evaluation.calibration import auroc, calibration_error, reliability_svg
from snapfind.evaluation.report import Figure
from snapfind.index.base import IndexMatch, IndexQuery
from snapfind.media.image.decode import Limits, load
from snapfind.search.calibration import CROWD, Calibration
from snapfind.search.calibration import fit as fit_calibration
from snapfind.search.calibration_data import calibration_data
from snapfind.search.category_prior import DEPTH, fuse, vote
from snapfind.search.context import SearchContext
from snapfind.search.pipeline import search
from snapfind.search.rank_fusion import fuse as fuse_ranks
from snapfind.search.rerank.base import RerankConfig
from snapfind.search.rerank.base import rerank as rerank_places
from snapfind.search.rerank.geometric import Geometry
from snapfind.search.scoring import rank_nearest

VIEWS = 12  # rephotographs of each picture, as `Catalog.models.calibrate` takes


class Bench:
    """Looks at everything once; `kept` names a file that keeps what the network saw for the next run."""

    def __init__(self, kept: Path | None = None) -> None:
        self.raw = Builtin.load()
        held = dict(np.load(kept)) if kept and kept.exists() else self._see()
        if kept and not kept.exists():
            np.savez(kept, **held)
        parts = ("studio", "val", "train", "again")
        look = {name: Features(held[f"{name}_pooled"], held[f"{name}_posterior"]) for name in parts}
        self.studio, self.again = look["studio"], look["again"]
        self.val, self.train = (Photos(look[name], held[f"{name}_fine"]) for name in ("val", "train"))
        beside = kept.with_suffix(".adapter") if kept else None
        adapter = Adapter.load(beside) if beside and beside.exists() else fit_adapter(PICTURES, self.raw)
        if beside and not beside.exists():
            adapter.save(beside)
        self.fitted = self.raw.adapted(adapter)
        self.learned: dict[str, SearchContext] = {}

    def _see(self) -> dict[str, np.ndarray]:
        shown = {split: photos(self.raw, split) for split in ("val", "train")}
        seen = {split: one.look for split, one in shown.items()}
        seen |= {
            "studio": self.raw.extract_features(PICTURES),
            "again": synthetic_photo_features(PICTURES, self.raw, VIEWS)[1],
        }
        held = {f"{name}_pooled": look.pooled for name, look in seen.items()}
        held |= {f"{name}_posterior": look.posterior for name, look in seen.items()}
        return held | {f"{split}_fine": one.fine for split, one in shown.items()}

    def spaces(self) -> dict[str, Builtin]:
        """The two spaces that need no label."""
        return {"raw": self.raw, "fitted": self.fitted}

    def search_context(self, name: str, encoder: Builtin, kept: Sequence[int] = range(81)) -> SearchContext:
        """With what `snapfind model calibrate` learns from the catalog's own pictures."""
        key = f"{name} {hash(tuple(kept))}"
        if key not in self.learned:
            own = (np.asarray(kept)[:, None] * VIEWS + np.arange(VIEWS)).ravel()
            again = Features(self.again.pooled[own], self.again.posterior[own])
            products, categories = [NAMES[at] for at in kept], [f"c{COARSE[at]}" for at in kept]
            base = search_context(encoder, self.studio, kept)
            learned = fit_features(products, categories, self.studio.posterior[list(kept)], again, base)
            self.learned[key] = replace(base, calibration=learned.calibration, prototypes=learned.prototypes)
        return self.learned[key]


def nearest(look: Features, at: int, on: SearchContext) -> list[IndexMatch]:
    """The products nearest to a photo."""
    vector = on.model.photo.project(Features(look.pooled[at : at + 1], look.posterior[at : at + 1]), "query")[0]
    return on.index.search(IndexQuery(on.model.photo.space.id, vector, limit=DEPTH + 1))


def hits(look: Features, at: int, on: SearchContext) -> list[tuple[str, float]]:
    """As the pipeline judges them."""
    ranking = rank_nearest(nearest(look, at, on), on.prototypes.predict(look.posterior[at]))
    scores = on.calibration.photo_scores(ranking.features)
    return [(str(point.payload["_product"]), score) for point, score in zip(ranking.points, scores)]


def categories(bench: Bench) -> None:
    """Category@1 of either voice and of both, and what leaning on them does to recall@1."""
    print("| split | space | category@1: model | vote | **fused** | among three | recall@1: cosine | **by category** |")
    print("|---|---|---|---|---|---|---|---|")
    for split, shown in (("val", bench.val), ("train, every third", third(bench.train))):
        for name, encoder in bench.spaces().items():
            on, cells = bench.search_context(name, encoder), []
            for at, fine in enumerate(shown.fine):
                found, seen = nearest(shown.look, at, on), on.prototypes.predict(shown.look.posterior[at])
                true, votes = f"c{COARSE[fine]}", vote(found)
                both = [guess.category for guess in fuse(votes, seen)]
                cells.append(
                    [
                        max(seen, key=lambda one: seen[one]) == true,
                        max(votes, key=lambda one: votes[one]) == true,
                        both[0] == true,
                        true in both[:3],
                        found[0].payload["_product"] == NAMES[fine],
                        hits(shown.look, at, on)[0][0] == NAMES[fine],
                    ]
                )
            columns = [str(Figure.of([float(row[k]) for row in cells])) for k in range(6)]
            print(f"| {split} | {name} | {' | '.join(columns)} |", flush=True)


def third(shown: Photos) -> Photos:
    """Every third photo."""
    return Photos(Features(shown.look.pooled[::3], shown.look.posterior[::3]), shown.fine[::3])


def fits(bench: Bench, name: str, encoder: Builtin, kept: Sequence[int] = range(81)) -> dict[str, SearchContext]:
    """Shipped, label-free and fitted on photos of `train`."""
    own = bench.search_context(name, encoder, kept)
    shipped = Calibration.raw() if name == "raw" else Calibration.fitted()
    plain = search_context(encoder, bench.studio, kept, shipped)
    bare = fit_calibration(*calibration_data(third(bench.train).look, third(bench.train).ids, plain), shipped)
    taught = fit_calibration(*calibration_data(third(bench.train).look, third(bench.train).ids, own), shipped)
    print(f"<!-- {name}: train without categories {np.round(bare.photo, 2).tolist()} -->")
    return {
        "shipped": plain,
        "**own pictures, no label**": own,
        "every third photo of `train`": replace(own, calibration=taught),
    }


def scores_of(shown: Photos, on: SearchContext) -> tuple[np.ndarray, np.ndarray]:
    """(n, 10) probabilities and whether right."""
    ranked = [hits(shown.look, at, on)[:CROWD] for at in range(len(shown.fine))]
    right = [[product == NAMES[fine] for product, _ in row] for row, fine in zip(ranked, shown.fine)]
    return np.array([[score for _, score in row] for row in ranked]), np.array(right)


def calibration(bench: Bench, plot: Path | None = None) -> None:
    """How true the scores are on val."""
    print("| space | calibration fitted on | error, ten hits | error, first hit | said match | of these right |")
    print("|---|---|---|---|---|---|")
    curves = {}
    for name, encoder in bench.spaces().items():
        for how, on in fits(bench, name, encoder).items():
            scores, right = scores_of(bench.val, on)
            sure = scores[:, 0] >= 0.5
            errors = [calibration_error(scores.ravel(), right.ravel()), calibration_error(scores[:, 0], right[:, 0])]
            cells = " | ".join(f"{error:.3f}" for error in errors)
            part = f"{right[sure, 0].mean():.2f}" if sure.any() else ""
            print(f"| {name} | {how} | {cells} | {sure.mean():.2f} | {part} |", flush=True)
            if "own" in how:
                curves[f"{name}, ten hits"] = (scores.ravel().tolist(), right.ravel().tolist())
    if plot:
        plot.parent.mkdir(parents=True, exist_ok=True)
        plot.write_text(reliability_svg(curves, "Photo searches, calibrated without a label"))


def known(bench: Bench) -> None:
    """Can it tell what the shop does not sell? A third of the classes is left out, in five draws."""
    rng, draws = np.random.default_rng(0), []
    draws = [np.sort(rng.permutation(81)[:54]).tolist() for _ in range(5)]
    print("| encoder | AUROC by cosine | AUROC by score of the first hit | by any of ten | error, ten hits |")
    print("|---|---|---|---|---|")
    for name in ("raw", "fitted to the catalog, no label", "head on `train`, known classes", "head on `train`, all"):
        rows = []
        for kept in draws:
            encoder = {"raw": lambda: bench.raw, "fitted to the catalog, no label": lambda: bench.fitted}.get(name)
            classes = kept if "known" in name else list(range(81))
            used = encoder() if encoder else bench.raw.adapted(head(bench.train, bench.studio, classes, bench.raw))
            on = bench.search_context(name, used, kept) if encoder else taught(bench, used, kept)
            there = np.isin(bench.val.fine, kept)
            cosines = [nearest(bench.val.look, at, on)[0].score for at in range(len(there))]
            scores, right = scores_of(bench.val, on)
            some = 1 - np.prod(1 - scores, axis=1)
            error = calibration_error(scores.ravel(), right.ravel())
            rows.append([auroc(cosines, there), auroc(scores[:, 0], there), auroc(some, there), error])
        cells = " | ".join(
            f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in zip(np.mean(rows, 0), np.std(rows, 0))
        )
        print(f"| {name} | {cells} |", flush=True)


def taught(bench: Bench, encoder: Builtin, kept: Sequence[int]) -> SearchContext:
    """A head has seen the photos of `train`, so its calibration comes from rephotographs, as for any other model."""
    return bench.search_context(encoder.space.id, encoder, kept)


def feedback(bench: Bench) -> None:
    """A shopper who marks the right hit where it is among ten, and the first wrong one; then once more."""
    print("| split | space | marks | first answer: recall@1 | after one round | after two |\n|---|---|---|---|---|---|")
    for split, shown in (("val", bench.val), ("train, every third", third(bench.train))):
        for name, encoder in bench.spaces().items():
            on = search_context(encoder, bench.studio)
            rows = encoder.project(shown.look, "query")
            gallery = {NAMES[at]: row for at, row in enumerate(encoder.project(bench.studio, "document"))}
            for marks in ("right and wrong", "wrong alone"):
                first = [rounds(row, NAMES[fine], on, gallery, marks) for row, fine in zip(rows, shown.fine)]
                cells = " | ".join(str(Figure.of([float(one[k]) for one in first])) for k in range(3))
                print(f"| {split} | {name} | {marks} | {cells} |", flush=True)


def rounds(row: np.ndarray, true: str, on: SearchContext, gallery: dict[str, np.ndarray], marks: str) -> list[bool]:
    """Whether the first hit is right: at first, after one round, after two."""
    right: list[str] = []
    wrong: list[str] = []
    firsts = []
    for _ in range(3):
        more, less = (tuple(gallery[one] for one in marked) for marked in (right, wrong))
        ask = IndexQuery(on.model.photo.space.id, row, more=more, less=less, limit=10)
        shown = [str(found.payload["_product"]) for found in on.index.search(ask)]
        firsts.append(shown[0] == true)
        if "right" in marks and true in shown and true not in right:
            right.append(true)
        wrong += [one for one in shown if one != true and one not in wrong][:1]
    return firsts


def cost(bench: Bench) -> None:
    """Milliseconds of the default steps beside decoding and encoding, on photos and on scenes; ratios in one run."""
    from scenes import scenes

    on, limits = bench.search_context("fitted", bench.fitted), Limits.of(Settings())
    lines = (DATA / "grocery" / "val.txt").read_text().splitlines()[::3]
    kinds = {
        "photos of `val`": [(DATA / "grocery" / line.split(", ")[0]).read_bytes() for line in lines],
        "pasted scenes": [jpeg(photo) for photo, _ in scenes("val", 60, 2)],
    }
    print("| what | decode + encode | all steps | ratio | of these searched by a box |\n|---|---|---|---|---|")
    for kind, files in kinds.items():
        plain, whole, boxed = [], [], 0
        for content in files:
            began = time.perf_counter()
            on.model.photo.images([load(content, limits, side=224)], "query")
            between = time.perf_counter()
            answer = search(Query((QueryTerm(photo=content),)), on)
            whole.append(time.perf_counter() - between)
            plain.append(between - began)
            boxed += answer.box is not None
        ratio = sum(whole) / sum(plain)
        cells = f"{1000 * np.median(plain):.1f} ms | {1000 * np.median(whole):.1f} ms | {ratio:.2f}"
        print(f"| {kind} | {cells} | {boxed} of {len(files)} |", flush=True)


def jpeg(photo: Image.Image) -> bytes:
    """As a phone sends it."""
    held = io.BytesIO()
    photo.save(held, "JPEG", quality=85)
    return held.getvalue()


def words(bench: Bench) -> None:
    """A photo and a word of its category together, by the say of the photo; and names typed with an error."""
    shown = third(bench.train), bench.val
    text = TextEncoder()
    titles = [name.replace("-", " ") for name in NAMES]
    dense = text.texts(titles, "document")
    encoder = bench.fitted
    gallery = encoder.project(bench.studio, "document")
    asked = {k: text.texts([kind(k)], "query")[0] for k in set(COARSE.tolist())}
    print("| say of the photo (words have 1) | train, every third: recall@1 | val: recall@1 |\n|---|---|---|")
    for say in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 1e6):
        cells = []
        for part in shown:
            seen = encoder.project(part.look, "query") @ gallery.T
            first = []
            for row, fine in zip(seen, part.fine):
                rankings = {"photo": ranked(row), "text": ranked(dense @ asked[int(COARSE[fine])])}
                fused = fuse_ranks(rankings, {"photo": say, "text": 1.0})
                first.append(float(fused[0][0] == NAMES[fine]))
            cells.append(str(Figure.of(first)))
        print(f"| {say:g} | {' | '.join(cells)} |", flush=True)
    print("\n| typed | first | among five |\n|---|---|---|")
    rng = np.random.default_rng(0)
    for how, spoil in (("the title", lambda t: t), ("two letters swapped", lambda t: swapped(t, rng)),
                       ("a letter left out", lambda t: left_out(t, rng))):  # fmt: skip
        typed = text.texts([spoil(title) for title in titles], "query")
        places = [int((dense @ one > dense[at] @ one).sum()) for at, one in enumerate(typed)]
        print(f"| {how} | {np.mean([p < 1 for p in places]):.3f} | {np.mean([p < 5 for p in places]):.3f} |")


def kind(coarse: int) -> str:
    """The word of a coarse class: the last part of the shortest name in it."""
    return min((NAMES[at] for at in range(81) if COARSE[at] == coarse), key=len).split("-")[-1].lower()


def ranked(scores: np.ndarray) -> list[str]:
    """Names, best first."""
    return [NAMES[at] for at in np.argsort(-scores, kind="stable")]


def swapped(title: str, rng: np.random.Generator) -> str:
    """Two neighboring letters the wrong way round."""
    at = int(rng.integers(1, max(2, len(title) - 1)))
    return title[: at - 1] + title[at] + title[at - 1] + title[at + 1 :]


def left_out(title: str, rng: np.random.Generator) -> str:
    """Without one letter."""
    at = int(rng.integers(len(title)))
    return title[:at] + title[at + 1 :]


def rerank(bench: Bench) -> None:
    """recall@1 on val as the pipeline judges, and after a closer look at the first ten; nothing is fitted for it."""
    on, limits = bench.search_context("fitted", bench.fitted), Limits.of(Settings())
    lines = [line.split(", ")[0] for line in (DATA / "grocery" / "val.txt").read_text().splitlines()]
    reranker, off, again = Geometry(bench.raw, RerankConfig()), [], []
    for at, (line, fine) in enumerate(zip(lines, bench.val.fine)):
        first = hits(bench.val.look, at, on)
        pictures = [PICTURES[NAMES.index(product)] for product, _ in first[: reranker.config.candidates]]
        photo = load(DATA / "grocery" / line, limits, side=224)
        order = rerank_places(reranker, photo, pictures, [score for _, score in first]).order
        off.append(float(first[0][0] == NAMES[fine]))
        again.append(float(first[order[0]][0] == NAMES[fine]))
    print("| space | off | geometry |\n|---|---|---|")
    print(f"| fitted, leant by category | {Figure.of(off)} | {Figure.of(again)} |")


TABLES = {
    "categories": categories,
    "calibration": calibration,
    "known": known,
    "feedback": feedback,
    "words": words,
    "cost": cost,
    "rerank": rerank,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--looks", type=Path, metavar="FILE.npz", help="keep what the network saw for the next run")
    given = parser.parse_args()
    bench = Bench(given.looks)
    for name in given.tables or TABLES:
        print(f"\n### {name}\n")
        TABLES[name](bench, given.plot) if name == "calibration" else TABLES[name](bench)


if __name__ == "__main__":
    main()
