"""Commands of methods that do not improve search by our own measurements. They stay for research."""

from dataclasses import replace
from typing import Annotated

import typer

import snapfind
from snapfind.cli.options import Shop
from snapfind.cli.output import out, progress_bar
from snapfind.cli.target import Place, folder_of
from snapfind.cli.train import Ids, Photos, Root, Seed, Yes, train_clicks
from snapfind.cli.train_pretrain import print_epoch
from snapfind.cli.train_session import open_session
from snapfind.training.requirements import need_torch

__all__ = ["app"]

app = typer.Typer(
    help="Methods that do not improve search by our own measurements: reranking by local features, title classifiers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def rerank(
    shop: Place, method: Annotated[str, typer.Argument(metavar="geometry|none", help="Reranking method, or none.")]
) -> None:
    """Rerank the first ten candidates of a photo by local features, or switch it off (none, the default)."""
    with snapfind.open(folder_of(shop, "lab rerank"), create=False) as catalog:
        catalog.models.use_reranker(None if method == "none" else method)
    out.print("Reranking is off." if method == "none" else f"Reranking by {method} is on.")


@app.command()
def categories(shop: Shop, photos: Photos = None, root: Root = None, seed: Seed = 0) -> None:
    """Measure whether product titles improve photo search, with one classifier on image patches and title words.

    The catalog and its model stay unchanged.
    """
    need_torch()
    from snapfind.training.methods.category_titles import TRAINING, evaluate_titles

    with open_session(shop, photos, root) as session, progress_bar("encoding") as progress:
        titles = {product.id: product.title for product in session.opened.products()}
        result = evaluate_titles(
            session.samples,
            [titles[product] for product in session.products],
            session.opened.model.text,
            session.work / "categories",
            session.work / "views-patches",
            training=replace(TRAINING, seed=seed),
            progress=progress,
            on_epoch=print_epoch,
        )
    rows = {
        "pretrained": result.raw,
        "trained on pictures": result.pictures,
        "trained on pictures and titles": result.titles,
    }
    out.print(f"recall@1 on {result.photos:,} held-out photos")
    for name, value in rows.items():
        out.print(f"{value:.3f}  {name}")
    out.print("The catalog was not changed: search uses titles by BM25 and text embeddings.")


@app.command()
def clicks(shop: Shop, ids: Ids = 0, seed: Seed = 0, yes: Yes = False) -> None:
    """Train on virtual IDs of the event log without labeled photos. With labeled photos: snapfind train clicks."""
    train_clicks(shop, None, None, ids=ids, seed=seed, yes=yes)
