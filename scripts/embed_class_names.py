"""Writes encoders/weights/imagenet_names.safetensors, the class names as the text encoder sees them.

    python scripts/embed_class_names.py

Encoding 1,000 names takes 4 to 12 seconds, too long for a first search, so the vectors are shipped (float16, 0.8 MB).
Run it again whenever the text encoder's space changes; tests/encoders/test_conse.py fails until then.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from snapfind.encoders.crossmodal import conse
from snapfind.encoders.text.e5 import TextEncoder

if __name__ == "__main__":
    text = TextEncoder()
    vectors = text.texts(conse.class_names(), role="document")
    target = Path(conse.__file__).parent.parent / "weights" / "imagenet_names.safetensors"
    save_file({"names": vectors.astype(np.float16)}, target, metadata={"space": text.space.id})
    print(f"{target}: {vectors.shape[0]} names of {text.space.id}")
