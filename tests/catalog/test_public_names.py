"""The packages of catalogs, indexes and media list their public names, and importing a package imports none of them."""

import importlib
import subprocess
import sys

import pytest

PACKAGES = [
    *("snapfind.catalog", "snapfind.catalog.ingest", "snapfind.catalog.models", "snapfind.catalog.storage"),
    *("snapfind.index", "snapfind.index.qdrant", "snapfind.media", "snapfind.media.image"),
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there_and_documented(name):
    package = importlib.import_module(name)
    assert package.__all__ and len(set(package.__all__)) == len(package.__all__)
    for public in package.__all__:
        value = getattr(package, public)
        assert value.__doc__ or not hasattr(value, "__module__"), f"{name}.{public} has no docstring"
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        package.absent  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_importing_a_package_loads_none_of_its_modules(name):
    code = f"import sys, {name}; print(sorted(one for one in sys.modules if one.startswith({name!r} + '.')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
