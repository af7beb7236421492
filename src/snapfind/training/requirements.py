"""Check that the optional packages for training are installed, before a command starts to work."""

from importlib.util import find_spec

from snapfind.core.errors import ExtraMissing

__all__ = ["need_torch"]


def need_torch(*also: str) -> None:
    """Check that PyTorch, onnx and further packages are installed.

    Args:
        also: Names of further packages.

    Raises:
        ExtraMissing: A package is missing.
    """
    missing = [name for name in ("torch", "onnx", *also) if not find_spec(name)]
    if missing:
        raise ExtraMissing.of(f"training needs {', '.join(missing)}", "train")
