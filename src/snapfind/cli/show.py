"""The commands `show` and `facets`."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from snapfind.cli.options import Filter, Json
from snapfind.cli.output import one_line, out, print_json
from snapfind.cli.target import Place, at
from snapfind.core.types import Product

__all__ = ["facets", "show"]


def show(
    shop: Place, product: Annotated[str, typer.Argument(metavar="ID", help="Id of the product.")], json: Json = False
) -> None:
    """Show a product: its fields and its pictures."""
    with at(shop) as catalog:
        result = catalog.get(product)
    if json:
        print_json(_as_json(result))
        return
    lines = [
        (name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in _fields(result).items()
    ]
    lines += [("picture", f"{one.name}  {one.width} x {one.height}") for one in result.pictures]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        out.print(Text(one_line(name).ljust(width), style="bold"), Text(one_line(value)))


def facets(
    shop: Place,
    field: Annotated[str, typer.Argument(help="A field, such as category or brand.")],
    filter: Filter = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Number of values.")] = 20,
    json: Json = False,
) -> None:
    """Count the products of each value of a field, the most frequent value first."""
    with at(shop) as catalog:
        counts = catalog.facets(field, filter=filter, limit=limit)
    if json:
        print_json([{"value": value, "count": count} for value, count in counts])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("products", justify="right")
    table.add_column(Text(field))
    for value, count in counts:
        table.add_row(f"{count:,}", Text(str(value)))
    out.print(table)


def _fields(product: Product) -> dict[str, Any]:
    """Fields that have a value, built-in ones first."""
    built_in = ("id", "title", "price", "brand", "category", "description")
    values = {name: getattr(product, name) for name in built_in} | dict(product.attributes)
    filled = {name: value for name, value in values.items() if value not in (None, "", ())}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in filled.items()}


def _as_json(product: Product) -> dict[str, Any]:
    fields = {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in _fields(product).items()
    }
    pictures = [{"name": one.name, "width": one.width, "height": one.height} for one in product.pictures]
    return fields | {"pictures": pictures}
