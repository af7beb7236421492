"""JPEG files -> unit vectors, once for each program of the CPU table: run by cpu_encoders.py, each in its own process.

    python benchmarks/cpu_contenders.py NAME MODELS FOLDER…      # prints photos a second of each folder of files

Every program goes its own documented way from a folder of files. The time of the first files is taken off, after a call
to warm up: what a program does once for each call does not count. Weights are random
where a program would download them: the time does not depend on them.
"""

import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Encode = Callable[[Sequence[Path]], Any]
WARM = 16


def batches(files: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    """Runs of `size` files."""
    return (files[start : start + size] for start in range(0, len(files), size))


def open_clip_loop(models: Path, size: int = 1) -> Encode:
    """As its README shows it: a photo at a time."""
    import open_clip
    import torch

    model, _, process = open_clip.create_model_and_transforms("ViT-B-32", pretrained=None)
    model.eval()

    @torch.inference_mode()
    def encode(files: Sequence[Path]) -> None:
        for some in batches(files, size):
            seen = torch.stack([process(Image.open(file)) for file in some])
            torch.nn.functional.normalize(model.encode_image(seen), dim=-1)

    return encode


def open_clip_batches(models: Path) -> Encode:
    """The same, 32 photos at a time."""
    return open_clip_loop(models, 32)


def sentence_transformers(models: Path) -> Encode:
    """`SentenceTransformer(folder).encode(pictures)`."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(models / "clip"), device="cpu")
    return lambda files: model.encode([Image.open(file) for file in files], batch_size=32, normalize_embeddings=True)


def fastembed(models: Path) -> Encode:
    """`ImageEmbedding`, its CLIP ViT-B/32."""
    from fastembed import ImageEmbedding

    model = ImageEmbedding("Qdrant/clip-ViT-B-32-vision", specific_model_path=str(models / "fastembed"))
    return lambda files: list(model.embed([str(file) for file in files], batch_size=32))


def rclip(models: Path) -> Encode:
    """Its indexing of a folder, into its own database; its model is ViT-B/32 at 256 px."""
    import os

    os.environ["RCLIP_DATADIR"] = str(models / "rclip")
    from rclip.db import DB
    from rclip.main import RClip
    from rclip.model import Model

    model = Model()

    def encode(files: Sequence[Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "photos")
            place.mkdir()
            for file in files:
                (place / file.name).symlink_to(file)
            shop = RClip(model, DB(Path(folder, "db")), 8, None)
            shop.ensure_index(str(place))
            stored = shop._db._con.execute("SELECT COUNT(*) FROM images").fetchone()[0]
            assert stored == len(files), f"{stored} of {len(files)} photos were indexed"

    return encode


def imgsearch(models: Path, name: str = "TinyCLIP-auto-ViT-45M-32-Text-18M") -> Encode:
    """Its `Clip`, 100 photos at a time as its client sends them; its default is a smaller model, TinyCLIP 45M/32."""
    from imgsearch.clip import Clip
    from tinyclip import create_model_and_transforms

    Clip.load_model = staticmethod(lambda _key: (*create_model_and_transforms(name)[::2], None))
    clip = Clip(device="cpu")
    return lambda files: [clip.embed_images([Image.open(file) for file in some]) for some in batches(files, 100)]


def imgsearch_same(models: Path) -> Encode:
    """The same with ViT-B/32."""
    return imgsearch(models, "ViT-B-32")


def clip_retrieval(models: Path) -> Encode:
    """`clip_inference` over a folder of files, with open_clip's ViT-B/32."""
    import open_clip
    from clip_retrieval.clip_inference.main import main as clip_inference

    made = functools.cache(functools.partial(open_clip.create_model_and_transforms, "ViT-B-32", pretrained=None))
    open_clip.create_model_and_transforms = lambda *_, **__: made()  # it would load anew for every folder

    def encode(files: Sequence[Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "photos")
            place.mkdir()
            for file in files:
                (place / file.name).symlink_to(file)
            clip_inference(
                str(place),
                str(Path(folder, "out")),
                input_format="files",
                enable_text=False,
                batch_size=32,
                num_prepro_workers=2,
                clip_model="open_clip:ViT-B-32",
                use_jit=False,
                use_mclip=False,
            )

    return encode


def snapfind_default(models: Path, name: str = "lite0") -> Encode:
    """What `add` does before it stores: decode and fit in threads, encode in batches. EfficientNet-Lite0."""
    from snapfind.encoders.image.efficientnet import Builtin
    from snapfind.encoders.image.preprocess import fitted

    encoder = Builtin.load(name)
    side = encoder.preprocessing.side
    return _pooled(
        lambda picture: fitted(picture, encoder.preprocessing), side, lambda some: encoder.images(some, "document")
    )


def snapfind_eight_bits(models: Path) -> Encode:
    """The same in 8 bits, as `snapfind model quantize` makes it."""
    return snapfind_default(models, str(models / "lite0-int8"))


def snapfind_same(models: Path, run: Callable[[Any], Any] | None = None, file: str = "visual.onnx") -> Encode:
    """The same way with ViT-B/32, its own cut (224 px of the shorter side), in ONNX Runtime."""
    if run is None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(models / "same" / file, options, providers=["CPUExecutionProvider"])
        run = lambda seen: session.run(None, {"input": seen})[0]  # noqa: E731
    mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32) * 255
    deviation = np.array([0.26862954, 0.26130258, 0.27577711], np.float32) * 255

    def encode(some: Sequence[Image.Image]) -> Any:
        seen = (np.stack([np.asarray(one) for one in some]) - mean) / deviation
        vectors = run(np.ascontiguousarray(seen.transpose(0, 3, 1, 2)))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return _pooled(_cut, 448, encode)  # the longer side, so that the shorter keeps 224 px up to 2:1


def snapfind_int8(models: Path) -> Encode:
    """With its matrices in 8 bits."""
    return snapfind_same(models, file="visual.int8.onnx")


def snapfind_openvino(models: Path) -> Encode:
    """With OpenVINO for ONNX Runtime, which on this kind of processor works in bfloat16."""
    import openvino

    compiled = openvino.compile_model(models / "same" / "visual.onnx", "CPU")
    return snapfind_same(models, lambda seen: compiled(seen)[0])


def snapfind_openvino_f32(models: Path) -> Encode:
    """OpenVINO held to float32."""
    import openvino

    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(models / "same" / "visual.onnx", "CPU", hint)
    return snapfind_same(models, lambda seen: compiled(seen)[0])


def _cut(picture: Image.Image) -> Image.Image:
    """224 px of the middle, as CLIP sees it."""
    wide, high = picture.size
    side = min(wide, high)
    left, top = (wide - side) // 2, (high - side) // 2
    return picture.resize((224, 224), Image.Resampling.BICUBIC, (left, top, left + side, top + side))


def _pooled(prepare: Callable[[Image.Image], Image.Image], side: int, encode: Callable[[Any], Any]) -> Encode:
    """Files through the decoding threads of `add`, 16 pictures to a batch."""
    from concurrent.futures import ThreadPoolExecutor

    from snapfind.media.image.decode import Limits, load
    from snapfind.media.prefetch import map_ahead

    limits = Limits(2**25, 50_000_000, 20_000)

    def all_of(files: Sequence[Path]) -> None:
        with ThreadPoolExecutor(2) as pool:
            ready = map_ahead(pool, lambda file: prepare(load(file, limits, side=side)), files, 32)
            pictures: list[Image.Image] = []
            for number, (_, picture) in enumerate(ready, 1):
                pictures.append(picture)
                if len(pictures) == 16 or number == len(files):
                    encode(pictures)
                    pictures = []

    return all_of


CONTENDERS: dict[str, Callable[[Path], Encode]] = {
    "open_clip-loop": open_clip_loop,
    "open_clip-batches": open_clip_batches,
    "sentence-transformers": sentence_transformers,
    "clip-retrieval": clip_retrieval,
    "rclip": rclip,
    "imgsearch": imgsearch,
    "imgsearch-same": imgsearch_same,
    "fastembed": fastembed,
    "snapfind-same": snapfind_same,
    "snapfind-same-int8": snapfind_int8,
    "snapfind-same-openvino": snapfind_openvino,
    "snapfind-same-openvino-f32": snapfind_openvino_f32,
    "snapfind": snapfind_default,
    "snapfind-int8": snapfind_eight_bits,
}


def seconds(encode: Encode, files: Sequence[Path]) -> float:
    """Of one call."""
    start = time.perf_counter()
    encode(files)
    return time.perf_counter() - start


def main() -> None:
    """NAME MODELS FOLDER…"""
    name, models, *folders = sys.argv[1], *(Path(given).resolve() for given in sys.argv[2:])
    encode, rates = CONTENDERS[name](models), []
    for folder in folders:
        files = sorted(folder.glob("*.jpg"))
        encode(files[:WARM])
        few, every = (seconds(encode, some) for some in (files[:WARM], files))
        rates.append((len(files) - WARM) / (every - few))
    print("\n" + json.dumps(rates))  # on a line of its own, whatever a program printed


if __name__ == "__main__":
    main()
