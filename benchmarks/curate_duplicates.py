"""Are duplicates found, and only they? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/curate_duplicates.py --work DIR

To the photos of the odd-numbered classes of grocery `train` (thresholds were chosen on the even ones) a twentieth more
is added: copies of drawn photos, a quarter each exact, re-encoded, resized and cropped. A found pair is right when one
copy was made of the other, or both of one photo. Mean and deviation over seeds.
"""

import argparse
from pathlib import Path

import numpy as np
from curate_data import copied, digest, grocery, half, looked, opened

from snapfind.curation.detect.duplicates import find_duplicates, group_pairs, thumb

KINDS = ("exact", "re-encoded", "resized", "cropped")
PART = 0.05


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    photos = half(grocery("train", given.work), 1)
    images = [opened(file) for file in photos.files]
    thumbs, hashes = np.stack([thumb(image) for image in images]), [digest(image) for image in images]
    recalls: dict[str, list[float]] = {kind: [] for kind in KINDS}
    precisions, again = [], []
    for seed in range(given.seeds):
        rng = np.random.default_rng([12, seed])
        chosen = rng.permutation(len(images))[: round(PART * len(images))]
        kinds = [KINDS[place % len(KINDS)] for place in range(len(chosen))]
        made = [copied(images[row], kind, rng) for row, kind in zip(chosen, kinds)]
        vectors = np.concatenate([photos.features, looked(made)])
        every = np.concatenate([thumbs, np.stack([thumb(image) for image in made])])
        found = find_duplicates([*hashes, *(digest(image) for image in made)], every, vectors)
        same = {(pair.a, pair.b) for pair in found if pair.grade != "same product"}
        truth = {(int(row), len(images) + place): kind for place, (row, kind) in enumerate(zip(chosen, kinds))}
        for kind in KINDS:
            own = [pair for pair, how in truth.items() if how == kind]
            recalls[kind].append(np.mean([pair in same for pair in own]))
        precisions.append(len(same & set(truth)) / max(len(same), 1))
        shown = np.concatenate([photos.labels, photos.labels[chosen]])
        alike = group_pairs([pair for pair in found if max(pair.a, pair.b) < len(images)], "same product")
        pairs = [(rows[0], row) for rows in alike for row in rows[1:]]
        again.append((np.mean([shown[a] == shown[b] for a, b in pairs]), sum(map(len, alike)) / len(images)))

    def spread(values: list[float]) -> str:
        return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"

    print(f"{len(images):,} photos and {len(chosen)} copies, {given.seeds} seeds\n\n| copies | recall |\n|---|---|")
    for kind in KINDS:
        print(f"| {kind} | {spread(recalls[kind])} |")
    print(f"\nPrecision of all pairs told the same file or picture: {spread(precisions)}")
    print(f"Same product, photographed again: {again[0][0]:.3f} of the pairs in groups show one product (fine class);")
    print(f"{again[0][1]:.3f} of the photos are in such a group.")


if __name__ == "__main__":
    main()
