"""Make an int8 copy of the shipped encoder, to measure what eight bits cost or bring.

    pip install onnx
    SNAPFIND_DATA=... python benchmarks/quantise_encoder.py build/lite0-int8
    SNAPFIND_DATA=... python benchmarks/photo_to_studio.py --int8 build/lite0-int8

Static quantisation by ONNX Runtime, weights a channel at a time in 7 bits (8 overflow on processors without VNNI),
ranges from the studio pictures of `grocery` and their rephotographs.
"""

import argparse
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from safetensors.numpy import save

from snapfind.encoders import builtin
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.preprocess import to_tensor
from snapfind.encoders.session import open_session
from snapfind.encoders.vectors import unit
from snapfind.media.rephotograph import rephotograph

SHIPPED = Path(builtin.__file__).parent / "weights/lite0"


class Batches(CalibrationDataReader):
    """Each studio picture with two photos of it."""

    def __init__(self, encoder: builtin.Builtin) -> None:
        folder = Path(os.environ["SNAPFIND_DATA"]) / "grocery/catalogue"
        studio = [Image.open(path).convert("RGB") for path in sorted(folder.rglob("*_Iconic.jpg"))]
        self._batches = (
            to_tensor([image, *(rephotograph(image, np.random.default_rng([n, v]), studio) for v in range(2))], wanted)
            for wanted in [encoder.preprocessing]
            for n, image in enumerate(studio)
        )

    def get_next(self) -> dict[str, object] | None:
        """The next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"pictures": batch}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    encoder = builtin.Builtin.load()
    model = folder / "model.onnx"
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain.onnx"
        quant_pre_process(str(SHIPPED / "model.onnx"), str(plain))
        kinds = ["Conv", "Add", "Clip"]
        options = {"per_channel": True, "reduce_range": True, "op_types_to_quantize": kinds}
        types = {"weight_type": QuantType.QInt8, "activation_type": QuantType.QUInt8}
        quantize_static(str(plain), str(model), Batches(encoder), quant_format=QuantFormat.QDQ, **options, **types)
    manifest = json.loads((SHIPPED / "manifest.json").read_text())
    manifest["model_sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    session = open_session(model.read_bytes(), 0)
    pictures = to_tensor(golden_pictures(), encoder.preprocessing)
    golden = unit(session.run(["pooled"], {"pictures": pictures})[0])
    (folder / "golden.safetensors").write_bytes(save({"golden": golden}))
    apart = (golden * unit(encoder.look(golden_pictures()).pooled)).sum(axis=1).min()
    print(f"{folder}: {model.stat().st_size / 2**20:.1f} MiB, cosine to float32 at least {apart:.4f}")


if __name__ == "__main__":
    main()
