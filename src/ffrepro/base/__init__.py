"""Floor 0: errors, names, files and hashes that every other package may use. No numerics."""
