"""The library's page and examples."""

import json
import re
import runpy
import textwrap

import pytest

from ffrepro import methods
from ffrepro.base.settings import REQUIRED
from ffrepro.core import schedules


def settings_of(page, name):
    """Settings and defaults of the table row that begins with a name."""
    (row,) = re.findall(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
    return dict(re.findall(r"`(\w+)=([^`]*)`", row.split(" | ")[-1]))


@pytest.mark.parametrize("name", [*methods.names(), *schedules.SETTINGS])
def test_the_page_lists_every_setting_with_its_default(name, project_root):
    declared = schedules.SETTINGS[name] if name in schedules.SETTINGS else methods.module(name).SETTINGS
    assert all(declaration.default is not REQUIRED for declaration in declared.values())
    expected = {setting: json.dumps(declaration.default) for setting, declaration in declared.items()}
    assert settings_of((project_root / "docs/LIBRARY.md").read_text(), name) == expected


EXAMPLES = {
    "fit_your_data": r"ff\s+test accuracy 0\.[89]",
    "wrap_your_model": r"test accuracy 0\.[6-9]",
    "own_module": r"loaded: 0\.[6-9]",
    "kinematics": r"SNR [2-9]\d\.\d",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, project_root, capsys):
    runpy.run_path(str(project_root / "examples" / f"{name}.py"), run_name="__main__")
    assert re.search(EXAMPLES[name], capsys.readouterr().out)


def test_the_pages_first_programs_run(project_root):
    """As they stand there, each by itself; the one of several processes is a script's."""
    page = (project_root / "docs/LIBRARY.md").read_text()
    programs = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "__main__" not in code]
    assert len(programs) == 2
    readme = (project_root / "README.md").read_text()
    programs += [
        textwrap.dedent(code) for code in re.findall(r"^    import ffrepro .*\n(?:    .*\n|\n)*", readme, re.M)
    ]
    assert len(programs) == 3
    for code in programs:
        names = {}
        exec(compile(code, "a page of the documentation", "exec"), names)
        assert names["learner"].history


def test_every_example_is_run(project_root):
    assert {path.stem for path in (project_root / "examples").glob("*.py")} == set(EXAMPLES)


def test_the_readme_shows_the_example(project_root):
    code = (project_root / "examples/fit_your_data.py").read_text().split('"""\n\n', 1)[1]
    shown = (project_root / "README.md").read_text()
    assert all(line.strip() in shown for line in code.splitlines())
