"""Floor 3: the one training loop, evaluation, measurement, run records."""
