from tests.catalog.conftest import shop

__all__ = ["shop"]
