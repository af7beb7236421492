"""Supported image formats, recognized by content.

Pillow has about forty parsers, and each is a risk (GHSA-whj4-6x5x-4v2j was a FITS file). So only the formats of phones,
shops and browsers are enabled.
"""

from importlib.util import find_spec

__all__ = ["FORMATS", "SUFFIXES", "format_name", "sniff"]

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi", ".pjpeg", ".pjp", ".jpg_large", ".mpo", ".png", ".apng"}
    | {".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif", ".avifs", ".heic", ".heif", ".hif"}
)


def _formats() -> tuple[str, ...]:
    known = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
    if find_spec("pillow_heif") is None:
        return known
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    return (*known, "HEIF")


FORMATS: tuple[str, ...] = _formats()

_MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"P5": "PPM",
    b"P6": "PPM",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"
)


def sniff(head: bytes) -> str:
    """Recognize the format of a file.

    Args:
        head: Its first 32 bytes.

    Returns:
        Name of the format, or "" if it is not supported.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def format_name(kind: str) -> str:
    """Return the common name of a format.

    Args:
        kind: Name of the format in Pillow.

    Returns:
        `JPEG` for the multi-picture files of phones, `HEIC` for HEIF, else the same name.
    """
    return {"MPO": "JPEG", "HEIF": "HEIC"}.get(kind, kind)
