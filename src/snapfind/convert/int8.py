"""Write a bundled or trained encoder in int8, as an artifact for encoders/image/efficientnet.py.

    NAME/
      model.onnx            the parent's network in int8
      golden.safetensors    embeddings of golden pictures
      heads/                the parent's adapter, if it has one
      manifest.json         the parent's, with `precision`, `parent` and `made_of`

Needs onnx and no PyTorch.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL.Image import Image
from safetensors.numpy import save

from snapfind.convert.calibration_data import in_whole_numbers
from snapfind.core.artifact import read_manifest, write_artifact
from snapfind.core.atomic import whole
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import unit
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.feature_map import CELLS
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.encoders.onnx_session import open_session

__all__ = ["write_eight_bits"]


def write_eight_bits(
    source: Path,
    folder: Path,
    pictures: Iterable[Sequence[Image]],
    *,
    heads: Adapter | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Builtin:
    """Write an encoder in int8 and load it as serving does.

    Args:
        source: Folder of the encoder's artifact.
        folder: New folder.
        pictures: Batches of a few hundred pictures and photos to calibrate the ranges on.
        heads: Adapter of the encoder. It is copied.
        metadata: Further entries of the manifest.

    Returns:
        The int8 encoder.

    Raises:
        NoRoom: The disk is full.
    """
    before = read_manifest(source, remedy="use the folder of an encoder")
    preprocessing = Preprocessing.parse(before["preprocessing"])
    pixels = (to_tensor(batch, preprocessing) for batch in pictures)
    model = in_whole_numbers((source / "model.onnx").read_bytes(), pixels, CELLS.values())
    answers = open_session(model, 0).run(["pooled"], {"pictures": to_tensor(golden_pictures(), preprocessing)})[0]
    before.pop("metrics", None)  # they were measured in full precision
    manifest = {
        **before,
        **(metadata or {}),
        "name": f"{before['name']}-int8",
        "kind": "encoder",
        "parent": before.get("parent", before["name"]),
        "precision": "int8",
        "made_of": {"name": before["name"], "model_sha256": before["sha256"]["model.onnx"]},
    }
    files = {"model.onnx": model, "golden.safetensors": save({"golden": unit(answers)})}
    with whole(folder) as draft:
        write_artifact(draft, manifest, files)
        raw = Builtin.load(str(draft), checked=len(golden_pictures()))
        if heads is not None:
            Adapter(raw.raw_id, heads.weights, {"part_of": manifest["name"]}).save(draft / "heads")
    return Builtin.load(str(folder))
