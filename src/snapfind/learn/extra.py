"""Whether the extra is installed: asked by every verb before it begins, so that it ends in a sentence and not later."""

from importlib.util import find_spec

from snapfind.errors import ExtraMissing

__all__ = ["need_torch"]


def need_torch() -> None:
    """Raises ExtraMissing where PyTorch or onnx is not installed."""
    if not (find_spec("torch") and find_spec("onnx")):
        raise ExtraMissing("learning needs PyTorch and onnx: pip install 'snapfind[learn]'")
