"""Prompts and adapters (arXiv 2112.04478) on a small CLIP and made-up pictures. Prints Markdown.

    python benchmarks/learn_prompts.py

No real CLIP can be had here without a hub, so a small one is made: the transformers format, 2 layers of 64 numbers,
trained for a minute on captions such as "a small red disc" over white. The classes are 24 combinations of six colors
and four shapes, photographed otherwise: dark, tinted, before clutter. top-1 among the classes that are asked; closed:
15 pictures a class are learned from; few: 5; zero: 12 classes are never seen. The second table has two classes that are
the same four frames in one order and in the other. Mean and deviation over seeds.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from learn_data import spread
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from snapfind.training.data.splits import How, Split, split
from snapfind.training.loop import TrainingConfig, train
from snapfind.training.methods.prompt_classification import accuracy, train_prompts
from snapfind.training.methods.prompt_tuning import ClassNames, Method, PromptConfig, Prompted
from snapfind.training.models.clip import Clip, load_clip

COLORS = {"red": (220, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 220), "yellow": (230, 210, 20)}
COLORS |= {"black": (20, 20, 20), "pink": (240, 130, 190)}
SHAPES = ("disc", "box", "bar", "ring")
NAMES = [f"{color} {shape}" for color in COLORS for shape in SHAPES]
SIDE, EACH, STEPS, PLACES = 32, 20, 500, 32
METHODS: tuple[Method, ...] = ("prompts", "lora", "linear")
SPLITS: tuple[How, ...] = ("closed", "few", "zero")
TRAINING = TrainingConfig(epochs=15, rate=2e-3, decay=0.01, average=0.9)


def drawn(name: str, rng: np.random.Generator, *, photo: bool) -> Image.Image:
    """A picture of that class: over white, or as a photo."""
    color, shape = name.split()
    image = Image.new("RGB", (SIDE, SIDE), "white")
    if photo:
        noise = rng.integers(60, 200, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize((SIDE, SIDE))
    size, draw = int(rng.integers(10, 20)), ImageDraw.Draw(image)
    left, top = (int(rng.integers(1, SIDE - size - 1)) for _ in range(2))
    box, fill = (left, top, left + size, top + size), COLORS[color]
    if shape == "disc":
        draw.ellipse(box, fill=fill)
    elif shape == "ring":
        draw.ellipse(box, outline=fill, width=4)
    elif shape == "bar":
        draw.rectangle((left, top + size // 3, left + size, top + 2 * size // 3), fill=fill)
    else:
        draw.rectangle(box, fill=fill)
    if not photo:
        return image
    levels = np.asarray(image, np.float32) * rng.uniform(0.4, 0.8) * rng.uniform(0.75, 1.25, 3)
    return Image.fromarray((levels + rng.normal(0, 12, levels.shape)).clip(0, 255).astype(np.uint8))


def small_clip(folder: Path) -> Clip:
    """Makes it, trains it on captions, saves it in the real format, reads it back."""
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1}
    text = {**tower, **ends, "vocab_size": len(vocabulary), "max_position_embeddings": PLACES}
    torch.manual_seed(0)
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config={**tower, "image_size": SIDE, "patch_size": 8}, projection_dim=32)
    )
    model.save_pretrained(folder)
    CLIPTokenizer(vocab={word: place for place, word in enumerate(vocabulary)}, merges=[]).save_pretrained(folder)
    clip, rng = load_clip(folder), np.random.default_rng(0)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(STEPS):
        names = [NAMES[own] for own in rng.permutation(len(NAMES))]
        words = [f"{rng.choice(['a', 'one', 'a small', 'the'])} {name}" for name in names]
        pixels = clip.preprocessing.tensor([drawn(name, rng, photo=rng.random() < 0.15) for name in names])
        told = clip.tokenizer(words, padding=True, return_tensors="pt")
        found = model(input_ids=told["input_ids"], attention_mask=told["attention_mask"], pixel_values=pixels)
        own = torch.arange(len(names))
        loss = functional.cross_entropy(found.logits_per_image, own) + functional.cross_entropy(
            found.logits_per_text, own
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return load_clip(folder)


def classes_table(clip: Clip, seeds: int) -> None:
    """Methods against names alone, in three splits."""
    form, plain = PromptConfig(prefix=8, postfix=8), PromptConfig(prefix=0, postfix=0)
    found: dict[tuple[str, str], list[float]] = {}
    learned: dict[str, int] = {"names": 0}
    for seed in range(seeds):
        rng = np.random.default_rng([1, seed])
        labels = np.repeat(np.arange(len(NAMES)), EACH)
        states = clip.pictures([drawn(NAMES[own], rng, photo=True) for own in labels])[:, None]
        for how in SPLITS:
            parts: Split = split(labels, how, seed=seed)
            alone = Prompted(clip, ClassNames.of(NAMES, clip, plain, "names"), "names", plain)
            asked = (states, labels, NAMES, parts, clip)
            found.setdefault(("names", how), []).append(accuracy(alone, *asked)["top-1"])
            for method in METHODS:
                training = TrainingConfig(
                    TRAINING.epochs, TRAINING.rate, decay=TRAINING.decay, average=TRAINING.average, seed=seed
                )
                best = train_prompts(clip, states, labels, NAMES, parts, method, form, training)
                found.setdefault((method, how), []).append(accuracy(best, *asked)["top-1"])
                learned[method] = sum(own.numel() for own in best.trained_parameters().values())
    print(f"| method | numbers learned | {' | '.join(SPLITS)} |\n|---|---|{'---|' * len(SPLITS)}")
    for method in ("names", *METHODS):
        cells = [spread(found[method, how]) for how in SPLITS]
        print(f"| {'names alone' if method == 'names' else method} | {learned[method]:,} | {' | '.join(cells)} |")


def order_table(clip: Clip, seeds: int) -> None:
    """Temporal block against the mean over time."""
    form, names = PromptConfig(prefix=8, postfix=8, frames=4, heads=4), ["first", "second"]
    found: dict[str, list[float]] = {"mean over time": [], "temporal block": []}
    for seed in range(seeds):
        rng = np.random.default_rng([2, seed])
        frames = clip.pictures([drawn(NAMES[own], rng, photo=False) for own in rng.permutation(len(NAMES))[:4]])

        def clips(count: int, seed: int = seed, frames: Tensor = frames) -> tuple[Tensor, Tensor]:
            generator = torch.Generator().manual_seed(100 * count + seed)
            labels = torch.randint(2, (count,), generator=generator)
            seen = torch.stack([frames if label == 0 else frames.flip(0) for label in labels])
            return seen + 0.1 * torch.randn(seen.shape, generator=generator), labels

        rows, labels = clips(64)
        asked, truth = clips(400)
        for how, own in found.items():
            torch.manual_seed(seed)
            words = ClassNames.of(names, clip, form, "prompts")
            learner = Prompted(clip, words, "prompts", form)
            if how == "mean over time":
                learner.temporal = None

            def batch(epoch: int, step: int, rows: Tensor = rows, labels: Tensor = labels) -> tuple[Tensor, Tensor]:
                chosen = torch.randint(64, (16,), generator=torch.Generator().manual_seed(100 * epoch + step))
                return rows[chosen], labels[chosen]

            best = train(learner, batch, 25, TrainingConfig(epochs=4, rate=2e-3, average=0.9, seed=seed)).module
            assert isinstance(best, Prompted)
            own.append(float((best.scores(asked[:, None], words).argmax(1) == truth).float().mean()))
    print("\n| frames in two orders | top-1 |\n|---|---|")
    for how, own in found.items():
        print(f"| {how} | {spread(own)} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        clip = small_clip(Path(folder))
        classes_table(clip, given.seeds)
        order_table(clip, given.seeds)


if __name__ == "__main__":
    main()
