"""On the Advancements of the Forward-Forward Algorithm: what is this paper's alone."""
