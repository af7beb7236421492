"""An encoder of ours in 8 bits as the artifact that encoders/image/efficientnet.py loads: written whole or not at all.

    NAME/
      model.onnx            the parent's network in whole numbers
      golden.safetensors    what it answers to drawn pictures
      heads/                the parent's Adapter, carried over, where it has one
      manifest.json         the parent's, with `precision`, `parent`, and what it was made of

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
    told: Mapping[str, object] | None = None,
) -> Builtin:
    """Writes the artifact of `source` in 8 bits into `folder` and opens it as the shop floor will.

    `source` is the folder of an encoder's artifact, `pictures` are batches to find the ranges on, a few hundred in all,
    of both roles. `heads` are moved to the new network as they are; `told` goes into the manifest. Raises NoRoom.
    """
    before = read_manifest(source, remedy="use the folder of an encoder")
    preprocessing = Preprocessing.parse(before["preprocessing"])
    pixels = (to_tensor(batch, preprocessing) for batch in pictures)
    model = in_whole_numbers((source / "model.onnx").read_bytes(), pixels, CELLS.values())
    answers = open_session(model, 0).run(["pooled"], {"pictures": to_tensor(golden_pictures(), preprocessing)})[0]
    before.pop("metrics", None)  # they were measured in full precision
    manifest = {
        **before,
        **(told or {}),
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
