"""The small shop of the catalog's tests."""

from tests.catalog.conftest import catalog, shop

__all__ = ["catalog", "shop"]
