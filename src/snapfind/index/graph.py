"""How finely neighbours are linked, looked for and rounded: one set of numbers for the engine in a folder and on servers.

Chosen on made vectors with the spread of real ones, 100,000 pictures, asked with made photos (benchmarks/growth.py,
benchmarks/results/scale.md). What is linked with `BUILD` candidates (Malkov & Yashunin 2018) is asked with `BREADTH`; a
vector rounded to one byte a number is read in place of four, and the best `SPARE` times the hits asked for are scored
again with what was stored, so scores are exact.
"""

__all__ = ["BREADTH", "BUILD", "FULL_SCAN", "LINKS", "QUANTILE", "SPARE"]

LINKS, BUILD, BREADTH = 32, 256, 512
QUANTILE, SPARE = 0.99, 2.0
FULL_SCAN = 10_000  # kilobytes of vectors below which a full scan beats the graph, also after a filter
