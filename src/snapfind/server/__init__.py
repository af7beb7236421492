"""The HTTP door: the verbs of the library under `/v1`, the web page at `/`, a file per noun."""

from snapfind.server.app import build

__all__ = ["build"]
