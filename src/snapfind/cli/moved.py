"""Commands and options that have another name now. Each old name is answered with one sentence."""

from collections.abc import Sequence

from snapfind.core.errors import BadInput

__all__ = ["MOVED", "check_moved"]

MOVED = {
    "learn catalog": "train catalog",
    "learn catalogue": "train catalog",
    "learn categories": "lab categories",
    "learn clicks": "train clicks",
    "learn distill": "train distill",
    "learn identity": "train identity",
    "learn locked": "train lit",
    "learn pretrain": "train pretrain",
    "learn prompts": "train prompts",
    "learn": "train",
    "curate look": "curate check",
    "model bridge": "model text-to-image",
    "model drop": "model delete",
    "model quantise": "model quantize",
    "model rerank": "lab rerank",
}


def check_moved(words: Sequence[str]) -> None:
    """Check that the arguments use no retired name.

    Args:
        words: Arguments of the command line, beginning with the command.

    Raises:
        BadInput: The command was renamed, or `--server` is used. The message names the new form.
    """
    for count in (2, 1):
        old = " ".join(words[:count])
        if old in MOVED:
            raise BadInput(f"`snapfind {old}` is now `snapfind {MOVED[old]}`.")
    before = words[: words.index("--")] if "--" in words else words
    if any(word == "--server" or word.startswith("--server=") for word in before):
        raise BadInput("--server is retired. Give the URL in place of the folder: snapfind search http://… photo.jpg")
