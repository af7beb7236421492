"""Convert the tokenizer of a library to a tokenizer.json, and compare both id by id.

The SentencePiece model of SigLIP becomes a Unigram of `tokenizers` with the library's text cleaning as its normalizer:
lower case, no ASCII punctuation, single spaces. The tokenizer of CLIP becomes a byte-level BPE.
"""

import string
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from snapfind.convert.source_model import Words
from snapfind.core.errors import BadInput
from snapfind.encoders.image.onnx_tower import GOLDEN_TEXTS

__all__ = ["SAMPLES", "canonical", "check_ids", "collapsed", "cut_and_pad", "of_bpe", "of_library"]

SAMPLES = (
    *GOLDEN_TEXTS,
    "A RED mug,  isn't it? (2 pcs.)",
    "Två Röda-koppar, 3,5 dl!",
    "红色陶瓷杯，手工制作 No.5",
    "x",
    " ".join(["a very long description of a mug"] * 40),
)
_PUNCTUATION = "[" + "".join(f"\\{mark}" for mark in string.punctuation) + "]"
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # of CLIP's simple_tokenizer


def of_library(tokenizer: Any) -> Tokenizer:
    """Copy the fast tokenizer of a tokenizer of transformers.

    Args:
        tokenizer: Tokenizer of transformers.

    Returns:
        The tokenizer.

    Raises:
        BadInput: It has no fast form.
    """
    if tokenizer.is_fast:
        return Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    if type(tokenizer).__name__ == "SiglipTokenizer":
        return _of_sentencepiece(tokenizer)
    raise BadInput(f"a tokenizer of the kind {type(tokenizer).__name__} is not known here; save its fast form")


def cut_and_pad(tokenizer: Tokenizer, pad: int, length: int, *, padded: bool = True, side: str = "right") -> Tokenizer:
    """Set truncation and padding of a tokenizer.

    Args:
        tokenizer: The tokenizer. It is changed.
        pad: Id of the padding.
        length: Largest number of ids.
        padded: Pad to `length`. Otherwise to the longest text of a batch.
        side: Side of the padding.

    Returns:
        The same tokenizer.
    """
    tokenizer.enable_truncation(length)
    word = tokenizer.id_to_token(pad) or ""
    tokenizer.enable_padding(direction=side, pad_id=pad, pad_token=word, length=length if padded else None)
    return tokenizer


def canonical() -> list[normalizers.Normalizer]:
    """Return the text cleaning of SigLIP: lower case, no ASCII punctuation, single spaces."""
    return [normalizers.Lowercase(), normalizers.Replace(Regex(_PUNCTUATION), ""), *collapsed()]


def collapsed() -> list[normalizers.Normalizer]:
    """Return normalizers for single spaces without leading and trailing ones."""
    return [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]


def of_bpe(vocabulary: dict[str, int], merges: Sequence[tuple[str, str]], first: str, end: str) -> Tokenizer:
    """Build the tokenizer of CLIP, as open_clip has it: byte-level BPE between two special tokens.

    Args:
        vocabulary: Token -> id.
        merges: BPE merges in order.
        first: Start token.
        end: End token.

    Returns:
        The tokenizer.
    """
    model = models.BPE(vocabulary, list(merges), unk_token=end, end_of_word_suffix="</w>", fuse_unk=False)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([*_widths(), normalizers.NFC(), *collapsed(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    marks = [(first, vocabulary[first]), (end, vocabulary[end])]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A {end}", special_tokens=marks)
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False, special=True) for mark, _ in marks])
    return tokenizer


def check_ids(words: Words) -> None:
    """Compare the tokenizer with the library's own in English, Swedish and Chinese.

    Args:
        words: Text encoder with both tokenizers.

    Raises:
        BadInput: The ids of a text differ.
    """
    wanted = words.own(SAMPLES)
    for row, text in enumerate(SAMPLES):
        found = np.array(words.tokenizer.encode(text).ids, np.int64)
        rest = wanted[row, len(found) :]
        if len(found) > words.length or not np.array_equal(found, wanted[row, : len(found)]) or len(set(rest)) > 1:
            raise BadInput(f"the model's tokenizer cannot be carried over: it reads {text[:40]!r} otherwise here")


def _of_sentencepiece(tokenizer: Any) -> Tokenizer:
    """Build a Unigram with the pieces and scores of spiece.model and the text cleaning of SiglipTokenizer."""
    from transformers.convert_slow_tokenizer import SpmConverter

    converter = SpmConverter(tokenizer)
    proto = converter.proto
    fast = Tokenizer(models.Unigram([(one.piece, one.score) for one in proto.pieces], proto.trainer_spec.unk_id, False))
    charsmap = proto.normalizer_spec.precompiled_charsmap
    own = [normalizers.Precompiled(charsmap)] if charsmap else []
    fast.normalizer = normalizers.Sequence([*canonical(), *own, normalizers.Replace(Regex(" {2,}"), " ")])
    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    end = tokenizer.eos_token
    fast.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    return fast


def _widths() -> list[normalizers.Normalizer]:
    """Return normalizers for what ftfy does in open_clip: full-width forms and curly quotes become ASCII."""
    wide = [normalizers.Replace(chr(0xFEE0 + code), chr(code)) for code in range(0x21, 0x7F)]
    quotes = [normalizers.Replace(Regex("[‘’‚‛]"), "'"), normalizers.Replace(Regex("[“”„‟]"), '"')]
    return [*wide, normalizers.Replace("\u3000", " "), *quotes]
