"""The process that decodes files of strangers for `sandbox.py`, and may die of them.

It answers one request after another. A request is two frames on stdin: JSON and the bytes of a file. An answer is two
frames on stdout for each media item: JSON and pixels. The last one has no pixels. The process opens no file of the
request and writes none, and the system bounds its memory.
"""

import importlib
import json
import struct
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from snapfind.media.base import MediaHandler

__all__ = ["bound", "main", "read_frame", "write_frames"]

_MOST = 2**31


def write_frames(stream: BinaryIO, *parts: bytes | memoryview) -> None:
    """Write frames, each a length and that many bytes, and flush.

    Args:
        stream: Pipe to the other process.
        parts: Content of each frame.
    """
    for part in parts:
        stream.write(struct.pack(">I", len(part)))
        stream.write(part)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes:
    """Read one frame.

    Args:
        stream: Pipe from the other process.

    Returns:
        The content of the frame.

    Raises:
        EOFError: The other process is gone.
    """
    head = stream.read(4)
    if len(head) < 4:
        raise EOFError
    (length,) = struct.unpack(">I", head)
    if length > _MOST:
        raise EOFError
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def bound(megabytes: int) -> None:
    """Limit the memory of this process and forbid it to write files, where the system supports such limits.

    Args:
        megabytes: Maximum size of the address space.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    most = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer requests until stdin ends."""
    from snapfind.media import handlers  # noqa: F401  (loaded before the memory is bounded)

    bound(int(sys.argv[1]))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    write_frames(answers, b"ready")
    while True:
        try:
            request = json.loads(read_frame(requests))
            content = read_frame(requests)
        except EOFError:
            return
        write_frames(answers, json.dumps(_answer(request, content, answers)).encode(), b"")


def _answer(request: Mapping[str, Any], content: bytes, answers: BinaryIO) -> dict[str, Any]:
    """Write the items of a file. Return the last header: empty, or the error."""
    from snapfind.core.errors import BadPicture
    from snapfind.media.handlers import read_items
    from snapfind.media.image.decode import Limits

    try:
        handler = _handler(request["handler"], request["path"])
        for item in read_items(handler, content, Limits(*request["limits"]), side=request["side"]):
            header = {"size": item.image.size, "kind": item.kind, "start": item.start, "end": item.end}
            write_frames(answers, json.dumps(header).encode(), item.image.tobytes())
    except BadPicture as error:
        return {"code": error.code, "message": error.message}
    except MemoryError:
        return {"code": "picture_too_large", "message": "the picture would take too much memory; make it smaller"}
    return {}


def _handler(name: str, path: list[str]) -> "MediaHandler":
    """Create a handler from `module:Class`. The server names it, never a client."""
    from snapfind.core.errors import BadPicture

    module, _, attribute = name.partition(":")
    sys.path.extend(place for place in path if place not in sys.path)
    try:
        handler: MediaHandler = getattr(importlib.import_module(module), attribute)()
    except Exception as error:  # importing the module of others raises anything
        reason = f"the media handler {name} cannot be created in the decoding process ({str(error)[:100]})"
        raise BadPicture(f"{reason}; make its module importable there", code="picture_format") from error
    return handler


if __name__ == "__main__":
    main()
