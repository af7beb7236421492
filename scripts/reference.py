"""Write docs/reference/ from the code: settings, errors, command line, values. `scripts/docs` runs it."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def settings() -> str:
    """The table of settings."""
    from snapfind.core.config import SETTINGS

    lines = [
        "# Settings",
        "",
        "Give a setting to `snapfind.open(path, name=value)` or as an environment variable; what is given wins.",
        "",
        "| name | variable | default | unit | least | most | what |",
        "|---|---|---|---|---|---|---|",
    ]
    for s in SETTINGS:
        least, most = ("" if bound is None else f"{bound:,g}" for bound in (s.least, s.most))
        default = f"{s.default:,}" if isinstance(s.default, int) else s.default
        lines.append(f"| `{s.name}` | `{s.variable}` | {default} | {s.unit} | {least} | {most} | {s.help} |")
    return "\n".join(lines) + "\n"


def errors() -> str:
    """The tree of errors and their codes."""
    from snapfind.core import errors as tree

    lines = ["# Errors", "", "```text", inspect.cleandoc(tree.__doc__ or ""), "```", ""]
    lines += ["| error | code | HTTP status | exit code | when |", "|---|---|---|---|---|"]
    for name in tree.__all__:
        error = getattr(tree, name)
        first = " ".join((error.__doc__ or "").split())
        lines.append(f"| `{name}` | `{error.code}` | {error.http_status} | {error.exit_code} | {first} |")
    return "\n".join(lines) + "\n"


def values() -> str:
    """The frozen values and their fields."""
    import snapfind

    lines = ["# Values", "", "Everything that goes in and out of the library is one of these, checked when it is made."]
    for name in ("Box", "Picture", "Product", "Like", "Query", "Hit", "Answer"):
        value = getattr(snapfind, name)
        fields = ", ".join(f"{f.name}: {_type(f.type)}" for f in dataclasses.fields(value))
        lines += ["", f"## {name}", "", inspect.cleandoc(value.__doc__), "", f"```python\n{name}({fields})\n```"]
        for method, function in vars(value).items():
            documented = inspect.getdoc(getattr(value, method)) if not method.startswith("_") else None
            if documented and (callable(function) or isinstance(function, (property, classmethod))):
                lines.append(f"- `{method}`: {' '.join(documented.split())}")
    return "\n".join(lines) + "\n"


def library() -> str:
    """The verbs of Catalog."""
    import snapfind

    lines = ["# Library", "", "```python", "import snapfind", 'shop = snapfind.open("shop.snap")', "```", ""]
    for name in ("open", "replica"):
        lines += [f"## snapfind.{name}", "", inspect.cleandoc(getattr(snapfind, name).__doc__ or ""), ""]
    lines.pop()
    own = {name: verb for kind in reversed(snapfind.Catalog.__mro__[:-1]) for name, verb in vars(kind).items()}
    for name, verb in own.items():
        if not name.startswith("_") and inspect.isfunction(verb):
            signature = str(inspect.signature(verb)).replace("'", "").replace("(self, ", "(").replace("(self)", "()")
            lines += [
                "",
                f"## Catalog.{name}",
                "",
                f"```python\n{name}{signature}\n```",
                "",
                inspect.getdoc(verb) or "",
            ]
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """The help of every verb, as printed at 100 columns."""
    import typer
    from typer.testing import CliRunner

    from snapfind.cli.app import app

    runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"})
    command = typer.main.get_command(app)
    lines = [
        "# Command line",
        "",
        "Exit codes of every verb: 0 done, 1 partly (some rows failed), 2 nothing could be done.",
    ]
    for verb in _verbs(command, ()):
        said = runner.invoke(app, [*verb, "--help"], prog_name="snapfind").output
        shown = "\n".join(line.rstrip() for line in said.strip().splitlines())
        lines += ["", f"## snapfind {' '.join(verb)}".rstrip(), "", "```text", shown, "```"]
    return "\n".join(lines) + "\n"


def http() -> str:
    """Every endpoint with its request, its reply and its errors, from the OpenAPI document."""
    from fastapi import FastAPI

    from snapfind.server.app import add_routers
    from snapfind.server.schemas.markdown import page

    app = FastAPI(title="snapfind", version="0")
    add_routers(app)
    return page(app.openapi())


def _verbs(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [path]
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            found += _verbs(command.get_command(None, name), (*path, name))
    return found


def _type(given: object) -> str:
    if isinstance(given, type) and not getattr(given, "__args__", ()):
        return given.__name__
    return re.sub(r"(typing|snapfind\.types|collections\.abc)\.", "", str(given))


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "errors.md": errors,
    "values.md": values,
    "library.md": library,
    "command-line.md": command_line,
    "http.md": http,
}


def main() -> int:
    """Write every page that differs."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(FOLDER.parent.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
