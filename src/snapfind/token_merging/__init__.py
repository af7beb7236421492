"""Turbo: faster vision transformers by merging the least informative tokens.

Ju et al., "Turbo: Informativity-Driven Acceleration Plug-In for Vision-Language Large Models", ECCV 2024, arXiv
2407.11717. `turbo(model, ratio)` is the interface. docs/methods/turbo.md describes the method.
"""

from snapfind.token_merging.informativity import Informativity
from snapfind.token_merging.plug import Turbo, plug, turbo
from snapfind.token_merging.pruning import Pruning, prune_cross_attention

__all__ = ["Informativity", "Pruning", "Turbo", "plug", "prune_cross_attention", "turbo"]
