"""A client of a running server, with the verbs of the library and its values."""

from snapfind.client.client import Client

__all__ = ["Client"]
