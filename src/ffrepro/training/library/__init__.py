"""The parts of the library's learners: ``training.learner`` and ``training.wrap`` are made of them."""
