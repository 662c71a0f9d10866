"""Fixtures of the method tests; the cases are in helpers/method_cases.py."""

import pytest
from helpers.method_cases import make_batch


@pytest.fixture(params=[False, True], ids=["full", "padded"])
def batch(request):
    """Twenty sequences, all of full length or padded."""
    return make_batch(masked=request.param)
