"""A picture's fingerprint that survives another file format, another size and a little light: 64 signs of brightness.

The difference hash: 9 by 8 means of luminance, a bit for each neighbour that is brighter. It does not survive a turn or
a crop of more than about a twentieth (benchmarks/duplicates.py).
"""

import numpy as np
from PIL import Image

__all__ = ["difference", "fingerprint"]


def fingerprint(image: Image.Image) -> int:
    """64 bits of any picture."""
    small = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes())


def difference(one: int, other: int) -> int:
    """Bits in which two fingerprints differ, 0..64; of unrelated pictures about 20 to 40."""
    return (one ^ other).bit_count()
