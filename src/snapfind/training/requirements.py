"""Whether the extra is installed: asked by every verb before it begins, so that it ends in a sentence and not later."""

from importlib.util import find_spec

from snapfind.core.errors import ExtraMissing

__all__ = ["need_torch"]


def need_torch(*also: str) -> None:
    """Raises ExtraMissing where PyTorch, onnx or a module of `also` is not installed."""
    missing = [name for name in ("torch", "onnx", *also) if not find_spec(name)]
    if missing:
        raise ExtraMissing.of(f"learning needs {', '.join(missing)}", "train")
