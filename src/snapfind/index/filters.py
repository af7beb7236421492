"""The filter grammar."""


class Filter:
    """A parsed filter."""
