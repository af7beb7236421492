"""What a shop's own encoder costs in each precision: bytes, milliseconds a picture and a text, agreement with PyTorch.

    python benchmarks/own_encoders.py --work DIR

The models have the sizes of CLIP ViT-B/32 and DINOv2 S/14 and drawn weights: sizes and speeds are those of the real
ones, the agreement of int8 is not. Needs the extra `convert`.
"""

import argparse
import itertools
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import transformers
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from snapfind.convert.comparison import milliseconds, size_of
from snapfind.convert.convert import convert
from snapfind.convert.verify import pictures_by_torch
from snapfind.encoders.arrays import unit
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.onnx_tower import Tower
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.encoders.onnx_session import open_session

BATCHES = (1, 4, 8, 16)
TEXT = "a red ceramic mug"


def clip(folder: Path) -> None:
    """The size of openai/clip-vit-base-patch32; its tokenizer knows bytes."""
    from open_clip.tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1}
    transformers.CLIPModel(transformers.CLIPConfig(text_config=ends, **ends)).save_pretrained(folder)
    transformers.CLIPTokenizer(vocab={word: n for n, word in enumerate(words)}, merges=[]).save_pretrained(folder)
    transformers.CLIPImageProcessor().save_pretrained(folder)


def dino(folder: Path) -> None:
    """The size of facebook/dinov2-small at 224 pixels."""
    size = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 518, "patch_size": 14}
    transformers.Dinov2Model(transformers.Dinov2Config(**size)).save_pretrained(folder)
    transformers.BitImageProcessor(size={"shortest_edge": 256}).save_pretrained(folder)


class Seen(CalibrationDataReader):
    """The drawn pictures, one at a time."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.rows = iter([{"pictures": one[None]} for one in to_tensor(golden_pictures(), preprocessing)])

    def get_next(self) -> dict[str, object] | None:  # type: ignore[override]
        """The next one, None at the end."""
        return next(self.rows, None)


def static(tower: Tower, folder: Path) -> tuple[int, list[float], float]:
    """Whole numbers with scales fixed beforehand: bytes, milliseconds a picture, cosine with fp32."""
    target = folder / "static.onnx"
    quantize_static(
        folder / "picture.onnx",
        target,
        Seen(tower.preprocessing),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
    )
    session = open_session(target.read_bytes(), 0)
    pixels = to_tensor(golden_pictures(), tower.preprocessing)

    def run(count: int) -> object:
        return session.run(None, {"pictures": pixels[[0] * count]})

    rows = unit(session.run(None, {"pictures": pixels})[0])
    cosine = float((rows * unit(tower.extract_features(golden_pictures()).pooled)).sum(axis=1).min())
    return target.stat().st_size, [milliseconds(lambda n=n: run(n)) / n for n in BATCHES], cosine


def main() -> None:
    """A table a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["clip", "dino"])
    given = parser.parse_args()
    makers: dict[str, Callable[[Path], None]] = {"clip": clip, "dino": dino}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; milliseconds, medians of five")
    for name in given.models:
        source = given.work / name
        if not source.exists():
            torch.manual_seed(0)
            makers[name](source)
        print(f"\n| {name} | MB | " + " | ".join(f"picture, batch {n}" for n in BATCHES) + " | text | cosine |")
        print("|---" * (4 + len(BATCHES)) + "|")
        images = list(itertools.islice(itertools.cycle(golden_pictures(1)), max(BATCHES)))
        for precision in ("fp32", "fp16", "int8"):
            target = given.work / f"{name}-{precision}"
            shutil.rmtree(target, ignore_errors=True)
            made = convert(str(source), target, precision)
            tower = made.tower
            speeds = [milliseconds(lambda n=n, t=tower, i=images: t.extract_features(i[:n])) / n for n in BATCHES]
            text = milliseconds(lambda t=tower: t.words.texts([TEXT], "query")) if tower.words else float("nan")
            row = " | ".join(f"{speed:.1f}" for speed in speeds)
            cosine = made.facts["cosine_pictures"]
            print(f"| {precision} | {size_of(target) / 1e6:.0f} | {row} | {text:.1f} | {cosine} |", flush=True)
            if precision == "fp32":
                torch_way = partial(pictures_by_torch, made.original)
                own = [milliseconds(partial(torch_way, images[:n])) / n for n in BATCHES]
                print("| PyTorch | | " + " | ".join(f"{speed:.1f}" for speed in own) + " | | 1 |", flush=True)
                size, speeds, cosine = static(tower, target)
                row = " | ".join(f"{speed:.1f}" for speed in speeds)
                print(f"| static int8, pictures | {size / 1e6:.0f} | {row} | | {cosine:.4f} |", flush=True)


if __name__ == "__main__":
    main()
