"""Whether the extra is installed: asked before anything is read, so that its lack ends in a sentence."""

from importlib.util import find_spec

from snapfind.core.errors import ExtraMissing

__all__ = ["need_convert", "need_onnx", "need_package"]

_NEEDED = ("torch", "torchvision", "transformers", "tokenizers", "onnx", "onnxscript")


def need_convert() -> None:
    """Raises ExtraMissing where a package that every conversion needs is not installed."""
    missing = [name for name in _NEEDED if not find_spec(name)]
    if missing:
        raise ExtraMissing.of(f"converting a model needs {', '.join(missing)}", "convert")


def need_onnx() -> None:
    """Raises ExtraMissing where onnx, which writes the files of eight bits, is not installed."""
    if not find_spec("onnx"):
        raise ExtraMissing.of("an encoder in 8 bits is written with onnx", "quantize")


def need_package(name: str, what: str) -> None:
    """Raises ExtraMissing where a package that only `what` needs is not installed."""
    if not find_spec(name):
        raise ExtraMissing.of(f"{what} needs the package {name}", "convert")
