"""Report of the findings as one HTML page without scripts and foreign hosts, for light and dark."""

import base64
from collections.abc import Callable, Collection

from snapfind.core.templates import render_template
from snapfind.curation.findings import KINDS, Findings, FindingSample

__all__ = ["HEADINGS", "render_report"]

HEADINGS = {
    "same file": ("Same file", "The same bytes more than once."),
    "same picture": ("Same picture", "Re-encoded, downscaled or cropped."),
    "same product": (
        "Perhaps the same product",
        "Two products that look alike. Decide whether they are one.",
    ),
    "wrong category": ("Wrong category", "Products that look like those of another category."),
    "wrong product": ("Wrong product", "Pictures that look like another product."),
    "blurred": ("Blurred", "Out of focus, or motion blur."),
    "tiny": ("Tiny", "Small, or enlarged from a small file."),
    "text": ("Text overlay", "Watermarks or advertising cover the product."),
    "collage": ("Collage", "Several pictures in one. A photo matches none of them well."),
    "outlier": ("Outlier", "Looks like no other picture. Perhaps it is not the product."),
    "few": ("Small categories", "Too few products to train on."),
}
_MAX_CARDS = 60  # of a kind
_MAX_PICTURES = 4  # of a card


def render_report(
    findings: Findings, picture: Callable[[FindingSample], bytes | None], applied: Collection[str], shop: str
) -> str:
    """Render the report of a survey.

    Args:
        findings: The findings.
        picture: Returns the JPEG of a sample, None if the stored copy is gone.
        applied: Ids of the findings whose fix is applied.
        shop: Path of the catalog, for the commands on the page.

    Returns:
        A complete HTML page. The pictures are embedded.
    """
    return render_template(
        "snapfind.curation",
        "report.html",
        findings=findings,
        sections=[(HEADINGS[kind], findings.of(kind)) for kind in KINDS if findings.of(kind)],
        applied=applied,
        shop=shop,
        picture=lambda sample: _encode(picture(sample)),
        max_cards=_MAX_CARDS,
        max_pictures=_MAX_PICTURES,
    )


def _encode(jpeg: bytes | None) -> str | None:
    return None if jpeg is None else base64.b64encode(jpeg).decode()
