"""Turbo: fewer tokens in a vision transformer that is there already, by merging those that say the least.

Ju et al., "Turbo: Informativity-Driven Acceleration Plug-In for Vision-Language Large Models", ECCV 2024, arXiv
2407.11717. `turbo(model, ratio)` is the whole of it; docs/methods/turbo.md says what happens inside.
"""

from snapfind.token_merging.informativity import Informativity
from snapfind.token_merging.plug import Turbo, plug, turbo
from snapfind.token_merging.pruning import Pruning, prune_cross_attention

__all__ = ["Informativity", "Pruning", "Turbo", "plug", "prune_cross_attention", "turbo"]
