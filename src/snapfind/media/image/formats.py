"""The closed list of picture formats, told by content and never by suffix.

Pillow knows some forty formats; each parser more is a way in (GHSA-whj4-6x5x-4v2j was a FITS file). Ours are those
that phones, shops and browsers make.
"""

from importlib.util import find_spec

__all__ = ["FORMATS", "SUFFIXES", "named", "sniff"]

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
    """The format that the first 32 bytes announce, "" for none of ours."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def named(kind: str) -> str:
    """Pillow's name of a format as people write it: a phone's multi-picture file is a JPEG, HEIF is HEIC."""
    return {"MPO": "JPEG", "HEIF": "HEIC"}.get(kind, kind)
