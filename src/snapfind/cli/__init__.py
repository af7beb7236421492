"""The command line: the verbs of the library. Exit codes: 0 done, 1 partly, 2 nothing could be done."""

from snapfind.cli.app import main

__all__ = ["main"]
