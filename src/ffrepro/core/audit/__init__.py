"""Arithmetic on what a paper prints: rounding intervals, counts from architectures, GRIM, p-values."""
