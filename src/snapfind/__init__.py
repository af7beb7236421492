"""Snap it, find it: a shopper's photo finds the product in your catalogue."""

from snapfind._version import __version__
from snapfind.types import Box, Hit, Like, Picture, Product, Query

__all__ = ["Box", "Hit", "Like", "Picture", "Product", "Query", "__version__"]
