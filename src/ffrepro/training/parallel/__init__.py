"""Layers in parallel: a process for each group of layers, with batches that follow one another as in a pipeline."""
