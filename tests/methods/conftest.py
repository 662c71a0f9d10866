"""Fixtures of the method tests; the cases are in helpers/method_cases.py."""

import pytest
from helpers.method_cases import batch_for


@pytest.fixture(params=[False, True], ids=["full", "padded"])
def batch(request, case):
    """Twenty samples of the case's kind: full sequences or padded ones, images or other images."""
    return batch_for(case, seed=int(request.param), masked=request.param)
