"""Two domains of one shop with a hidden truth: search clicks, and the clicks on recommendations that are to be learned.

A shopper has a taste and a zeal to click. The taste leans to items, in the target through another map (a rotation)
and with a part that the source knows nothing of (`own`). Numbers are noisy views, other ones in each domain: of a
shopper's taste, and of the looks of an item. Everything is drawn from a seed; `truth` is the chance behind a click.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snapfind.search.rerank.features import Field

__all__ = ["SOURCE_FIELDS", "TARGET_FIELDS", "Domain", "World", "simulate"]

_SHARED = (
    Field("shopper.id", "hashed", 1 << 13),
    Field("shopper.group", "hashed", 64),
)
TARGET_FIELDS = (
    *_SHARED,
    Field("target.product", "hashed", 1 << 9),
    Field("target.category", "hashed", 64),
    Field("target.recent", "sequence", 1 << 9, table="target.product", most=5),
    *(Field(f"target.view{number}", "number") for number in range(4)),
    *(Field(f"target.look{number}", "number") for number in range(4)),
    Field("target.price", "number"),
)
SOURCE_FIELDS = (
    *_SHARED,
    Field("source.product", "hashed", 1 << 11),
    Field("source.category", "hashed", 64),
    Field("source.recent", "sequence", 1 << 11, table="source.product", most=5),
    *(Field(f"source.view{number}", "number") for number in range(4)),
    *(Field(f"source.look{number}", "number") for number in range(4)),
    Field("source.price", "number"),
)


@dataclass(frozen=True, slots=True)
class World:
    """How large it is, and how much the domains have in common: `own` 0..1 is the part of the taste in the target
    that the source does not show; `strength` how much taste decides; `zeal` how much
    shoppers differ in clicking at all; `noise` of the views.
    """

    shoppers: int = 1000
    source_items: int = 400
    target_items: int = 200
    taste: int = 2
    own: float = 0.2
    strength: float = 1.5
    zeal: float = 0.7
    noise: float = 1.5
    source_rows: int = 50_000
    target_rows: int = 40_000
    judged_rows: int = 20_000


@dataclass(frozen=True, slots=True)
class Domain:
    """Columns of the rows, with `clicked` and `group`; `truth` (n,) chance of each click."""

    columns: dict[str, Any]
    truth: NDArray[np.float64]


def simulate(world: World, seed: int) -> tuple[Domain, Domain, Domain, Domain]:
    """Source and target to learn from, target to choose by, target to judge by; shoppers are the same in all."""
    rng = np.random.default_rng(seed)
    tastes = rng.standard_normal((world.shoppers, world.taste))
    turned, _ = np.linalg.qr(rng.standard_normal((world.taste, world.taste)))
    foreign = rng.standard_normal((world.shoppers, world.taste))
    zeal, other = world.zeal * rng.standard_normal((2, world.shoppers))
    zeals = zeal, np.sqrt(1 - world.own) * zeal + np.sqrt(world.own) * other
    leaning = np.sqrt(1 - world.own) * tastes @ turned + np.sqrt(world.own) * foreign
    centers = rng.standard_normal((12, world.taste))
    groups = (tastes + rng.standard_normal(tastes.shape) @ centers.T[: world.taste, : world.taste] * 0.2) @ centers.T
    group = groups.argmax(axis=1)
    source = _Shop(world, "source", tastes, zeals[0] - 1.2, group, world.source_items, rng)
    target = _Shop(world, "target", leaning, zeals[1] - 2.0, group, world.target_items, rng)
    parts = (world.target_rows, world.judged_rows, world.judged_rows)
    return source.rows(world.source_rows, rng), *(target.rows(count, rng) for count in parts)  # type: ignore[return-value]


class _Shop:
    """Items of one domain, and what its shoppers look like there."""

    def __init__(
        self,
        world: World,
        name: str,
        tastes: NDArray[np.float64],
        zeal: NDArray[np.float64],
        group: NDArray[np.int64],
        items: int,
        rng: np.random.Generator,
    ) -> None:
        self.name, self.tastes, self.zeal, self.group = name, tastes, zeal, group
        centers = rng.standard_normal((24, world.taste))
        self.category = rng.integers(24, size=items)
        self.items = 0.8 * centers[self.category] + 0.6 * rng.standard_normal((items, world.taste))
        self.items *= world.strength / np.sqrt(world.taste)
        self.quality = 0.6 * rng.standard_normal(items)
        self.price = rng.lognormal(3, 1, items)
        self.views = tastes @ rng.standard_normal((world.taste, 4)) / np.sqrt(world.taste)
        self.views += world.noise * rng.standard_normal(self.views.shape)
        self.looks = self.items @ rng.standard_normal((world.taste, 4)) / world.strength
        self.looks += 0.3 * rng.standard_normal(self.looks.shape)
        # what each shopper clicked before the log begins
        liked = tastes @ self.items.T + self.quality + rng.gumbel(size=(len(tastes), items))
        self.recent = np.argsort(-liked, axis=1)[:, :5]

    def rows(self, count: int, rng: np.random.Generator) -> Domain:
        """Shoppers and items at random, clicks by the truth."""
        shopper = rng.integers(len(self.tastes), size=count)
        item = rng.integers(len(self.items), size=count)
        logit = self.zeal[shopper] + (self.tastes[shopper] * self.items[item]).sum(1) + self.quality[item]
        truth = 1 / (1 + np.exp(-logit))
        known = rng.random(count) < 0.5  # half the time the shop does not know what was clicked before
        columns: dict[str, Any] = {
            "shopper.id": shopper.tolist(),
            "shopper.group": self.group[shopper].tolist(),
            f"{self.name}.product": item.tolist(),
            f"{self.name}.category": self.category[item].tolist(),
            f"{self.name}.recent": [
                self.recent[one].tolist() if there else [] for one, there in zip(shopper, known)
            ],
            f"{self.name}.price": self.price[item],
            "clicked": rng.random(count) < truth,
            "group": shopper.tolist(),
        }  # fmt: skip
        columns |= {f"{self.name}.view{at}": self.views[shopper, at] for at in range(4)}
        columns |= {f"{self.name}.look{at}": self.looks[item, at] for at in range(4)}
        return Domain(columns, truth)
