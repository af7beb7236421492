"""What was found in a catalog, as frozen values, and the file in which the catalog keeps the last look.

curate/findings.json in the folder is replaced whole. The id of a finding follows from what was found, so that it is the
same after the next look.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import CatalogBroken

__all__ = ["KINDS", "Change", "Finding", "FindingSample", "Findings", "finding"]

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


_NAMED = 4  # products named in a sentence


@dataclass(frozen=True, slots=True)
class FindingSample:
    """A picture that a finding speaks of: id of its point, its product and its name."""

    picture: str
    product: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """What would mend it: hide pictures (ids of points), or set the category of a product `before` -> `after`.

    `removes` are the products of which no picture would be left, so that no search would find them.
    """

    verb: Literal["hide", "relabel"]
    pictures: tuple[str, ...] = ()
    product: str = ""
    before: str = ""
    after: str = ""
    removes: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """In words."""
        if self.verb != "hide":
            return f"set the category to {self.after}"
        said = "hide it" if len(self.pictures) == 1 else f"hide {len(self.pictures)} of them"
        if not self.removes:
            return said
        named = ", ".join(self.removes[:_NAMED]) + (" …" if len(self.removes) > _NAMED else "")
        return f"{said}; this takes {named} out of the search: no picture of it is left"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a sentence, its pictures (first those that would change), the mend where there is one.

    `score` 0..1 orders findings of a kind. `safe`: the mend takes nothing out of the shop that it does not show
    elsewhere, so it may be applied unseen.
    """

    id: str
    kind: Kind
    said: str
    shown: tuple[FindingSample, ...] = ()
    change: Change | None = None
    score: float = 0.0
    safe: bool = False


def finding(
    kind: Kind,
    said: str,
    shown: tuple[FindingSample, ...] = (),
    change: Change | None = None,
    *,
    score: float = 0.0,
    safe: bool = False,
) -> Finding:
    """A finding with the id that follows from what it is about."""
    about = [kind, sorted(one.picture for one in shown), change.after if change else "", said if not shown else ""]
    id = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
    return Finding(id, kind, said, shown, change, round(score, 4), safe)


@dataclass(frozen=True, slots=True)
class Findings:
    """One look at a catalog: when, at how much, with which model, and what was found, kind by kind, surest first."""

    at: str
    products: int
    pictures: int
    space: str
    found: tuple[Finding, ...] = ()

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Those of a kind."""
        return tuple(one for one in self.found if one.kind == kind)

    def save(self, folder: Path) -> None:
        """Into the catalog's folder."""
        (folder / "curate").mkdir(exist_ok=True)
        write_whole(_file(folder), json.dumps(asdict(self), ensure_ascii=False).encode())

    @classmethod
    def load(cls, folder: Path) -> "Findings | None":
        """The last look at a catalog, None where there was none. Raises CatalogBroken on a damaged file."""
        if not _file(folder).exists():
            return None
        try:
            told = json.loads(_file(folder).read_bytes())
            return cls(**told | {"found": tuple(parse(one) for one in told["found"])})
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{_file(folder)} cannot be read ({error}); look again: snapfind curate") from error


def parse(told: Mapping[str, Any]) -> Finding:
    """A finding from its JSON. Raises KeyError, TypeError."""
    change = told["change"]
    return Finding(
        **dict(told)
        | {
            "shown": tuple(FindingSample(**one) for one in told["shown"]),
            "change": _change(change) if change else None,
        }
    )


def _change(told: Mapping[str, Any]) -> Change:
    lists = {name: tuple(told.get(name, ())) for name in ("pictures", "removes")}
    return Change(**dict(told) | lists)


def _file(folder: Path) -> Path:
    return folder / "curate" / "findings.json"
