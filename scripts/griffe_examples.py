"""Extension of griffe: examples of docstrings become code blocks on the site.

Griffe knows the section `Examples:` only. It shows `Example:` and examples without a title as text, where `>>>` is a
quotation in Markdown.
"""

import re

from griffe import Extension, Object

_BARE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)  # at the left margin, up to a blank line


class Examples(Extension):
    """Rewrites docstrings before they are parsed."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Name and indent the examples of an object."""
        if obj.docstring is None:
            return
        text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
        indented = _BARE.sub(lambda example: "Examples:\n" + re.sub("^", "    ", example[0], flags=re.MULTILINE), text)
        obj.docstring.value = indented
