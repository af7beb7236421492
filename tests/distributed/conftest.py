import os

from tests.catalog.conftest import shop

__all__ = ["shop"]

# Ray's workers give way to everybody (nice 15): on a machine whose cores are all busy they would hardly ever run
os.environ.setdefault("RAY_worker_niceness", "0")
