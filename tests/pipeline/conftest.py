"""A small project in a temporary folder, and records of runs that it finished."""

import pytest
from helpers import small_project, true_record
from helpers.fixtures import chosen_numbers  # noqa: F401
from helpers.small_project import STUDY

from ffrepro.pipeline import hardware


@pytest.fixture(autouse=True)
def a_cpu_machine(monkeypatch):
    """The tests' machine has no GPU, whatever they run on."""
    machine = hardware.Machine("Test CPU")
    monkeypatch.setattr(hardware, "this_machine", lambda: machine)


@pytest.fixture
def project(tmp_path):
    """The small project's folder."""
    return small_project.make(tmp_path)


@pytest.fixture
def edit(project):
    """Replace text in one of the project's files, once and only once: in params.yaml, else the study, or ``file``."""

    def replace(old, new, file=None):
        file = file or ("params.yaml" if old in (project / "params.yaml").read_text() else STUDY)
        path = project / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    return replace


@pytest.fixture
def finish(project):
    """Leave the record of a finished run, as training does."""

    def write(plan, accuracy=0.75, seconds=10.0, folder="runs"):
        target = project / folder / plan["run"]
        target.mkdir(parents=True, exist_ok=True)
        for name, content in true_record.files_of(plan, accuracy, seconds).items():
            (target / name).write_bytes(content)
        return target

    return write
