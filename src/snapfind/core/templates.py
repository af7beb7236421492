"""HTML pages from jinja2 templates, with autoescaping."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_template"]


def render_template(package: str, name: str, **values: Any) -> str:
    """Render a template. Values are escaped, and an undefined value is an error.

    Args:
        package: Package with a folder `templates`, for example "snapfind.curation".
        name: File name of the template.
        values: Variables of the template.

    Returns:
        The page.
    """
    return _environment(package).get_template(name).render(**values)


@cache
def _environment(package: str) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # imported on use: start-up does not need it

    return Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
