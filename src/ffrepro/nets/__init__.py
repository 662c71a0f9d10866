"""Floor 1: network architectures, each a list of blocks."""
