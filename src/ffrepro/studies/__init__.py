"""Studies: a folder for each paper. No other package imports them; ``ffrepro.base.studies`` finds them by name."""
