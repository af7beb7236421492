"""One turn after another: what shoppers did becomes labels, labels a better model, and a model goes live when proved.

candidates -> clean -> train -> evaluate -> build beside -> trial -> verdict; guards stop a turn, and every turn leaves a
record.
"""
