"""The typer application: its verbs, and how an error becomes one sentence and an exit code."""

import errno
import io
import sys
from typing import Annotated, NoReturn

import typer

from snapfind._version import __version__
from snapfind.cli.lazy_group import Entry, lazy_group
from snapfind.cli.output import fail
from snapfind.cli.target import at_server, readable
from snapfind.core.errors import FREE_MEMORY, SnapfindError, is_out_of_memory

__all__ = ["COMMANDS", "app", "main"]

_CLI = "snapfind.cli."
COMMANDS = {
    "add": Entry(f"{_CLI}add", "add", "Add products, or bring them up to date."),
    "search": Entry(f"{_CLI}search", "search", "Find products by photo, text, product, or any mix of them."),
    "show": Entry(f"{_CLI}show", "show", "Show a product: its fields and its pictures."),
    "facets": Entry(f"{_CLI}show", "facets", "Count the products of each value of a field."),
    "serve": Entry(f"{_CLI}serve", "serve", "Serve the catalogue over HTTP: the API, a page and metrics."),
    "mcp": Entry(f"{_CLI}serve", "mcp", "Give an assistant tools to search with (Model Context Protocol)."),
    "eval": Entry(f"{_CLI}eval", "eval_", "Measure the catalogue on queries whose answers are known."),
    "export": Entry(f"{_CLI}add", "export", "Write the catalogue as a table that `add` reads again."),
    "delete": Entry(f"{_CLI}add", "delete", "Delete products by id or by filter, with all their pictures."),
    "info": Entry(f"{_CLI}admin", "info", "What the catalogue holds: counts, model, fields, size."),
    "doctor": Entry(f"{_CLI}admin", "doctor", "Check store, copies, model, disk and versions, and say what to do."),
    "snapshot": Entry(f"{_CLI}admin", "snapshot", "Write the whole catalogue into one file with checksums."),
    "restore": Entry(f"{_CLI}admin", "restore", "Restore a snapshot into a new folder, every file checked."),
    "migrate": Entry(f"{_CLI}admin", "migrate", "Move the index to Qdrant servers, or back."),
    "model": Entry(f"{_CLI}model", "app", "Models of a catalogue: list, fit, calibrate, switch, convert and more."),
    "key": Entry(f"{_CLI}serve", "keys", "Keys by which a server knows its callers."),
    "learn": Entry(f"{_CLI}train", "app", "Train a better encoder for a catalogue (extra learn)."),
    "rank": Entry(f"{_CLI}rank", "app", "Order the answers by what shoppers open."),
    "curate": Entry(f"{_CLI}curate", "app", "Find duplicates, wrong labels and bad pictures."),
    "flywheel": Entry(f"{_CLI}flywheel", "app", "Learn from what shoppers do; a model answers only when it is proved."),
}
app = typer.Typer(
    name="snapfind",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"snapfind {__version__}")
        raise typer.Exit


@app.callback()
def snapfind(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Snap it, find it: a shopper's photo finds the product in your catalogue.

    add, search, show, facets, export, delete, info and model also ask a running server: write --server URL in place of
    the folder. Its key comes from SNAPFIND_KEY.
    """


_CTRL_C = 130  # what typer ends with
_ELSEWHERE = "give a place that you may write to, or run as its owner"
_MENDS = {  # what the machine says no to, wherever it comes up, and what a person can do about it
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some of your quota and run it again",
    errno.ENOENT: "make that folder first, or give another name",
    errno.ENOTDIR: "give a place in a folder",
    errno.EISDIR: "give a file",
    errno.ENAMETOOLONG: "give a shorter name",
}


def main() -> None:
    """Run the command line; never shows a traceback for what the user can mend."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal or a pipe of few letters gets the others as escapes
            stream.reconfigure(errors="backslashreplace")
    try:
        app(at_server(readable(sys.argv[1:])))
    except SnapfindError as error:
        fail(error.message)
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code != _CTRL_C:
            raise
        fail("stopped; what was stored is kept, run it again to go on")
        sys.exit(1)
    except UnicodeEncodeError as error:  # a name that a terminal of few letters cannot write
        shown = error.object[error.start : error.end]
        fail(f"{shown!r} cannot be written in the encoding of this terminal; set LC_ALL=C.UTF-8 and run it again")
        sys.exit(2)
    except BrokenPipeError:  # `snapfind … | head`
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if is_out_of_memory(error):
            _end_without_memory()
        if error.errno not in _MENDS:
            raise
        place = f"{error.filename}: " if error.filename else ""
        fail(f"{place}{error.strerror}; {_MENDS[error.errno]}")
        sys.exit(2)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _end_without_memory()


def _end_without_memory() -> NoReturn:
    fail(f"not enough memory; {FREE_MEMORY}")
    sys.exit(2)
