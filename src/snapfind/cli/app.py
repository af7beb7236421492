"""The typer application: its verbs, and how an error becomes one sentence and an exit code."""

import errno
import io
import sys
from typing import Annotated

import typer

from snapfind._version import __version__
from snapfind.cli import (
    adding,
    curating,
    evaluating,
    keeping,
    learning,
    modelling,
    ranking,
    searching,
    serving,
    turning,
)
from snapfind.cli.place import at_server, readable
from snapfind.cli.printing import fail
from snapfind.errors import SnapfindError

__all__ = ["app", "main"]

app = typer.Typer(
    name="snapfind",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (
    adding.add,
    searching.search,
    serving.serve,
    serving.mcp,
    evaluating.eval_,
    adding.export,
    adding.delete,
    keeping.info,
    keeping.doctor,
    keeping.snapshot,
    keeping.restore,
    keeping.migrate,
):
    app.command(verb.__name__.rstrip("_"))(verb)
app.add_typer(modelling.app, name="model")
app.add_typer(serving.keys, name="key")
app.add_typer(learning.app, name="learn")
app.add_typer(ranking.app, name="rank")
app.add_typer(curating.app, name="curate")
app.add_typer(turning.app, name="flywheel")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"snapfind {__version__}")
        raise typer.Exit


@app.callback()
def snapfind(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Snap it, find it: a shopper's photo finds the product in your catalogue.

    add, search, export, delete, info and model also ask a running server: write --server URL in place of the folder.
    Its key comes from SNAPFIND_KEY.
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
        if error.errno not in _MENDS:
            raise
        place = f"{error.filename}: " if error.filename else ""
        fail(f"{place}{error.strerror}; {_MENDS[error.errno]}")
        sys.exit(2)
