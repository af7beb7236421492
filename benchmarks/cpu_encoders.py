"""Photos a second from JPEG files to vectors: what a user would pick instead, and snapfind. Prints Markdown.

    SNAPFIND_DATA=… python benchmarks/cpu_encoders.py --prepare --models DIR        # needs snapfind[turbo,quantize]
    SNAPFIND_DATA=… python benchmarks/cpu_encoders.py --models DIR --python VENV/bin/python [--rounds 3]

VENV holds the programs to compare with (pip install sentence-transformers fastembed rclip imgsearch open_clip_torch
openvino) and can import snapfind; what it lacks is named and left out. clip-retrieval pins older packages and needs one
of its own: a program runs in the first `--python` that has it. Programs take turns, each a
fresh process, loading not counted. Two sets of photos: groceries as they are (348 px), and enlarged to 1,600 px as a
shop has them. `--before "COMMAND"` runs each process under a command, such as one that waits for a quiet machine.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

WHAT = {
    "open_clip-loop": ("open_clip, a photo at a time", "ViT-B/32", "PyTorch fp32"),
    "open_clip-batches": ("open_clip, 32 at a time", "ViT-B/32", "PyTorch fp32"),
    "sentence-transformers": ("sentence-transformers", "ViT-B/32", "PyTorch fp32"),
    "clip-retrieval": ("clip-retrieval", "ViT-B/32", "PyTorch fp32"),
    "rclip": ("rclip", "ViT-B/32 at 256 px", "ONNX Runtime fp32"),
    "imgsearch": ("imgsearch", "TinyCLIP 45M/32", "PyTorch bf16"),
    "imgsearch-same": ("imgsearch", "ViT-B/32", "PyTorch bf16"),
    "fastembed": ("fastembed", "ViT-B/32", "ONNX Runtime fp32"),
    "snapfind-same": ("snapfind's way", "ViT-B/32", "ONNX Runtime fp32"),
    "snapfind-same-int8": ("snapfind's way", "ViT-B/32", "ONNX Runtime int8"),
    "snapfind-same-openvino-f32": ("snapfind's way", "ViT-B/32", "OpenVINO fp32"),
    "snapfind-same-openvino": ("snapfind's way", "ViT-B/32", "OpenVINO, its default"),
    "snapfind": ("snapfind, its default", "EfficientNet-Lite0", "ONNX Runtime fp32"),
    "snapfind-int8": ("snapfind, its default in 8 bits", "EfficientNet-Lite0", "ONNX Runtime int8"),
}
PACKAGES = ("torch", "open_clip_torch", "sentence-transformers", "clip-retrieval", "rclip", "imgsearch", "fastembed")


def prepare(models: Path) -> None:
    """ViT-B/32 with random weights, as each program keeps it, and the default in 8 bits."""
    import open_clip
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    for folder, name, side in (
        ("same", "ViT-B-32", 224),
        ("rclip/ViT-B-32-256-datacomp_s34b_b86k", "ViT-B-32-256", 256),
    ):
        file = models / folder / "visual.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        tower = open_clip.create_model(name, pretrained=None).eval().visual
        given = {"input_names": ["input"], "output_names": ["output"], "dynamo": True, "external_data": False}
        some = {"x": {0: torch.export.Dim("batch")}}
        torch.onnx.export(tower, (torch.randn(2, 3, side, side),), file, dynamic_shapes=some, **given)
    same = models / "same" / "visual.onnx"
    options = {"per_channel": True, "weight_type": QuantType.QInt8, "op_types_to_quantize": ["MatMul", "Gemm"]}
    quantize_dynamic(same, models / "same" / "visual.int8.onnx", **options)
    (models / "fastembed").mkdir(exist_ok=True)
    shutil.copy(same, models / "fastembed" / "model.onnx")
    processor = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})
    processor.save_pretrained(models / "fastembed")
    CLIPModel(CLIPConfig()).save_pretrained(models / "clip")
    processor.save_pretrained(models / "clip")
    words_of(models / "clip")
    in_eight_bits(models / "lite0-int8")


def in_eight_bits(folder: Path) -> None:
    """As `snapfind model quantize` makes it, of the groceries' studio pictures."""
    from snapfind.convert.int8 import write_eight_bits
    from snapfind.convert.quantize import photographed
    from snapfind.encoders.image.efficientnet import artifact_of

    studio = sorted((Path(os.environ["SNAPFIND_DATA"]) / "grocery/catalogue").rglob("*_Iconic.jpg"))
    pictures = [Image.open(file).convert("RGB") for file in studio]
    write_eight_bits(artifact_of("lite0"), folder, photographed(pictures, 2))


def words_of(folder: Path) -> None:
    """A tokenizer of single letters: enough to load, no text is encoded."""
    from transformers import CLIPTokenizer

    letters = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {word: number for number, word in enumerate(letters + [f"{letter}</w>" for letter in letters[2:]])}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)


def photos(folder: Path, count: int, side: int) -> Path:
    """A folder of `count` JPEG files, spread over the groceries; `side` 0 leaves them as they are."""
    source = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    lines = [line.split(",")[0] for line in (source / "train.txt").read_text().splitlines()]
    place = folder / f"{side or 'own'}"
    place.mkdir()
    for number, name in enumerate(lines[:: len(lines) // count][:count]):
        file = place / f"{number:04}.jpg"
        if side:
            photo = Image.open(source / name).convert("RGB")
            scale = side / max(photo.size)
            photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
            photo.save(file, quality=90)
        else:
            shutil.copy(source / name, file)
    return place


def rates(name: str, args: argparse.Namespace, places: Iterable[Path]) -> list[float] | str:
    """Photos a second of each folder, or why not."""
    script = Path(__file__).with_name("cpu_contenders.py")
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    said = ""
    for python in args.python:
        command = [*shlex.split(args.before), python, str(script), name, str(args.models), *map(str, places)]
        done = subprocess.run(command, capture_output=True, text=True, env=offline, check=False)
        if not done.returncode:
            found: list[float] = json.loads(done.stdout.strip().splitlines()[-1])
            return found
        said = said or (done.stderr.strip().splitlines() or ["no word"])[-1]
    return said


VERSIONS = """
import importlib.metadata, sys
for package in sys.argv[1:]:
    try:
        print(package, importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        print(package, "not installed")
"""


def versions(python: str) -> str:
    """Of the programs compared."""
    command = [python, "-c", VERSIONS, *PACKAGES, "onnxruntime", "openvino"]
    return ", ".join(subprocess.check_output(command, text=True).splitlines())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--before", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=WHAT)
    args = parser.parse_args()
    if args.prepare:
        prepare(args.models)
        return
    names, args.python = args.only or [*WHAT], args.python or [sys.executable]
    seen: dict[str, list[list[float]]] = {name: [] for name in names}
    wrong: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        sets = {"348 px": photos(Path(folder), 80, 0), "1,600 px": photos(Path(folder), 48, 1600)}
        for round_ in range(args.rounds):
            for name in [name for name in names if name not in wrong]:
                found = rates(name, args, sets.values())
                print(f"round {round_ + 1}: {name}: {found}", file=sys.stderr, flush=True)
                if isinstance(found, str):
                    wrong[name] = found
                else:
                    seen[name].append(found)
    print(f"{os.cpu_count()} cores. " + " / ".join(versions(python) for python in args.python) + "\n")
    print("| program | model | runs in | " + " | ".join(f"photos/s, {kind} (least to most)" for kind in sets) + " |")
    print("|---" * (3 + len(sets)) + "|")
    for name in names:
        columns = [cell(rates) for rates in zip(*seen[name])] if name not in wrong else [f"left out: {wrong[name]}", ""]
        print(f"| {' | '.join(WHAT[name])} | {' | '.join(columns)} |")


def cell(rates: Sequence[float]) -> str:
    """The median with least and most."""
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"


if __name__ == "__main__":
    main()
