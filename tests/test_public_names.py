"""Every package lists its public names: sorted, importable, cheap, and none hidden by a module of the same name."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
PACKAGES = sorted(
    ".".join(path.parent.relative_to(SOURCE).parts) for path in (SOURCE / "snapfind").rglob("__init__.py")
)
TORCH = {"training", "ranking", "token_merging", "convert"}  # packages whose names may need PyTorch
TORCH_NAMES = {"snapfind.curation.datasets.distill", "snapfind.curation.datasets.DistillResult"}


def load(package):
    if package.split(".")[1:2] and package.split(".")[1] in TORCH and importlib.util.find_spec("torch") is None:
        pytest.skip("this package needs PyTorch")
    return importlib.import_module(package)


def order(name):
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is_and_sorts_its_names(package):
    module = load(package)
    assert (module.__doc__ or "").strip(), f"{package} has no docstring"
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names) or list(names) == sorted(names, key=order)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_can_be_imported(package):
    module, folder = load(package), SOURCE / Path(*package.split("."))
    for name in getattr(module, "__all__", []):
        if name.startswith("__"):
            continue
        if f"{package}.{name}" in TORCH_NAMES and importlib.util.find_spec("torch") is None:
            continue
        value = getattr(module, name)
        is_module = (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
        assert not is_module or package in {"snapfind", "snapfind.distributed"} or callable(value), (
            f"{package}.{name} is both a module and a public name"
        )
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        module.nothing_of_the_kind  # noqa: B018


def test_importing_every_serving_package_loads_nothing_heavy():
    serving = [
        one for one in PACKAGES if one.split(".")[1:2] and one.split(".")[1] not in TORCH | {"cli", "distributed"}
    ]
    code = f"import sys, importlib\nfor one in {serving!r}: importlib.import_module(one)\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "onnxruntime", "fastapi", "sqlalchemy", "duckdb", "qdrant_edge"} & set(loaded)
