"""Floor 0: pure math on tensors and arrays. No I/O."""
