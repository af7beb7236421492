"""A look at the whole catalogue: everything that this room can find, as findings. It changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import BadInput
from snapfind.curation.detect.duplicate_findings import copies_found
from snapfind.curation.detect.image_findings import faults_found, few_found, outliers_found
from snapfind.curation.detect.label_findings import categories_found, products_found
from snapfind.curation.findings import KINDS, Finding, Findings
from snapfind.curation.journal import dismissed
from snapfind.curation.snapshot import Progress, Seen, see

__all__ = ["survey"]

_PARTS = 5  # after the pictures were read


def survey(catalogue: Catalog, progress: Progress | None = None) -> Findings:
    """Look, keep what was found in the catalogue's folder, and return it; what was dismissed is left out.

    About 20 ms a picture on two cores, and 10 seconds for learning what spoilt pictures look like. What is hidden is
    not looked at. Raises BadInput where there is no picture.
    """
    seen = see(catalogue, progress)
    if not seen.points:
        raise BadInput(f"{catalogue.folder.path} has no picture to look at; add the catalogue first")
    total = len(seen.points)

    def tell(part: int) -> None:
        if progress:
            progress(total + part * total // _PARTS, 2 * total)

    found = []
    copies, groups = copies_found(seen)
    tell(1)
    found += [*copies, *categories_found(seen, groups)]
    tell(2)
    found += products_found(seen, groups)
    tell(3)
    taken = {one.shown[0].picture for one in found if one.change and one.change.verb == "hide"}
    found += faults_found(catalogue, seen)
    tell(4)
    found += [one for one in outliers_found(seen, groups) if one.shown[0].picture not in taken]
    found += few_found(seen)
    tell(5)
    known = dismissed(catalogue.folder.path)
    found = [_with_removed(one, seen) for one in found if one.id not in known]
    order = {kind: place for place, kind in enumerate(KINDS)}
    found.sort(key=lambda one: (order[one.kind], -one.score, one.id))
    made = Findings(
        datetime.now(UTC).isoformat(timespec="seconds"),
        len(catalogue),
        total,
        catalogue.model.photo.space.id,
        tuple(found),
    )
    made.save(catalogue.folder.path)
    return made


def _with_removed(one: Finding, seen: Seen) -> Finding:
    """The finding, its change with the products that it would take out of the search."""
    if one.change is None or one.change.verb != "hide":
        return one
    hidden = set(one.change.pictures)
    products = dict.fromkeys(shown.product for shown in one.shown if shown.picture in hidden)
    removed = tuple(product for product in products if seen.pictures_of(product) <= hidden)
    return replace(one, change=replace(one.change, removes=removed), safe=one.safe and not removed)
