"""Hooks of mkdocs: pages from outside docs/ join the site, and each package gets a page of its reference.

The pages of benchmarks/ and of the root stay where the repository has them. Links between them and docs/ are rewritten
for the site. Links to source files are shown as code.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "snapfind"
OUTSIDE = [
    "CHANGELOG.md",
    "SECURITY.md",
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("benchmarks/**/*.md")),
]
SHOWN = {  # on reference/api/snapfind.md and values.md
    "snapfind.catalog.catalog",
    "snapfind.catalog.replica",
    "snapfind.client.client",
    "snapfind.core.query",
    "snapfind.core.types",
    "snapfind.events.event",
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/ and the generated pages of the reference."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for package in sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()):
        page = "index-package" if package == "index" else package  # index.md would be the page of the folder
        files.append(File.generated(config, f"reference/api/{page}.md", content=reference_page(package)))
    return files


def reference_page(package: str) -> str:
    """Write the page of a package: every public name of each of its modules, from their docstrings."""
    lines = [f"# snapfind.{package}", ""]
    if any(module.startswith(f"snapfind.{package}.") for module in SHOWN):
        lines += ["The public names of `import snapfind` are on [snapfind](snapfind.md) and [values](values.md).", ""]
    for path in sorted((PACKAGE / package).rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        if module not in SHOWN and path.name != "__init__.py" and "__all__" in path.read_text(encoding="utf-8"):
            lines += [f"::: {module}", "    options: {heading_level: 2, show_root_full_path: true}", ""]
    return "\n".join(lines)


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Rewrite links that lead out of docs/, or from outside into it."""
    source = page.file.src_uri
    place = source if source in OUTSIDE else f"docs/{source}"

    def rewrite(match: re.Match[str]) -> str:
        mark, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        if not target or ":" in target:
            return match[0]
        path = os.path.normpath(Path(place).parent / target)
        on_site = path.removeprefix("docs/") if path.startswith("docs/") else path
        if path.startswith("docs/") or path in OUTSIDE:
            return f"{mark}[{text}]({os.path.relpath(on_site, Path(source).parent)}{anchor})"
        if not (ROOT / path).exists():
            return match[0]
        return f"{text} (`{path}`)" if text != f"`{path}`" else text

    return _LINK.sub(rewrite, markdown)
