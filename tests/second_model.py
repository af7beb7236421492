"""A second model beside the first, without the seconds that a catalog's own fit takes."""

from pathlib import Path

from snapfind.catalog.catalog import Catalog
from snapfind.encoders.adapters.fit import fit
from tests.pictures import picture

__all__ = ["artifact", "second_model"]


def artifact(catalog: Catalog, place: Path) -> Path:
    """What a fit on three drawn pictures leaves; in a fit of its own the catalog draws three times as many views."""
    fit([picture(number) for number in range(3)], catalog.model.photo, views=8).save(place)
    return place


def second_model(catalog: Catalog, place: Path) -> str:
    """The name of a model that was built beside the one that answers, from such an artifact."""
    return catalog.models.adopt(artifact(catalog, place))
