"""Exploring the Forward-Forward Algorithm for Training Recurrent Neural Networks: what is this paper's alone."""
