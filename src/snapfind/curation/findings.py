"""Findings of a survey as frozen values, and the file that stores them: curate/findings.json in the catalog folder.

The id of a finding is a hash of its content, so it is the same in the next survey.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import CatalogBroken

__all__ = ["KINDS", "Change", "Finding", "FindingSample", "Findings", "make_finding", "parse_finding"]

Kind = Literal[
    "same file",
    "same picture",
    "same product",
    "wrong category",
    "wrong product",
    "blurred",
    "tiny",
    "text",
    "collage",
    "outlier",
    "few",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


_MAX_NAMES = 4  # products in a sentence


@dataclass(frozen=True, slots=True)
class FindingSample:
    """A picture of a finding.

    Args:
        picture: Id of its point.
        product: Id of its product.
        name: File name of the picture.
    """

    picture: str
    product: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """The fix of a finding: hide pictures, or set the category of a product.

    Args:
        action: "hide" or "relabel".
        pictures: Ids of the points to hide.
        product: Id of the product to relabel.
        before: Current category.
        after: New category.
        removes: Ids of the products that would have no picture left, so that no search finds them.
    """

    action: Literal["hide", "relabel"]
    pictures: tuple[str, ...] = ()
    product: str = ""
    before: str = ""
    after: str = ""
    removes: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The fix as a phrase."""
        if self.action != "hide":
            return f"set the category to {self.after}"
        text = "hide it" if len(self.pictures) == 1 else f"hide {len(self.pictures)} of them"
        if not self.removes:
            return text
        names = ", ".join(self.removes[:_MAX_NAMES]) + (" …" if len(self.removes) > _MAX_NAMES else "")
        return f"{text}; this removes {names} from search: no picture of it is left"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem in the catalog.

    Args:
        id: Hash of the content, 12 hexadecimal digits.
        kind: Kind of the problem, one of `KINDS`.
        message: The problem as a sentence.
        samples: Its pictures, first those that the fix changes.
        change: The fix, None if there is none.
        score: Confidence, 0..1. Orders findings of a kind.
        safe: Whether the fix may be applied without review: it hides only pictures that remain elsewhere.
    """

    id: str
    kind: Kind
    message: str
    samples: tuple[FindingSample, ...] = ()
    change: Change | None = None
    score: float = 0.0
    safe: bool = False


def make_finding(
    kind: Kind,
    message: str,
    samples: tuple[FindingSample, ...] = (),
    change: Change | None = None,
    *,
    score: float = 0.0,
    safe: bool = False,
) -> Finding:
    """Create a finding with the hash of its content as id.

    Args:
        kind: Kind of the problem.
        message: The problem as a sentence.
        samples: Its pictures, first those that the fix changes.
        change: The fix, if any.
        score: Confidence, 0..1.
        safe: Whether the fix may be applied without review.

    Returns:
        The finding.
    """
    pictures = sorted(sample.picture for sample in samples)
    content = [kind, pictures, change.after if change else "", message if not samples else ""]
    id = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
    return Finding(id, kind, message, samples, change, round(score, 4), safe)


@dataclass(frozen=True, slots=True)
class Findings:
    """Result of a survey.

    Args:
        at: Time of the survey, ISO 8601.
        products: Number of products.
        pictures: Number of pictures.
        space: Id of the space of the embeddings.
        items: The findings by kind, most confident first.
    """

    at: str
    products: int
    pictures: int
    space: str
    items: tuple[Finding, ...] = ()

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Return the findings of a kind.

        Args:
            kind: One of `KINDS`.

        Returns:
            The findings, most confident first.
        """
        return tuple(one for one in self.items if one.kind == kind)

    def save(self, folder: Path) -> None:
        """Write the findings to the catalog folder. The file is replaced atomically.

        Args:
            folder: The catalog folder.
        """
        (folder / "curate").mkdir(exist_ok=True)
        write_whole(_file(folder), json.dumps(asdict(self), ensure_ascii=False).encode())

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read the findings of the last survey.

        Args:
            folder: The catalog folder.

        Returns:
            The findings, None if there was no survey.

        Raises:
            CatalogBroken: The file is damaged.
        """
        if not _file(folder).exists():
            return None
        try:
            fields = json.loads(_file(folder).read_bytes())
            return cls(**fields | {"items": tuple(parse_finding(one) for one in fields["items"])})
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{_file(folder)} cannot be read ({error}); run: snapfind curate check") from error


def parse_finding(fields: Mapping[str, Any]) -> Finding:
    """Read a finding from the values of its JSON.

    Args:
        fields: Plain values.

    Returns:
        The finding.

    Raises:
        KeyError: A field is missing.
        TypeError: A field is unknown or of a wrong type.
    """
    change = fields["change"]
    return Finding(
        **dict(fields)
        | {
            "samples": tuple(FindingSample(**one) for one in fields["samples"]),
            "change": _change(change) if change else None,
        }
    )


def _change(fields: Mapping[str, Any]) -> Change:
    lists = {name: tuple(fields.get(name, ())) for name in ("pictures", "removes")}
    return Change(**dict(fields) | lists)


def _file(folder: Path) -> Path:
    return folder / "curate" / "findings.json"
