"""Write docs/reference/ from the code: settings, errors, command line, HTTP. `scripts/docs` runs it."""

import inspect
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Literal, get_args, get_origin, get_type_hints

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def settings() -> str:
    """The table of settings."""
    from snapfind.core.config import SETTINGS

    lines = [
        "# Settings",
        "",
        "Pass a setting to `snapfind.open(path, name=value)`, or set its environment variable. An argument wins.",
        "",
        "| name | variable | default | unit | minimum | maximum | meaning |",
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


def command_line() -> str:
    """Every command with its parameters, from the signatures of the functions: no release of typer changes a line."""
    lines = [
        "# Command line",
        "",
        "SHOP is the folder of a catalog. Commands that say so also take the URL of a running server.",
        "",
        "Exit codes of every command: 0 done, 1 partly (some rows failed), 2 nothing could be done.",
    ]
    for path, function in _commands():
        paragraphs = [" ".join(text.split()) for text in inspect.cleandoc(function.__doc__ or "").split("\n\n")]
        parameters = list(_parameters(function))
        usage = " ".join(name if required else f"[{name}]" for name, required, option, _, _ in parameters if not option)
        usage = usage.replace("\\|", "|")
        lines += ["", f"## {path}", "", "\n\n".join(paragraphs), "", "```sh", f"{path} {usage}".rstrip(), "```", ""]
        lines += ["| parameter | default | description |", "|---|---|---|"]
        for name, _, _, default, text in parameters:
            lines.append(f"| `{name}` | {default} | {text} |")
    return "\n".join(lines) + "\n"


_PLACEHOLDERS: dict[object, str] = {int: "NUMBER", float: "NUMBER", Path: "PATH"}


def _commands() -> Iterator[tuple[str, Callable[..., None]]]:
    """Name and function of every command, in the order of the help."""
    import typer

    from snapfind.cli.app import COMMANDS

    for name, entry in COMMANDS.items():
        target = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(target, typer.Typer):
            yield f"snapfind {name}", target
            continue
        for command in target.registered_commands:
            assert command.callback is not None
            yield f"snapfind {name} {command.name or command.callback.__name__.replace('_', '-')}", command.callback


def _parameters(function: Callable[..., None]) -> Iterator[tuple[str, bool, bool, str, str]]:
    """For each parameter: name with placeholder, whether it is required, whether it is an option, default, help."""
    from typer.models import ArgumentInfo, OptionInfo

    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name, parameter.annotation)
        annotated = hasattr(hint, "__metadata__")
        kind, info = (hint.__origin__, hint.__metadata__[0]) if annotated else (hint, ArgumentInfo())
        kinds = [one for one in get_args(kind) if one is not type(None)] if isinstance(kind, UnionType) else [kind]
        values = [str(value) for one in kinds if get_origin(one) is Literal for value in get_args(one)]
        placeholder = info.metavar or "\\|".join(values) or _PLACEHOLDERS.get(kinds[0], "TEXT")
        option, required = isinstance(info, OptionInfo), parameter.default is parameter.empty
        if option:
            first = (info.default,) if isinstance(info.default, str) else ()  # typer keeps the first flag there
            flags = ", ".join((*first, *(info.param_decls or ()))) or f"--{name.replace('_', '-')}"
            shown = flags if kind is bool else f"{flags} {placeholder}"
        else:
            shown = info.metavar or name.upper()
        default = "" if required or parameter.default in (None, False, "") else str(parameter.default)
        if isinstance(info.show_default, str):
            default = info.show_default
        text = " ".join((info.help or "").split()).replace("|", "\\|")
        yield shown.replace("|", "\\|").replace("\\\\|", "\\|"), required, option, default, text


def http() -> str:
    """Every endpoint with its request, its reply and its errors, from the OpenAPI document."""
    from fastapi import FastAPI

    from snapfind.server.app import add_routers
    from snapfind.server.schemas.markdown import page

    app = FastAPI(title="snapfind", version="0")
    add_routers(app)
    return page(app.openapi())


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "errors.md": errors,
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
