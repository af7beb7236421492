"""A small ViT on the front of the shipped encoder, trained on real photos: what turbo_accuracy.py merges in.

    SNAPFIND_DATA=… OMP_NUM_THREADS=1 nice -n 10 python benchmarks/turbo_vit.py --work FOLDER

112 px photos go through the frozen front of Lite0 (stride 8, 40 channels), whose 14 x 14 cells are the 196 patches of
a timm ViT (a hybrid, Dosovitskiy et al., arXiv 2010.11929): width 128, 6 blocks, 2 heads, a class token. It learns 81
groceries and 10 kinds of clothing at once, from labels and from Lite0's pooled features of the same view. Most epochs
see 7 x 7 cells, the last ones all. Three are trained, each without a third of the labeled photos (train and val of
both sets), which it is judged on; a tenth of what it may see is left out too, to choose alpha on. A run that was
stopped goes on from its last epoch.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import learn_data as data
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from safetensors.torch import load_file, save_file
from scipy.sparse.csgraph import connected_components
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.data.augmentation import Sample
from snapfind.training.export import SHIPPED
from snapfind.training.models.efficientnet import Network, read_network

FOLDS, ALIKE = 3, 0.8
VIEWS = 5  # of a photo; the first is the plain one
SIDE, CELLS, WIDTH = 112, 14, 128
GROCERIES, CLASSES = 81, 91
LOW, FULL = 22, 4  # epochs at 7 x 7 cells, and at 14 x 14 while the rate falls to 0
RATE, DECAY, BATCH = 1e-3, 0.05, 64  # the rate rises over three epochs


def vit() -> VisionTransformer:
    """Cells (n, 40, 14, 14) -> logits (n, 91)."""
    return VisionTransformer(
        img_size=CELLS,
        patch_size=1,
        in_chans=40,
        embed_dim=WIDTH,
        depth=6,
        num_heads=2,
        num_classes=CLASSES,
        dynamic_img_size=True,
        drop_path_rate=0.1,
    )


def stem() -> Callable[[NDArray[np.uint8]], Tensor]:
    """(n, 112, 112, 3) uint8 -> (n, 40, 14, 14): Lite0 up to its sixth block."""
    network: Network = read_network(SHIPPED).eval()
    last = network.names.index("_blocks.5")

    @torch.inference_mode()
    def front(pictures: NDArray[np.uint8]) -> Tensor:
        return network.between(network.planes(torch.from_numpy(pictures)), 0, last)

    return front


def photos(split: str) -> tuple[list[Sample], NDArray[np.int64]]:
    """Groceries and clothes of `train` or `val`, with classes 0..80 and 81..90."""
    grocery = data.grocery()
    first = grocery.train if split == "train" else grocery.val
    second = data.clothing("train" if split == "train" else "validation")
    return first + second, np.concatenate([data.labels_of(first), data.labels_of(second) + GROCERIES])


def view(photo: Image.Image, number: int, rng: np.random.Generator) -> Image.Image:
    """224 px square; number 0 is the middle of the photo, the others are crops with other light and color."""
    wide, high = photo.size
    if number == 0:
        side = min(wide, high)
        box = ((wide - side) // 2, (high - side) // 2, (wide + side) // 2, (high + side) // 2)
        return photo.resize((224, 224), Image.Resampling.BICUBIC, box)
    area, aspect = rng.uniform(0.35, 1.0), math.exp(rng.uniform(-0.3, 0.3))
    width, height = (min(1.0, math.sqrt(area * aspect)) * wide, min(1.0, math.sqrt(area / aspect)) * high)
    left, top = rng.uniform(0, wide - width), rng.uniform(0, high - height)
    cut = photo.resize((224, 224), Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        cut = kind(cut).enhance(rng.uniform(0.7, 1.3))
    return cut


def prepare(work: Path) -> tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.int64]]:
    """Cells (n, VIEWS, 40, 14, 14), Lite0's features (n, VIEWS, 1280) and classes (n,) of train, then of val."""
    halves = [looked_at(split, work) for split in ("train", "val")]
    cells, features, classes = (np.concatenate(parts) for parts in zip(*halves))
    return cells, features, classes


def looked_at(split: str, work: Path) -> tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.int64]]:
    """Those of one split; kept in `work`."""
    shown, classes = photos(split)
    files = [work / f"{split}-{name}.npy" for name in ("cells", "features")]
    if not all(file.exists() for file in files):
        work.mkdir(parents=True, exist_ok=True)
        front, teacher, rng = stem(), Builtin.load("lite0"), np.random.default_rng(0)
        cells = np.empty((len(shown), VIEWS, 40, CELLS, CELLS), np.float16)
        features = np.empty((len(shown), VIEWS, 1280), np.float16)
        for row, one in enumerate(shown):
            photo = one.load()
            seen = [view(photo, number, rng) for number in range(VIEWS)]
            small = np.stack([np.asarray(each.resize((SIDE, SIDE), Image.Resampling.BOX)) for each in seen])
            cells[row], features[row] = front(small).numpy(), teacher.extract_features(seen).pooled
            if row % 500 == 0:
                print(f"{split}: {row} of {len(shown)} photos looked at", flush=True)
        np.save(files[0], cells)
        np.save(files[1], features)
    return np.load(files[0], mmap_mode="r"), np.load(files[1], mmap_mode="r"), classes


def folds(features: NDArray[np.float16], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) 0..2 from Lite0's plain views (n, 1280): each class in thirds, look-alikes of a class always together.

    The largest group goes first, to the fold that has least of the class. File names tell nothing: dealt out in runs,
    as dealt out at random, a third of the photos has a look-alike (cosine over ALIKE) in another fold; here 5 % have,
    and those of another class.
    """
    rows = features.astype(np.float32) - features.mean(0, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    fold, total = np.empty(len(classes), np.int64), np.zeros(FOLDS, np.int64)
    for each in range(CLASSES):
        own = np.flatnonzero(classes == each)
        _, group = connected_components(rows[own] @ rows[own].T > ALIKE, directed=False)
        sizes, of_class = np.bincount(group), np.zeros(FOLDS, np.int64)
        for number in np.argsort(-sizes, kind="stable"):
            least = np.lexsort((total, of_class))[0]
            fold[own[group == number]] = least
            of_class[least] += sizes[number]
            total[least] += sizes[number]
    return fold


def parts(fold_of: NDArray[np.int64], fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Places to learn from, the tenth of these that is left out to choose alpha on, and the fold to judge on."""
    held = fold_of == fold
    order = np.random.default_rng(1).permutation(np.flatnonzero(~held))
    return order[len(order) // 10 :], order[: len(order) // 10], np.flatnonzero(held)


class Learner(nn.Module):
    """The ViT, and the head that says what Lite0 sees."""

    def __init__(self) -> None:
        super().__init__()
        self.vit, self.tell = vit(), nn.Linear(WIDTH, 1280)

    def forward(self, cells: Tensor, classes: Tensor, features: Tensor) -> Tensor:
        """The loss of a batch."""
        token = self.vit.forward_head(self.vit.forward_features(cells), pre_logits=True)
        loss = functional.cross_entropy(self.vit.head(token).float(), classes, label_smoothing=0.1)
        return loss + 2 * (1 - functional.cosine_similarity(self.tell(token).float(), features)).mean()


def train(work: Path, fold: int) -> None:
    """Writes `vit-FOLD.safetensors`; each epoch leaves a checkpoint."""
    cells, features, classes = prepare(work)
    seen, told, labels = torch.from_numpy(cells), torch.from_numpy(features), torch.from_numpy(classes)
    learned, chosen, _ = parts(folds(features[:, 0], classes), fold)
    middle = told[learned].float().mean((0, 1))
    torch.manual_seed(fold)
    learner = Learner()
    optimizer = torch.optim.AdamW(learner.parameters(), RATE, weight_decay=DECAY)
    kept = work / f"checkpoint-{fold}.pt"
    first = 0
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        learner.load_state_dict(state["learner"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"]
    for epoch in range(first, LOW + FULL):
        began, total = time.process_time(), 0.0
        draws = np.random.default_rng(epoch)
        order = draws.permutation(learned)
        learner.train()
        batches = np.array_split(order, len(order) // BATCH)
        for number, rows in enumerate(batches):
            done = epoch + number / len(batches)
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1.0, done / 3, (LOW + FULL - done) / FULL)
            which = draws.integers(VIEWS, size=len(rows))
            part = seen[rows, which].float()
            if draws.random() < 0.5:
                part = part.flip(-1)
            if epoch < LOW:
                part = functional.avg_pool2d(part, 2)
            with torch.autocast("cpu", torch.bfloat16):
                loss = learner(part, labels[rows], told[rows, which].float() - middle)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(rows)
        right = accuracy(learner.vit, seen[chosen, 0], labels[chosen]) if epoch % 4 == 3 or epoch >= LOW else math.nan
        print(
            f"fold {fold}, epoch {epoch + 1}: loss {total / len(order):.3f}, left-out tenth {right:.3f}, "
            f"{time.process_time() - began:.0f} processor-seconds",
            flush=True,
        )
        state = {"learner": learner.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}
        torch.save(state, kept.with_suffix(".new"))
        kept.with_suffix(".new").replace(kept)
    save_file(learner.vit.state_dict(), work / f"vit-{fold}.safetensors")


@torch.inference_mode()
def accuracy(model: nn.Module, cells: Tensor, classes: Tensor) -> float:
    """Share right."""
    model.eval()
    right = [model(part.float()).argmax(1) == labels for part, labels in zip(cells.split(64), classes.split(64))]
    return float(torch.cat(right).float().mean())


def trained(work: Path, fold: int) -> VisionTransformer:
    """The ViT that `train` left."""
    model = vit()
    model.load_state_dict(load_file(work / f"vit-{fold}.safetensors"))
    return model.eval()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of views, checkpoints and the weights")
    work = parser.parse_args().work
    for fold in range(FOLDS):
        train(work, fold)


if __name__ == "__main__":
    main()
