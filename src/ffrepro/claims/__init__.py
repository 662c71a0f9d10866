"""Floor 4: what papers publish, what our runs say to it, and the tables, figures and report made of both."""
