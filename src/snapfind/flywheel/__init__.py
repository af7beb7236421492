"""What shoppers did becomes labels, labels become a better model, and it goes live when it is proved.

candidates -> learn -> evaluate -> build beside -> trial -> verdict. Guards stop a turn; every turn leaves a record.
"""
