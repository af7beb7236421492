"""Text recognition (OCR) in pictures: PP-OCRv6 small, through the package rapidocr of the extra `ocr`.

The networks are files inside the package, so nothing is downloaded. They are opened at the first picture. The short
side is scaled to 480 pixels, and the classifier of upside-down lines is not used. Time and accuracy:
benchmarks/results/ocr.md.
"""

import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL.Image import Image, Resampling

from snapfind.core.config import Settings
from snapfind.core.errors import BadSetting, ExtraMissing, ModelBroken
from snapfind.core.types import Box
from snapfind.encoders.onnx_session import open_session

__all__ = ["TextLine", "TextReader", "can_read", "join_lines", "open_reader"]

SIDE = 480  # pixels of the short side
_LONGEST = 1280  # pixels of the longest side: bounds the time of a panorama
_CONFIDENCE = 0.6
_LINES = 64
_FIRST_CJK = "\u2e80"
_MODES = ("auto", "on", "add", "off")
_CHARACTERS = 1000  # of all lines of a picture


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text in a picture.

    Attributes:
        text: The text.
        confidence: Mean probability of its characters, 0..1.
        box: Bounding box of the line.
    """

    text: str
    confidence: float
    box: Box


@cache
def can_read() -> bool:
    """Tell whether the packages of the extra `ocr` are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "cv2"))


def join_lines(lines: Sequence[TextLine]) -> str:
    """Join lines in reading order.

    Args:
        lines: Lines of a picture.

    Returns:
        One line for each, separated by newlines, of at most `_CHARACTERS` characters.
    """
    return "\n".join(line.text for line in lines)[:_CHARACTERS]


class TextReader:
    """Reads the text in pictures. Any thread may call it.

    Args:
        threads: Threads of the networks. 0: one per core.

    Raises:
        ExtraMissing: The extra `ocr` is not installed.

    Example:
        >>> TextReader().read(Image.open("carton.jpg"))[0].text
        'MILK'
    """

    side = SIDE * 4 // 3  # pixels of the longest side that a photo of 4:3 needs

    def __init__(self, threads: int = 0) -> None:
        if not can_read():
            raise ExtraMissing.of("reading text in pictures needs the package rapidocr", "ocr")
        self._threads = threads
        self._lock = threading.Lock()
        self._engine: Any = None

    def read(self, image: Image) -> list[TextLine]:
        """Read the text of a picture.

        Args:
            image: Upright RGB image of any size.

        Returns:
            Lines with a confidence of at least 0.6, from top to bottom. At most 64. None if no line has three letters
            or digits, or two signs of Chinese, Japanese or Korean.

        Raises:
            ModelBroken: The network files of rapidocr are missing or damaged.
        """
        engine = self._open()
        small = _scaled(image.convert("RGB"))
        pixels = np.asarray(small)[:, :, ::-1]  # rapidocr takes BGR
        result = engine(np.ascontiguousarray(pixels))
        texts, boxes, scores = (getattr(result, name, None) for name in ("txts", "boxes", "scores"))
        if texts is None or boxes is None or scores is None:
            return []
        lines = [
            TextLine(" ".join(str(text).split()), float(score), _box(corners, small.size))
            for text, corners, score in zip(texts, boxes, scores)
            if float(score) >= _CONFIDENCE and str(text).strip()
        ]
        # The shape of a garment is read as one sign, such as an A. Next to words, a short line may be a size.
        return lines[:_LINES] if any(_is_word(line.text) for line in lines) else []

    def _open(self) -> Any:
        """Open the networks once."""
        with self._lock:
            if self._engine is None:
                self._engine = _open_engine(self._threads)
        return self._engine


def open_reader(settings: Settings, use: Literal["add", "search"]) -> TextReader | None:
    """Return the reader of the process, as the setting `ocr` says.

    Args:
        settings: Settings of the catalog.
        use: What is read: added pictures, or query photos.

    Returns:
        The reader. None if the setting is off for this use, or auto without the extra `ocr`.

    Raises:
        BadSetting: The setting has an unknown value.
        ExtraMissing: The setting is not auto, and the extra `ocr` is not installed.
    """
    mode = settings.text("ocr")
    if mode not in _MODES:
        raise BadSetting(f"Unknown value of the setting ocr: {mode!r}. Supported: {', '.join(_MODES)}.", field="ocr")
    if mode == "off" or (mode == "add" and use == "search") or (mode == "auto" and not can_read()):
        return None
    return _shared_reader(settings.whole("threads"))


@cache
def _shared_reader(threads: int) -> TextReader:
    return TextReader(threads)


def _open_engine(threads: int) -> Any:
    import rapidocr

    folder = Path(str(rapidocr.__file__)).parent / "models"
    files = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}
    params: dict[str, Any] = {
        "Global.use_cls": False,
        "Global.log_level": "critical",
        "Global.max_side_len": _LONGEST,
        "Global.text_score": _CONFIDENCE,
        "Det.limit_side_len": _LONGEST,  # pictures are scaled before
        "Det.limit_type": "max",
        "Det.max_candidates": 2 * _LINES,  # bounds the time of a page full of text
    }
    sessions = {}
    for part, name in files.items():
        try:
            # An own session: rapidocr would download a missing file, and its threads would spin.
            sessions[part] = open_session((folder / name).read_bytes(), threads, arena=False)
        except OSError as error:
            raise ModelBroken(f"{folder / name} cannot be read ({error.strerror}); install rapidocr again") from error
    engine = rapidocr.RapidOCR(params=params)
    for part, session in sessions.items():
        engine.cfg[part]._set_flag("allow_objects", True)
        engine.cfg[part]["session"] = session
    return engine


def _is_word(text: str) -> bool:
    return sum(2 if sign >= _FIRST_CJK else 1 for sign in text if sign.isalnum()) >= 3


def _scaled(image: Image) -> Image:
    """Scale the short side to `SIDE`, but the longest side to no more than `_LONGEST`."""
    factor = min(SIDE / min(image.size), _LONGEST / max(image.size))
    width, height = (max(1, round(length * factor)) for length in image.size)
    return image if (width, height) == image.size else image.resize((width, height), Resampling.BICUBIC)


def _box(corners: Any, size: tuple[int, int]) -> Box:
    """Return the bounding box of four corners in pixels, as fractions of the image."""
    points = np.clip(np.asarray(corners, np.float64) / np.asarray(size), 0.0, 1.0)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return Box(float(x0), float(y0), float(max(x1, x0 + 1e-6)), float(max(y1, y0 + 1e-6)))
