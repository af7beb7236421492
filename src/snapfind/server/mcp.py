"""MCP server: read-only tools of a catalog for assistants (Model Context Protocol)."""

from typing import TYPE_CHECKING, Any

from snapfind.core.errors import BadQuery, ExtraMissing
from snapfind.core.query import QueryTerm
from snapfind.server.schemas.bodies import decode_base64
from snapfind.server.schemas.products import hit_schema, product_schema

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from snapfind.catalog.catalog import Catalog
    from snapfind.client import Client

__all__ = ["assistant"]

_MAX_LIMIT = 50


def assistant(shop: "Catalog | Client") -> "MCPServer":
    """Create an MCP server. `.run("stdio")` serves it.

    Args:
        shop: The catalog, or a client of a server.

    Returns:
        The MCP server.

    Raises:
        ExtraMissing: The package mcp is not installed.
    """
    try:
        from mcp.server import MCPServer
    except ImportError:
        raise ExtraMissing.of("assistants need the package mcp", "mcp") from None

    server = MCPServer("snapfind", instructions="Finds products of a shop by text, photo, product and filter.")

    @server.tool()
    def search_products(
        text: str = "", photo: str = "", product: str = "", filter: str = "", limit: int = 5
    ) -> list[dict[str, Any]]:
        """Search products by a text, a photo (a picture file in base64), a product id, or a combination. Best first.

        `filter` is an expression such as: price < 50 and brand = "Acme". The verdict none means: no confident match.
        """
        terms = [QueryTerm(text=text)] if text else []
        terms += [QueryTerm(photo=decode_base64(photo, "photo"))] if photo else []
        terms += [QueryTerm(product=product)] if product else []
        if not terms:
            raise BadQuery("give a text, a photo or a product")
        answer = shop.search(terms, filter=filter or None, limit=min(max(limit, 1), _MAX_LIMIT))
        return [hit_schema(hit, explain=False).model_dump() for hit in answer]

    @server.tool()
    def get_product(id: str) -> dict[str, Any]:
        """Return a product with title, price, attributes and pictures."""
        return product_schema(shop.get(id)).model_dump()

    @server.tool()
    def count_values(field: str = "category", filter: str = "") -> dict[str, int]:
        """Count the products by each value of a field, such as category or brand."""
        return {str(value): count for value, count in shop.facets(field, filter=filter or None)}

    return server
