"""Floor 5: the command line, one file per command: argument parsing and one call."""
