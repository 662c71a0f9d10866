"""Negatives made here: plans extracted from human samples, and duplicates of them as a device would record them."""
