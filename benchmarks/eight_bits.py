"""Which way into 8 bits keeps the vectors of lite0 nearest? By photos of `train`, never `val`. Prints Markdown.

    SNAPFIND_DATA=… python benchmarks/eight_bits.py [--only NAME …]

Ranges come from the 81 studio pictures of `grocery` with two photos made of each; the ways of finding ranges are
compared on a quarter of these, since histograms take long. Compared are 165 photos and the 81 pictures: cosines, and
the studio pictures that a photo finds. Times are processor time of one core.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

from snapfind.convert.comparison import same_answers
from snapfind.convert.quantize import photographed
from snapfind.encoders.arrays import unit
from snapfind.encoders.image.efficientnet import artifact_of
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.encoders.onnx_session import open_session

Node = onnx.NodeProto
SOURCE = artifact_of("lite0") / "model.onnx"
SOME = 60  # of 243 pictures
CHUNK = 15  # that histograms are made of at a time


class Pixels(CalibrationDataReader):
    """Three tensors at a time, as ONNX Runtime asks for them; in chunks where it wants to."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.at, self.end = pixels, 0, len(pixels)

    def get_next(self) -> dict[str, np.ndarray] | None:  # type: ignore[override]
        """The next batch, None at the end."""
        if self.at >= self.end:
            return None
        batch, self.at = self.pixels[self.at : self.at + 3], self.at + 3
        return {"pictures": batch}

    def __len__(self) -> int:
        return len(self.pixels)

    def set_range(self, start_index: int, end_index: int) -> None:
        """The next chunk."""
        self.at, self.end = start_index, end_index


def convolution(part: str) -> Callable[[Node], bool]:
    """Whether a node is a convolution with weights of that name."""
    return lambda node: node.op_type == "Conv" and part in node.input[1]


WAYS: dict[str, dict[str, object]] = {
    "weights in 7 bits": {"reduce_range": True},
    "weights in 8 bits": {},
    "first convolution in float": {"kept": convolution("_conv_stem")},
    "last convolution in float": {"kept": convolution("_conv_head")},
    "convolutions of one channel each in float": {"kept": convolution("depthwise")},
    "a quarter: least and largest value": {"most": SOME},
    "a quarter: 99.99 %": {"most": SOME, "method": CalibrationMethod.Percentile, "percentile": 99.99},
    "a quarter: 99.999 %": {"most": SOME, "method": CalibrationMethod.Percentile, "percentile": 99.999},
    "a quarter: entropy": {"most": SOME, "method": CalibrationMethod.Entropy},
}


def quantized(
    pixels: np.ndarray,
    *,
    reduce_range: bool = False,
    kept: Callable[[Node], bool] = lambda _: False,
    most: int = 10**6,
    method: CalibrationMethod = CalibrationMethod.MinMax,
    percentile: float = 99.999,
) -> bytes:
    """The file in 8 bits; nodes that are `kept` stay in float."""
    with tempfile.TemporaryDirectory() as spare:
        plain, small = Path(spare) / "plain.onnx", Path(spare) / "small.onnx"
        quant_pre_process(str(SOURCE), str(plain), skip_symbolic_shape=True)
        model = onnx.load(plain)
        for node in model.graph.node:
            node.name = node.output[0]
        onnx.save(model, plain)
        chunks = {} if method == CalibrationMethod.MinMax else {"CalibStridedMinMax": CHUNK}
        quantize_static(
            str(plain),
            str(small),
            Pixels(pixels[:most]),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Clip"],
            nodes_to_exclude=[node.name for node in model.graph.node if kept(node)],
            per_channel=True,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=method,
            extra_options={"CalibPercentile": percentile, **chunks},
        )
        return small.read_bytes()


def answers(model: bytes, photos: np.ndarray, studio: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Unit rows of both, and the least processor time of a batch of 16."""
    session, taken, rows = open_session(model, 1), [], []
    for pixels in (photos, studio):
        found = []
        for at in range(0, len(pixels), 16):
            begin = time.process_time()
            found.append(session.run(["pooled"], {"pictures": pixels[at : at + 16]})[0])
            if len(found[-1]) == 16:
                taken.append(time.process_time() - begin)
        rows.append(unit(np.concatenate(found)))
    return rows[0], rows[1], min(taken)


def main() -> None:
    """A line a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=WAYS)
    only = parser.parse_args().only or WAYS
    logging.disable(logging.WARNING)
    data, preprocessing = Path(os.environ["SNAPFIND_DATA"]) / "grocery", Preprocessing(224)
    studio = [Image.open(file).convert("RGB") for file in sorted((data / "catalogue").rglob("*_Iconic.jpg"))]
    names = [line.split(", ")[0] for line in (data / "train.txt").read_text().splitlines()][::16]
    ranges = to_tensor([image for batch in photographed(studio, 2) for image in batch], preprocessing)
    photos = to_tensor([Image.open(data / name).convert("RGB") for name in names], preprocessing)
    pictures = to_tensor(studio, preprocessing)
    before, rows, taken = answers(SOURCE.read_bytes(), photos, pictures)
    print("| | photos: mean | worst of 100 | least | ten nearest kept | same first | times as fast |")
    print("|---|---|---|---|---|---|---|")
    for name in only:
        after, rows_after, taken_after = answers(quantized(ranges, **WAYS[name]), photos, pictures)
        cosines = (before * after).sum(axis=1)
        told = [cosines.mean(), np.quantile(cosines, 0.01), cosines.min()]
        kept = [same_answers((before, rows), (after, rows_after), count) for count in (10, 1)]
        cells = [f"{value:.4f}" for value in told] + [f"{value:.3f}" for value in kept]
        print(f"| {name} | {' | '.join(cells)} | {taken / taken_after:.1f} |", flush=True)


if __name__ == "__main__":
    main()
