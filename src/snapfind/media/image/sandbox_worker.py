"""The other side of media/image/sandbox.py: a process that decodes pictures of strangers and may die of them.

One request after another on stdin, one answer each on stdout, as frames: a length and that many bytes. It takes no
name of a file and opens none, writes no file, and its memory and processor time are bounded by the system.
"""

import json
import struct
import sys
from typing import BinaryIO

__all__ = ["Frames", "bound", "main"]

_MOST = 2**31


class Frames:
    """Frames on two streams: what was written on one side is read whole on the other."""

    @staticmethod
    def write(stream: BinaryIO, *parts: bytes | memoryview) -> None:
        """Write one frame for each part and hand them over."""
        for part in parts:
            stream.write(struct.pack(">I", len(part)))
            stream.write(part)
        stream.flush()

    @staticmethod
    def read(stream: BinaryIO) -> bytes:
        """One frame. Raises EOFError when the other side is gone."""
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
    """Bound the memory of this process, forbid it to write files; nothing where the system has no such limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    most = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Serve until stdin ends."""
    from snapfind.core.errors import BadPicture
    from snapfind.media.image.decode import Limits, load

    bound(int(sys.argv[1]))
    taken, given = sys.stdin.buffer, sys.stdout.buffer
    Frames.write(given, b"ready")
    while True:
        try:
            asked = json.loads(Frames.read(taken))
            content = Frames.read(taken)
        except EOFError:
            return
        try:
            image = load(content, Limits(*asked["limits"]), side=asked["side"])
            pixels = image.tobytes()
        except BadPicture as error:
            Frames.write(given, json.dumps({"code": error.code, "message": error.message}).encode(), b"")
        except MemoryError:
            said = "the picture would take too much memory; make it smaller"
            Frames.write(given, json.dumps({"code": "picture_too_large", "message": said}).encode(), b"")
        else:
            Frames.write(given, json.dumps({"size": image.size}).encode(), pixels)


if __name__ == "__main__":
    main()
