"""A merging model through ONNX: the answer of ONNX Runtime is PyTorch's."""

import numpy as np
import pytest
import torch

from snapfind.token_merging import turbo
from tests.token_merging.test_families import hugging
from tests.token_merging.tiny import pictures, timm_vit

pytest.importorskip("onnxscript")
runtime = pytest.importorskip("onnxruntime")

MODELS = {"timm": lambda: timm_vit(depth=2), "SigLIP": lambda: hugging("SiglipVision", num_hidden_layers=2)}


class Answer(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, seen):
        made = self.model(seen)
        return made if isinstance(made, torch.Tensor) else made.pooler_output


@pytest.mark.filterwarnings("ignore")  # of the exporter's own making
@pytest.mark.parametrize("name", MODELS)
def test_the_exported_model_says_the_same(name, tmp_path):
    model, seen = MODELS[name](), pictures()
    file = tmp_path / "merging.onnx"
    with torch.no_grad(), turbo(model, 0.7):
        torch.onnx.export(Answer(model), (seen,), file, input_names=["pictures"], dynamo=True, verbose=False)
        wanted = [model(part) if name != "SigLIP" else model(part).pooler_output for part in (seen, seen.flip(0, 3))]
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for part, want in zip((seen, seen.flip(0, 3)), wanted):
        got = session.run(None, {"pictures": part.numpy()})[0]
        np.testing.assert_allclose(got, want.numpy(), atol=2e-5, rtol=1e-3)
