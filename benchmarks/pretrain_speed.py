"""What a pair costs in pre-training, in processor time, and what parts cost and save. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/pretrain_speed.py

A shard is made of 128 photos of grocery with their class names. Processor time is what one core needs; on a machine
that does other work too it says more than the wall. Kept numbers are those that autograd keeps between the two passes.
"""

import argparse
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from snapfind.core.config import Settings
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.text.e5 import TextEncoder
from snapfind.media.image.decode import Limits
from snapfind.training.data.webdataset import Shards
from snapfind.training.loop import TrainingConfig
from snapfind.training.methods.pretraining import PairBatches, PretrainingConfig, new_towers

PAIRS, BATCH = 128, 32


def shard(path: Path) -> Path:
    """Pairs of photo and class name."""
    folder = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    names = [row.split(",")[0].replace("-", " ") for row in (folder / "classes.csv").read_text().splitlines()[1:]]
    lines = (folder / "train.txt").read_text().splitlines()
    with tarfile.open(path, "w") as tar:
        for number, line in enumerate(lines[:: len(lines) // PAIRS][:PAIRS]):
            photo, fine, _ = line.split(", ")
            parts = {"jpg": (folder / photo).read_bytes(), "txt": names[int(fine)].encode()}
            for kind, content in parts.items():
                told = tarfile.TarInfo(f"{number:06}.{kind}")
                told.size = len(content)
                tar.addfile(told, io.BytesIO(content))
    return path


def each(work: Callable[[], object], pairs: int, rounds: int = 2) -> float:
    """Milliseconds of processor time a pair, the least of some rounds."""
    found = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        found.append(1000 * (time.process_time() - begin) / pairs)
    return min(found)


def main() -> None:
    """Measures, prints."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shards = Shards([shard(Path(folder) / "a.tar")], Limits.of(Settings()))
        encoder, text = Builtin.load(threads=1), TextEncoder()
        print("| what a pair needs | core-milliseconds | numbers kept, a pair |\n|---|---|---|")
        images = [shards.read(number) for number in range(BATCH)]
        print(f"| read and decode | {each(lambda: [shards.read(n) for n in range(BATCH)], BATCH):.1f} | |")
        features_ms = each(lambda: encoder.extract_features([image for image, _ in images]), BATCH)
        print(f"| frozen: the picture's features | {features_ms:.1f} | |")
        titles = [title for _, title in images]
        print(f"| frozen: the title's vector | {each(lambda: text.texts(titles, 'query'), BATCH):.1f} | |", flush=True)
        for part in (0, 8):
            config = PretrainingConfig(TrainingConfig(), "sigmoid", BATCH, part, steps=1, held_out=0)
            towers, preprocessing = new_towers(config)
            batch, kept = PairBatches(shards, preprocessing, config).batch(0, 0), [0]

            def count(tensor: torch.Tensor, kept: list[int] = kept) -> torch.Tensor:
                kept[0] += tensor.numel()
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
                towers(*batch)
            cell = each(lambda t=towers, b=batch: t(*b).backward(), BATCH, 1)
            name = "in parts of 8" if part else "whole"
            print(
                f"| learn both towers, batch of {BATCH} {name} | {cell:.1f} | {kept[0] / BATCH / 1e6:.2f} million |",
                flush=True,
            )


if __name__ == "__main__":
    main()
