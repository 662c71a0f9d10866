"""Krutsylo 2025, Scalable Forward-Forward: image classifiers cut into blocks that learn through auxiliary maps."""
