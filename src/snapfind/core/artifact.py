"""Artifacts: folders with files and a manifest.json, which lists a sha256 of each file and is written last.

All artifacts are read and written here: bundled, trained and quantized encoders, converted encoders, adapters,
text-to-image spaces, rerankers and click rankers. Their modules check golden outputs after loading.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snapfind.core.errors import FREE_MEMORY, ModelBroken, NotFound, OutOfMemory, is_out_of_memory

__all__ = ["MANIFEST", "artifact_kind", "read_artifact", "read_manifest", "write_artifact"]

MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 4 * 2**20  # bytes
_LARGEST_FILE = 4 * 2**30


def artifact_kind(folder: Path) -> str:
    """Read the kind of an artifact.

    Args:
        folder: Folder of the artifact.

    Returns:
        The kind, such as "tower", "encoder" or "adapter". Empty if the folder is no artifact.
    """
    try:
        return str(json.loads(_read(folder / MANIFEST, _LARGEST_MANIFEST))["kind"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def read_manifest(folder: Path, *kinds: str, remedy: str) -> dict[str, Any]:
    """Read the manifest of an artifact.

    Args:
        folder: Folder of the artifact.
        kinds: Allowed kinds. None: any.
        remedy: What the user can do if it is damaged, the end of the message.

    Returns:
        The manifest.

    Raises:
        NotFound: The folder has no manifest.
        ModelBroken: The manifest is damaged or of another kind.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFound(f"{folder} is not the folder of an artifact: it has no {MANIFEST}")
    try:
        manifest = json.loads(_read(path, _LARGEST_MANIFEST))
        if not isinstance(manifest, dict):
            raise TypeError("it is not an object")
        if kinds and manifest.get("kind") not in kinds:
            raise ValueError(f"kind {manifest.get('kind')!r} is not {' or '.join(map(repr, kinds))}")
    except (OSError, ValueError, TypeError, RecursionError) as problem:
        raise ModelBroken(f"{path} cannot be used ({problem}); {remedy}") from problem
    return manifest


def read_artifact(folder: Path, *kinds: str, remedy: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read an artifact and verify the checksums of its files.

    Args:
        folder: Folder of the artifact.
        kinds: Allowed kinds. None: any.
        remedy: What the user can do if it is damaged, the end of the message.

    Returns:
        The manifest, and file name -> content for each file that it lists.

    Raises:
        NotFound: The folder has no manifest.
        ModelBroken: The manifest or a file is damaged or missing, or a checksum differs.
        OutOfMemory: There is not enough memory to read the files.
    """
    manifest = read_manifest(folder, *kinds, remedy=remedy)
    sums, files = manifest.get("sha256"), {}
    if not isinstance(sums, dict) or not all(_is_plain_name(name) for name in sums):
        raise ModelBroken(f"{folder / MANIFEST} lists no checksums of its files; {remedy}")
    for name, expected in sums.items():
        try:
            content = _read(folder / name, _LARGEST_FILE)
        except Exception as problem:
            if is_out_of_memory(problem):
                raise OutOfMemory(f"not enough memory to read {folder / name}; {FREE_MEMORY}") from problem
            raise ModelBroken(f"{folder / name} cannot be read ({problem}); {remedy}") from problem
        if hashlib.sha256(content).hexdigest() != expected:
            raise ModelBroken(f"{folder / name} does not match its manifest; {remedy}")
        files[name] = content
    return manifest, files


def write_artifact(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write the files of an artifact, then its manifest with their checksums, which marks it as complete.

    Args:
        folder: Folder of the artifact. It is created.
        manifest: Entries of the manifest: `kind` and whatever the kind needs.
        files: File name -> content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    text = json.dumps({**manifest, "sha256": sums}, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _is_plain_name(name: object) -> bool:
    return isinstance(name, str) and bool(name) and Path(name).name == name


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"more than {most:,} bytes")
    return content
