"""Read methods of a catalog: searches, products, counts, copies of pictures."""

from collections.abc import Iterator, Sequence
from typing import Any, Unpack
from uuid import UUID

from snapfind.catalog.models.trial import InterleavedSearch, interleave_answers
from snapfind.catalog.query_input import QueryInput, as_feedback, as_query
from snapfind.catalog.state import CatalogState
from snapfind.catalog.storage.points import row_of
from snapfind.core.errors import BadInput, NotFound
from snapfind.core.query import QueryOptions
from snapfind.core.types import Answer, Box, Picture, Product, Region
from snapfind.encoders.registry import ModelEntry
from snapfind.index.filters import where
from snapfind.index.payload import FIXED, picture_of, point_id, product_of
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.decode import Source as Photo
from snapfind.search.compare import compare
from snapfind.search.explain import Explanation, explain
from snapfind.search.photo_regions import regions_of
from snapfind.search.pipeline import search

__all__ = ["CatalogReader"]


class CatalogReader(CatalogState):
    """Methods of a catalog that change nothing."""

    def search(
        self,
        query: QueryInput,
        *,
        limit: int | None = None,
        offset: int = 0,
        box: Box | None = None,
        less: Sequence[str | Photo] = (),
        right: Sequence[str | Photo] = (),
        wrong: Sequence[str | Photo] = (),
        model: str | None = None,
        **options: Unpack[QueryOptions],
    ) -> Answer:
        """Search products by a photo (path, bytes, PIL image), a text, a QueryTerm, several QueryTerms, or a Query.

        Args:
            query: A photo, a text, one or several query terms, or a query. A str is a photo if it names a file.
            limit: Number of hits. Default: the setting `limit`.
            offset: Number of hits to skip.
            box: Region of the photo. Without one its main object is found.
            less: Texts or photos to move away from. A text needs a text in the query, a photo a photo or product.
            right: Products (ids) or photos that the shopper marked relevant in an earlier answer.
            wrong: Products (ids) or photos that the shopper marked not relevant.
            model: Another built model that answers this search.
            options: Options of `Query`: `filter`, such as "price < 50 and in_stock", `regions`, `category`, `order`
                and `recent`.

        Returns:
            The hits, best first.

        Raises:
            BadPicture: A photo cannot be decoded.
            BadFilter: The filter cannot be parsed.
            BadQuery: The query is empty or contradictory, or an option has an unknown value.
            NotFound: There is no such product or model.

        Example:
            >>> for hit in shop.search("photo.jpg", filter="price < 50"):
            ...     print(hit.product.title, hit.score, hit.verdict)
        """
        marked = [*(as_feedback(one, 1.0) for one in right), *(as_feedback(one, -1.0) for one in wrong)]
        parsed = as_query(query, options, box=box, marked=marked, less=less)
        with self._reading(model) as context:
            return search(parsed, context, limit=limit, offset=offset)

    def search_interleaved(
        self, query: QueryInput, seed: str, *, limit: int, offset: int = 0
    ) -> tuple[Answer, InterleavedSearch | None]:
        """Search with the active model and the model on trial, and interleave both rankings.

        Args:
            query: As for `search`.
            seed: Seed of the interleaving. The same seed gives the same list.
            limit: Number of hits.
            offset: Number of hits to skip.

        Returns:
            The hits, and which model contributed each of them. None instead if no trial is running.

        Raises:
            SnapfindError: As `search`.
        """
        trial, query = self.trial, as_query(query)
        if trial is None:
            return self.search(query, limit=limit, offset=offset), None
        active, other = (self.search(query, limit=offset + limit, model=own) for own in (None, trial.model))
        return interleave_answers(active, other, seed, limit, offset)

    def regions(self, photo: Photo) -> tuple[Region, ...]:
        """Propose the objects of a photo.

        Args:
            photo: Path, bytes or PIL image.

        Returns:
            Regions, best first. Empty if nothing stands out.

        Raises:
            BadPicture: The photo cannot be decoded.
        """
        return regions_of(photo, self.context)

    def compare(self, photo_a: Photo, photo_b: Photo) -> float:
        """Compare two photos.

        Args:
            photo_a: Path, bytes or PIL image.
            photo_b: Path, bytes or PIL image.

        Returns:
            Probability 0..1 that both show the same product. Symmetric.

        Raises:
            BadPicture: A photo cannot be decoded.
        """
        return compare(photo_a, photo_b, self.context)

    def explain(self, photo: Photo, product: str, picture: str, box: Box | None = None) -> Explanation:
        """Show which parts of a photo and of a product's picture made them similar.

        Args:
            photo: Path, bytes or PIL image.
            product: Product id.
            picture: Name of the picture.
            box: Region of the photo that was searched. None: the whole photo.

        Returns:
            Heat maps of both, 0..1.

        Raises:
            BadPicture: The photo cannot be decoded.
            NotFound: There is no such picture.
        """
        limits, encoder = Limits.of(self.settings), self.context.model.photo
        image = load(photo, limits, side=2 * encoder.preprocessing.source_side)
        part = image.crop(box.pixels(*image.size)) if box else image
        return explain(part, load(self.picture(product, picture), limits), encoder)

    def get(self, product: str) -> Product:
        """Get a product with all its pictures.

        Args:
            product: Product id.

        Returns:
            The product. Its main picture comes first.

        Raises:
            NotFound: There is no such product.
        """
        points = sorted(self.points(where("_product", [product])), key=lambda point: not point.payload["_primary"])
        if not points:
            raise NotFound(f"no product {product!r} in this catalog")
        pictures = tuple(picture_of(point.payload) for point in points)
        return product_of(points[0].payload, self.schema, pictures)

    def products(self, *, filter: str | None = None) -> Iterator[Product]:
        """Iterate over products in a stable order.

        Args:
            filter: Filter expression. None: all products.

        Yields:
            Products. `pictures` holds only the main one.
        """
        chosen = self._parsed(filter) if filter else None
        primary = where("_primary", [True])
        for point in self.points(chosen & primary if chosen else primary):
            yield product_of(point.payload, self.schema, (picture_of(point.payload),))

    def page(
        self, *, filter: str | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[list[Product], str | None]:
        """List one page of products.

        Args:
            filter: Filter expression. None: all products.
            after: Cursor that the page before returned. None: the first page.
            limit: Largest number of products.

        Returns:
            Products with all their pictures, and the cursor of the next page. None instead after the last one.
        """
        chosen = self._parsed(filter) if filter else None
        primary = where("_primary", [True])
        page = self.index.scroll(chosen & primary if chosen else primary, after=after, limit=limit)
        pictures: dict[str, list[Picture]] = {str(point.payload["_product"]): [] for point in page.points}
        for point in self.points(where("_product", list(pictures))) if pictures else ():
            own = pictures[str(point.payload["_product"])]
            own.insert(0 if point.payload["_primary"] else len(own), picture_of(point.payload))
        products = [
            product_of(point.payload, self.schema, tuple(pictures[str(point.payload["_product"])]))
            for point in page.points
        ]
        return products, page.after

    def export(self, *, filter: str | None = None, vectors: bool = False) -> Iterator[dict[str, Any]]:
        """Export the catalog.

        Args:
            filter: Filter expression. None: all products.
            vectors: Also return the vectors, as `_vectors`: space -> list of floats.

        Yields:
            One row for each picture, in the columns that `add` reads.
        """
        chosen = self._parsed(filter) if filter else None
        for point in self.points(chosen, vectors=vectors):
            yield row_of(point, vectors=vectors)

    def facets(self, name: str, *, filter: str | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        """Count the values of a field.

        Args:
            name: Field.
            filter: Filter expression. None: all products.
            limit: Largest number of values.

        Returns:
            Pairs of value and number of products, most frequent first.

        Raises:
            BadInput: There is no such field.
            BadFilter: The filter is invalid.
        """
        if name not in {**FIXED, **self.schema}:
            raise BadInput(f"no field {name!r}; there are: {', '.join({**FIXED, **self.schema})}", field="facet")
        primary = where("_primary", [True])
        chosen = self._parsed(filter) & primary if filter else primary
        return self.index.facets(name, chosen, limit)

    def picture(self, product: str, name: str, ordinal: int = 0) -> bytes:
        """Get the stored copy of a picture, or of an item of another media file.

        Args:
            product: Product id.
            name: Name of the picture or file.
            ordinal: Number of the item in the file.

        Returns:
            Bytes of a JPEG without metadata.

        Raises:
            NotFound: There is no such picture.
        """
        try:
            return self.copy(point_id(product, name, ordinal))
        except NotFound:
            raise NotFound(f"no picture {name!r} of product {product!r}") from None

    def copy(self, picture: str) -> bytes:
        """Get the stored copy of a picture by the id of its point.

        Args:
            picture: Id of the point.

        Returns:
            Bytes of a JPEG without metadata.

        Raises:
            NotFound: There is no such picture.
        """
        try:
            return self.folder.copy_of(str(UUID(picture))).read_bytes()
        except (OSError, ValueError):
            raise NotFound(f"no picture {picture[:40]!r}") from None

    def __len__(self) -> int:
        """Number of products."""
        return self.index.count(where("_primary", [True]))

    def __bool__(self) -> bool:
        """True, with or without products: `if catalog` asks whether there is one, not whether it holds anything."""
        return True

    def info(self) -> dict[str, Any]:
        """Describe the catalog.

        Returns:
            Counts, models, kinds of the attributes and bytes on disk.
        """
        manifest = self.folder.manifest
        return {
            "path": str(self.folder.path),
            "products": len(self),
            "pictures": self.index.count(),
            "model": manifest.active,
            "previous": manifest.previous,
            "models": {name: _described(entry) for name, entry in manifest.models.items()},
            "text_to_image": manifest.text_to_image or self.model.conse.space.id,
            "schema": {**FIXED, **self.schema},
            "bytes": self.folder.size(),
            "created": manifest.created,
            "version": manifest.version,
        }

    @property
    def fitted(self) -> bool:
        """Whether the model that answers was fitted to this catalog."""
        return bool(self.folder.manifest.models[self.folder.manifest.active].adapted)


def _described(entry: ModelEntry) -> dict[str, Any]:
    return {"encoder": entry.encoder, "adapted": entry.adapted, "ready": entry.ready, "dim": entry.dim}
