"""The code digest: cosmetic edits leave it alone, edits that could move a number do not."""

import textwrap

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import digest as digests
from ffrepro.pipeline.digest import CodeDigest

PLAN = {
    "kind": "train",
    "dataset": "mcyt",
    "data": {"name": "trajectories"},
    "method": {"name": "ff_rnn"},
    "net": {"name": "rnn"},
}
BENCH = {
    "kind": "bench",
    "paper": "paper_a",
    "dataset": "dollar",
    "data": {"name": "trajectories"},
    "bench": {"name": "rnn"},
    "variants": {
        "bptt": {"method": {"name": "backprop_rnn"}, "net": {"name": "rnn"}},
        "ff": {"method": {"name": "ff_rnn"}, "net": {"name": "rnn"}},
    },
}


@pytest.fixture
def digest(project):
    """The digest of a plan as the code stands now."""
    return lambda plan=PLAN: CodeDigest(project / "src").for_plan(plan)


@pytest.fixture
def write(project):
    """Overwrite a module."""
    return lambda name, text: (project / "src/ffrepro" / name).write_text(text)


def test_roots_of_a_run_and_of_a_bench(project, write):
    roots = CodeDigest(project / "src").roots
    assert roots(PLAN) == [
        "ffrepro.data.trajectories_task",
        "ffrepro.methods.ff_rnn",
        "ffrepro.nets.rnn",
        "ffrepro.training.loop",
    ]
    assert roots(BENCH) == [
        "ffrepro.data.trajectories_task",
        "ffrepro.methods.backprop_rnn",
        "ffrepro.methods.ff_rnn",
        "ffrepro.nets.rnn",
        "ffrepro.training.bench_rnn",
        "ffrepro.training.memory",
    ]
    write("studies/paper_a/bench_rnn.py", "from ffrepro.training import loop\n")
    assert "ffrepro.studies.paper_a.bench_rnn" in roots(BENCH)  # the study's own comes first


def test_the_closure_follows_absolute_and_relative_imports_but_not_base(project):
    assert CodeDigest(project / "src").closure(CodeDigest(project / "src").roots(PLAN)) == [
        "ffrepro.core",
        "ffrepro.core.goodness",
        "ffrepro.data",
        "ffrepro.data.trajectories_task",
        "ffrepro.methods",
        "ffrepro.methods.ff_rnn",
        "ffrepro.nets",
        "ffrepro.nets.rnn",
        "ffrepro.training",
        "ffrepro.training.loop",
    ]


def test_comments_docstrings_and_layout_do_not_count(digest, write):
    before = digest()
    text = """
        '''Goodness.'''

        # squares
        def goodness(x):
            '''Sum.'''

            return (
                x * x
            ).sum()
    """
    write("core/goodness.py", textwrap.dedent(text))
    assert digest() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core/goodness.py", "def goodness(x):\n    return (x * x).mean()\n"),
        ("core/goodness.py", "def goodness(y):\n    return (y * y).sum()\n"),
        ("training/loop.py", "from ffrepro.base.errors import FfreproError\n\nEPSILON = 1e-4\n"),
        ("training/loop.py", "EPSILON = 1e-5\n'text'\n"),
        ("data/trajectories_task.py", "class Task:\n    x = 1\n"),
        ("methods/__init__.py", "NEW = 1\n"),
    ],
)
def test_code_counts(digest, write, name, text):
    before = digest()
    write(name, text)
    assert digest() != before


@pytest.mark.parametrize(
    "name",
    [
        "base/errors.py", "methods/backprop_rnn.py", "data/dollar.py", "data/mcyt.py", "data/trajectories.py",
        "claims/load.py", "__init__.py",
    ],
)  # fmt: skip
def test_code_that_the_run_does_not_use_does_not_count(digest, write, name):
    before = digest()
    write(name, "CHANGED = 1\n")
    assert digest() == before


def test_a_function_made_of_a_docstring_alone_is_not_another_one(digest, write):
    write("nets/rnn.py", 'def read():\n    """Read."""\n')
    before = digest()
    write("nets/rnn.py", 'def read():\n    """Read it all."""\n')
    assert digest() == before
    write("nets/rnn.py", "def read():\n    return 'Read.'\n")
    assert digest() != before


def test_a_bench_depends_on_every_method_it_times(digest, write):
    before = digest(BENCH)
    write("methods/backprop_rnn.py", "class Method:\n    x = 1\n")
    assert digest(BENCH) != before


def test_a_missing_module_is_named_with_its_neighbour(project):
    with pytest.raises(FfreproError, match=r"module ffrepro\.methods\.ff_rn does not exist") as caught:
        CodeDigest(project / "src").for_plan(PLAN | {"method": {"name": "ff_rn"}})
    assert caught.value.fix == "did you mean 'ff_rnn'?"


def test_a_module_that_does_not_parse_is_named_with_its_line(project, write):
    write("core/goodness.py", "x = 1\ndef goodness(:\n")
    with pytest.raises(FfreproError, match=r"goodness\.py does not parse") as caught:
        CodeDigest(project / "src").for_plan(PLAN)
    assert str(caught.value.where).endswith("core/goodness.py:2")


def test_files_of_a_closure(project):
    assert CodeDigest(project / "src").files(["ffrepro.data.mcyt"]) == [
        "ffrepro/data/__init__.py",
        "ffrepro/data/mcyt.py",
        "ffrepro/data/trajectories.py",
    ]


def test_declarations_of_settings_do_not_count(digest, edit):
    before = digest()
    edit(
        'number("threshold", above=0)',
        'number("the threshold", 2.0, above=0, below=50)',
        "src/ffrepro/methods/ff_rnn.py",
    )
    assert digest() == before


NO_NUMBERS = ["data/npz.py", "data/progress.py"]
NO_NUMBERS += [f"training/{name}.py" for name in ("facts", "memory", "method_versions", "progress", "record")]


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_modules_that_touch_no_number_do_not_count_though_they_are_used(digest, write, name):
    module = name.removesuffix(".py").replace("/", ".")
    write("training/loop.py", f"import ffrepro.{module}\n")
    write(name, "from ffrepro.data import dollar\n")
    before = digest()
    write(name, "from ffrepro.data import mcyt\n")
    assert digest() == before


def test_a_bench_depends_on_how_memory_is_measured(digest, write):
    write("training/memory.py", "PEAK = 1\n")
    before = digest(BENCH)
    write("training/memory.py", "PEAK = 2\n")
    assert digest(BENCH) != before


def test_every_module_that_does_not_count_is_there(project_root):
    for name in digests._NO_NUMBERS:
        path = project_root / "src" / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_the_code_of_a_real_run_is_what_computes(project_root):
    plan = PLAN | {"dataset": "mnist", "data": {"name": "images"}, "method": {"name": "ff"}, "net": {"name": "mlp"}}
    code = CodeDigest(project_root / "src")
    found = set(code.closure(code.roots(plan)))
    assert {f"ffrepro.{name}" for name in ("core.losses", "data.images_task", "training.trainer")} < found
    assert {name.split(".")[1] for name in found} == {"core", "data", "methods", "nets", "training"}
