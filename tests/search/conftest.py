"""The small shop of the catalog's tests."""

from tests.catalog.conftest import shop

__all__ = ["catalog", "shop"]
