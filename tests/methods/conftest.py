"""Fixtures of the method tests; the cases are in helpers/method_cases.py."""

import pytest
from helpers.method_cases import batch_for, make_batch


@pytest.fixture(params=[False, True], ids=["full", "padded"])
def batch(request):
    """Twenty samples of the case's kind: full sequences or padded ones, images or other images."""
    case = request.node.callspec.params.get("case")
    if case is None:
        return make_batch(masked=request.param)
    return batch_for(case, seed=int(request.param), masked=request.param)
