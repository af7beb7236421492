"""Encoders: images and texts to embeddings of a space, adapters, and the registry that opens models."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.encoders.adapter import Adapter
    from snapfind.encoders.base import Encoder, SignalEncoder, Space, Vectors
    from snapfind.encoders.embedding_model import Model
    from snapfind.encoders.registry import KINDS, EncoderKind, ModelEntry, open_encoder, register_kind

__all__ = [
    "KINDS",
    "Adapter",
    "Encoder",
    "EncoderKind",
    "Model",
    "ModelEntry",
    "SignalEncoder",
    "Space",
    "Vectors",
    "open_encoder",
    "register_kind",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "adapter": ["Adapter"],
        "base": ["Encoder", "SignalEncoder", "Space", "Vectors"],
        "embedding_model": ["Model"],
        "registry": ["KINDS", "EncoderKind", "ModelEntry", "open_encoder", "register_kind"],
    },
)
