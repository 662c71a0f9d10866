"""ffrepro: does the Forward-Forward algorithm really do that?"""

__version__ = "0.1.0"
