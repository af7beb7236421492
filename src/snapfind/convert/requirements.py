"""Check that the packages of an extra are installed, before any file is read."""

from importlib.util import find_spec

from snapfind.core.errors import ExtraMissing

__all__ = ["need_convert", "need_onnx", "need_package"]

_NEEDED = ("torch", "torchvision", "transformers", "tokenizers", "onnx", "onnxscript")


def need_convert() -> None:
    """Check the packages that every conversion needs.

    Raises:
        ExtraMissing: One of them is not installed.
    """
    missing = [name for name in _NEEDED if not find_spec(name)]
    if missing:
        raise ExtraMissing.of(f"converting a model needs {', '.join(missing)}", "convert")


def need_onnx() -> None:
    """Check that onnx is installed, which writes int8 files.

    Raises:
        ExtraMissing: It is not installed.
    """
    if not find_spec("onnx"):
        raise ExtraMissing.of("an encoder in 8 bits is written with onnx", "quantize")


def need_package(name: str, what: str) -> None:
    """Check a package that only some models need.

    Args:
        name: Package.
        what: What needs it, for the message.

    Raises:
        ExtraMissing: It is not installed.
    """
    if not find_spec(name):
        raise ExtraMissing.of(f"{what} needs the package {name}", "convert")
