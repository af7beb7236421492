"""The typer application: the table of commands, and the conversion of errors to messages and exit codes."""

import errno
import io
import sys
from typing import Annotated, NoReturn

import typer

from snapfind._version import __version__
from snapfind.cli.lazy_group import Entry, lazy_group
from snapfind.cli.moved import check_moved
from snapfind.cli.output import fail
from snapfind.cli.target import decode_arguments
from snapfind.core.errors import FREE_MEMORY, SnapfindError, is_out_of_memory

__all__ = ["COMMANDS", "app", "main"]

_CLI = "snapfind.cli."
_MAINTENANCE, _GROUPS = "Backup and interfaces", "Groups of commands"
COMMANDS = {
    "add": Entry(f"{_CLI}add", "add", "Add or update products."),
    "search": Entry(f"{_CLI}search", "search", "Find products by photo, text, product, or a combination."),
    "show": Entry(f"{_CLI}show", "show", "Show a product: its fields and its pictures."),
    "facets": Entry(f"{_CLI}show", "facets", "Count the products of each value of a field."),
    "eval": Entry(f"{_CLI}eval", "eval_", "Evaluate search quality on labeled queries."),
    "export": Entry(f"{_CLI}add", "export", "Export the catalog as a table that `add` can read."),
    "delete": Entry(f"{_CLI}add", "delete", "Delete products by id or by filter, with all their pictures."),
    "info": Entry(f"{_CLI}admin", "info", "Show counts, model, fields and size of the catalog."),
    "doctor": Entry(f"{_CLI}admin", "doctor", "Check index, pictures, model, disk and versions."),
    "serve": Entry(f"{_CLI}serve", "serve", "Serve the catalog over HTTP: API, web page and metrics."),
    "key": Entry(f"{_CLI}serve", "keys", "Manage the API keys of a server."),
    "snapshot": Entry(
        f"{_CLI}admin", "snapshot", "Back up the whole catalog into one file with checksums.", _MAINTENANCE
    ),
    "restore": Entry(
        f"{_CLI}admin", "restore", "Restore a snapshot into a new folder and verify its checksums.", _MAINTENANCE
    ),
    "migrate": Entry(f"{_CLI}admin", "migrate", "Move the index to a Qdrant server, or back.", _MAINTENANCE),
    "mcp": Entry(f"{_CLI}serve", "mcp", "Run an MCP server: search tools for AI assistants.", _MAINTENANCE),
    "model": Entry(f"{_CLI}model", "app", "Manage models: list, fit, calibrate, switch, convert and more.", _GROUPS),
    "train": Entry(f"{_CLI}train", "app", "Train a better encoder for a catalog (extra train).", _GROUPS),
    "curate": Entry(f"{_CLI}curate", "app", "Find duplicates, wrong labels and bad pictures.", _GROUPS),
    "flywheel": Entry(
        f"{_CLI}flywheel", "app", "Retrain on shoppers' clicks, with quality gates and A/B tests.", _GROUPS
    ),
    "rank": Entry(f"{_CLI}rank", "app", "Train and use a click ranker (CTR model).", _GROUPS),
    "lab": Entry(f"{_CLI}lab", "app", "Methods that do not improve search by our own measurements.", _GROUPS),
}
app = typer.Typer(
    name="snapfind",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"snapfind {__version__}")
        raise typer.Exit


@app.callback()
def snapfind(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Product search by photo: find the products of your catalog in a shopper's photo.

    SHOP is the folder of a catalog. add, search, show, facets, export, delete, info, mcp and model also take the URL of
    a running server, such as http://127.0.0.1:8000. The API key is read from SNAPFIND_KEY.
    """


_CTRL_C = 130  # exit code of typer on Ctrl-C
_ELSEWHERE = "Use a path that you can write to, or run as its owner."
_OS_HINTS = {  # what the user can do about errors of the operating system
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.ENOSPC: "Free some disk space and run the command again.",
    errno.EDQUOT: "Free some of your disk quota and run the command again.",
    errno.ENOENT: "Create that folder first, or use another path.",
    errno.ENOTDIR: "Use a path inside a folder.",
    errno.EISDIR: "Use the path of a file.",
    errno.ENAMETOOLONG: "Use a shorter name.",
}


def main() -> None:
    """Run the command line. Errors that the user can fix are printed as one message without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a stream that is not UTF-8 gets other characters as escapes
            stream.reconfigure(errors="backslashreplace")
    try:
        words = decode_arguments(sys.argv[1:])
        check_moved(words)
        app(words)
    except SnapfindError as error:
        fail(error.message)
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code != _CTRL_C:
            raise
        fail("Interrupted. Stored data is kept. Run the command again to resume.")
        sys.exit(1)
    except UnicodeEncodeError as error:  # a name that the encoding of the terminal lacks
        characters = error.object[error.start : error.end]
        fail(f"The encoding of this terminal lacks {characters!r}. Set LC_ALL=C.UTF-8 and run the command again.")
        sys.exit(2)
    except BrokenPipeError:  # `snapfind … | head`
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if is_out_of_memory(error):
            _exit_out_of_memory()
        if error.errno not in _OS_HINTS:
            raise
        place = f"{error.filename}: " if error.filename else ""
        fail(f"{place}{error.strerror}. {_OS_HINTS[error.errno]}")
        sys.exit(2)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _exit_out_of_memory()


def _exit_out_of_memory() -> NoReturn:
    fail(f"Not enough memory: {FREE_MEMORY}.")
    sys.exit(2)
