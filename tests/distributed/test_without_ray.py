"""Without the extra: one sentence, and a catalog as it was."""

from importlib.util import find_spec

import pytest

from snapfind import distributed
from snapfind.core.errors import ExtraMissing
from tests.pictures import save


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_the_extra_is_named(shop):
    save(0, shop.folder / "many" / "p.png")
    with shop.open() as catalog:
        with pytest.raises(ExtraMissing, match=r"\.\[ray\]"):
            distributed.add(catalog, shop.folder / "many")
        assert list(catalog.points()) == []
