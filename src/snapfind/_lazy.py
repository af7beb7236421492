"""Names of a package that are imported when they are first used (PEP 562), so that packages are cheap to import."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy_exports"]


def lazy_exports(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Build the `__getattr__` of a package.

    Args:
        package: Name of the package.
        modules: Module of the package -> its names that the package exports.

    Returns:
        Function that imports a name and returns it. It raises AttributeError for other names.
    """
    places = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return load
