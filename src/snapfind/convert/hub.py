"""Download a model by name, only if the user asks for it by name.

Only safetensors, JSON and tokenizer files are downloaded, no code and no pickles.
"""

import re
from pathlib import Path

from snapfind.convert.requirements import need_package
from snapfind.core.errors import NotFound

__all__ = ["found"]

_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
_NAME = re.compile(r"(hf-hub:)?([\w.-]+/[\w.-]+)")
_TAGGED = re.compile(r"([\w.-]+)@([\w.-]+)")


def found(source: str) -> Path:
    """Find the folder of a model. Download it if the source is a name.

    Args:
        source: Folder, `org/name` or `hf-hub:org/name` on the hub, or `ARCHITECTURE@TAG` of open_clip.

    Returns:
        The folder, or the hub client's cache.

    Raises:
        NotFound: There is no such model, or the hub cannot be reached.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if tagged := _TAGGED.fullmatch(source):
        return _fetched(_repository(*tagged.groups()), source)
    if named := _NAME.fullmatch(source):
        return _fetched(named[2], source)
    raise NotFound(f"there is no folder {source}, and it is no name of a hub (org/name) or of open_clip (ViT-B-32@TAG)")


def _repository(architecture: str, tag: str) -> str:
    need_package("open_clip", "an open_clip model by name")
    from open_clip import get_pretrained_cfg, list_pretrained_tags_by_model

    config = get_pretrained_cfg(architecture, tag)
    repository = str(config.get("hf_hub", "")).strip("/")
    if not config:
        tags = ", ".join(list_pretrained_tags_by_model(architecture)) or "none: no such architecture"
        raise NotFound(f"open_clip knows no {architecture}@{tag}; tags of {architecture}: {tags}")
    if repository.count("/") != 1:
        raise NotFound(f"{architecture}@{tag} is not on the hub as safetensors; take another tag, or give its folder")
    return repository


def _fetched(repository: str, source: str) -> Path:
    need_package("huggingface_hub", "a model by name")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(_FILES), ignore_patterns=["*/*"]))
    except Exception as problem:
        reason = type(problem).__name__
        raise NotFound(
            f"{source} cannot be fetched from the hub ({reason}); check the name and the network, or copy its folder"
            " here and give the path"
        ) from problem
