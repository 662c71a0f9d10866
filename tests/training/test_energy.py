"""Joules from the processor's counter, and what is said where there is none."""

from ffrepro.training.energy import Meter


def put(folder, name, joules):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "energy_uj").write_text(f"{round(joules * 1e6)}\n")


def test_joules_are_summed_over_packages(tmp_path):
    put(tmp_path, "intel-rapl:0", 5.0)
    put(tmp_path, "intel-rapl:1", 1.0)
    put(tmp_path, "intel-rapl:0:0", 3.0)  # a part of the first
    meter = Meter(tmp_path)
    assert meter.how == "RAPL, 2 package(s)"
    meter.start()
    put(tmp_path, "intel-rapl:0", 7.5)
    put(tmp_path, "intel-rapl:1", 1.25)
    assert meter.stop() == 2.75
    meter.start()
    put(tmp_path, "intel-rapl:1", 0.5)  # began anew
    assert meter.stop() is None


def test_without_a_counter(tmp_path):
    put(tmp_path, "intel-rapl:0", 1.0)
    (tmp_path / "intel-rapl:0/energy_uj").write_text("no number")
    for folder in (tmp_path, tmp_path / "none"):
        meter = Meter(folder)
        meter.start()
        assert meter.how == "not readable" and meter.stop() is None
