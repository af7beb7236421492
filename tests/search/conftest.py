"""The small shop of the catalogue's tests."""

from tests.catalog.conftest import catalogue, shop

__all__ = ["catalogue", "shop"]
