"""Scikit-learn's digits, small and in two parts; sequences; prepared stand-in sets of the pipeline."""

import pytest
from helpers.fixtures import place, prepared  # noqa: F401
from helpers.method_cases import make_batch
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits():
    """(X_train, y_train), (X_test, y_test): X (N, 64) float32 from 0 to 1."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype("float32")
    return (X[:600], y[:600]), (X[1500:], y[1500:])


@pytest.fixture(scope="session")
def sequences():
    """X (80, 9, 2), y: the sequences of class 1 drift to the right."""
    batch = make_batch(80)
    return batch["x"].transpose(0, 1).contiguous(), batch["label"]
