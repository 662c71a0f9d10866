"""The audit: a paper's statements held to the paper's own figures, without training anything."""
