"""Runs by name: whole words of a name first, one variant alone, the nearest names otherwise."""

import pytest

from ffrepro.base import run_names
from ffrepro.base.errors import FfreproError

NAMES = [f"lite/cpu/letters/{variant}/seed{seed}" for variant in ("ff", "ff_low", "bp") for seed in (0, 1)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("lite/cpu/letters/ff/seed1", ["lite/cpu/letters/ff/seed1"]),
        ("letters/ff", ["lite/cpu/letters/ff/seed0", "lite/cpu/letters/ff/seed1"]),
        ("/ff_low/seed0/", ["lite/cpu/letters/ff_low/seed0"]),
        ("b", ["lite/cpu/letters/bp/seed0", "lite/cpu/letters/bp/seed1"]),
    ],
)
def test_find(wanted, expected):
    assert run_names.find(wanted, NAMES, where="here") == expected


def test_what_fits_nothing_or_several_variants():
    with pytest.raises(FfreproError, match="'ff_low'") as error:
        run_names.find("ff_lwo", NAMES, where="here")
    assert error.value.where == "here"
    with pytest.raises(FfreproError, match="3 runs") as error:
        run_names.find("letters", NAMES, where="here")
    assert "lite/cpu/letters/ff, lite/cpu/letters/ff_low, lite/cpu/letters/bp" in error.value.fix
