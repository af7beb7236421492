"""Which pairs of many pictures are worth a look: those that share a piece of a hash, and nearest neighbours.

Comparing all pairs of 100,000 pictures would be 5 * 10^9 comparisons. A hash of 64 bits (each cell brighter than its
right neighbour or not: a difference hash of 8 by 8) is cut into four pieces; a re-encoded picture keeps at least one of
them whole unless four bits or more change, one in each. Cut pictures change
many bits: these are found by their vectors.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors

__all__ = ["by_hash", "by_vector", "hashed"]

_CELLS, _PIECES, _MOST = 16, 4, 64
_ROWS = 1024


def hashed(fingerprints: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(n, 768) fingerprints of media/image/fingerprint.py -> (n, 4) pieces of their 64-bit difference hash."""
    grey = fingerprints.reshape(-1, _CELLS, _CELLS, 3).mean(axis=3)
    cells = grey.reshape(-1, 8, 2, 8, 2).mean(axis=(2, 4))
    after = np.roll(cells, -1, axis=2)  # the last cell of a row looks at the first
    bits = np.packbits((cells > after).reshape(-1, 64), axis=1)
    return np.ascontiguousarray(bits).view(np.uint16)


def by_hash(hashes: NDArray[np.uint16]) -> Iterator[tuple[int, int]]:
    """(n, 4) -> pairs of rows that share a piece, each once, a < b.

    In a bucket of more than 64 rows (plain pictures, a white border) each is paired with the 64 behind it only.
    """
    seen: set[tuple[int, int]] = set()
    for piece in range(_PIECES):
        buckets: defaultdict[int, list[int]] = defaultdict(list)
        for row, value in enumerate(hashes[:, piece].tolist()):
            buckets[value].append(row)
        for rows in buckets.values():
            for place, a in enumerate(rows):
                for b in rows[place + 1 : place + 1 + _MOST]:
                    if (a, b) not in seen:
                        seen.add((a, b))
                        yield a, b


def by_vector(vectors: Vectors, neighbours: int, least: float) -> Iterator[tuple[int, int, float]]:
    """(n, d) unit rows -> pairs of a row and one of its nearest others with a cosine from `least` up, a < b.

    A scan of all rows, a block at a time: n^2 d, half a minute for 20,000 rows of 1,280 on two cores.
    """
    seen: set[tuple[int, int]] = set()
    k = min(neighbours, len(vectors) - 1)
    for start in range(0, len(vectors), _ROWS) if k > 0 else ():
        near = vectors[start : start + _ROWS] @ vectors.T
        near[np.arange(len(near)), np.arange(len(near)) + start] = -np.inf
        found = np.argpartition(-near, k - 1, axis=1)[:, :k]
        cosines = np.take_along_axis(near, found, axis=1)
        for row, place in zip(*np.nonzero(cosines >= least)):
            a, b = sorted((int(row) + start, int(found[row, place])))
            if (a, b) not in seen:
                seen.add((a, b))
                yield a, b, float(cosines[row, place])
