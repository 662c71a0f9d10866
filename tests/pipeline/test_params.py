"""Mistakes in params.yaml: each names its key and line, what was meant, and nothing is hidden behind the first."""

from pathlib import Path

import pytest
import yaml

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import params, schema

MINI = Path(__file__).parent / "mini"
STUDY = "src/ffrepro/studies/paper_a/study.yaml"


def problem(project):
    with pytest.raises(FfreproError) as caught:
        params.load(project)
    return caught.value


def test_the_small_project_is_valid(project):
    loaded = params.load(project)
    assert loaded.raw["papers"]["paper_a"]["tables"] == ["table1", "table2"]
    assert loaded.scale(None) == "smoke" and loaded.scale("lite") == "lite"
    with pytest.raises(FfreproError, match="unknown scale 'light'"):
        loaded.scale("light")


def test_a_misspelt_setting_names_its_path_line_and_neighbour(project, edit):
    edit("theta: {value: 7.0", "thetta: {value: 7.0")
    error = problem(project)
    assert error.what == "unknown setting 'thetta'"
    line = 1 + (project / STUDY).read_text().splitlines().index(
        '      thetta: {value: 7.0, source: "paper, Sec. 3.6.3"}'
    )
    assert error.where == f"variants.ff_std.set.thetta ({STUDY}, line {line})"
    assert error.fix.startswith("Did you mean 'theta'? Available: ")


@pytest.mark.parametrize(
    ("old", "new", "where", "what", "fix"),
    [
        ("scale: smoke\nhardware", "scale: smok\nhardware", "scale", "unknown scale 'smok'", "'smoke'"),
        ("hardware: [cpu]", "hardware: [cpuu]", "hardware[0]", "unknown hardware profile 'cpuu'", "'cpu'"),
        ("mirror: null", "mirrror: null", "mirrror", "unknown key 'mirrror'", "'mirror'"),
        ("jobs: 3, ", "", "hardware_profiles.h200.jobs", "this key is missing", "add 'jobs'"),
        ("jobs: 3", "jobs: 1.5", "hardware_profiles.h200.jobs", "expected a whole number, at least 1; found 1.5", ""),
        ("jobs: 3", "jobs: 3.0", "hardware_profiles.h200.jobs", "expected a whole number, at least 1; found 3.0", ""),
        ("seeds: 3", "seeds: true", "scales.lite.seeds", "found True (true or false)", ""),
        ("source: upstream", "source: upstrem", "scales.lite.source", "unknown value 'upstrem'", "'upstream'"),
        ("datasets: [mcyt]", "datasets: [mcty]", "theta.datasets[0]", "unknown data set 'mcty'", "'mcyt'"),
        ("variants: [ff_std]", "variants: [ff_sdt]", "theta.variants[0]", "unknown variant 'ff_sdt'", "'ff_std'"),
        ("tables: [table2]", "tables: [tabel2]", "bench.tables[0]", "unknown table 'tabel2'", "'table2'"),
        ("bench: rnn", "bench: rn", "experiments.bench.bench", "unknown bench 'rn'", "'rnn'"),
        ("    method: ff_rnn\n", "    method: ff_rn\n", "variants.ff_std.method", "unknown method 'ff_rn'", "'ff_rnn'"),
        ("    smoke:\n", "    smokey:\n", "settings.scales.smokey", "unknown scale of this paper", "'smoke'"),
        ("[dollar, mcyt]\n          set", "[mycyt]\n          set", "when[0].dataset", "unknown dataset", "'mcyt'"),
        ("- method: ff_rnn", "- metod: ff_rnn", "as_published.when[0].metod", "unknown key 'metod'", "'method'"),
        ("    backprop_rnn:\n", "    backprop_rn:\n", "methods.backprop_rn", "unknown method", "'backprop_rnn'"),
        (
            "theta: {value: 7.0",
            "when: [{method: backprop_rnn, set: {theta: {value: 7.0, source: x}}}]\n      theta: {value: 7.0",
            "variants.ff_std.set.when[0].set",
            "no variant that this block is for has this method",
            "",
        ),
        (
            "    backprop_rnn:\n",
            "    backprop_rnn:\n      when: [{method: ff_rnn, set: {lr: {value: 1.0, source: x}}}]\n",
            "methods.backprop_rnn.when[0].method",
            "the block around it is for another method",
            "",
        ),
        ("treatments: [corrected, as", "treatments: [corected, as", "rnn.treatments[0]", "'corected'", "'corrected'"),
        ("rnn:\n    extends: training", "rnn:\n    extends: traning", "rnn.extends", "unknown group", "'training'"),
        ("kind: bench\n", "kind: bench\n    extends: bench\n", "bench.extends", "unknown group 'bench'", ""),
        ("    label: FF\n", "    label: FF\n    extends: bpttt\n", "ff_std.extends", "unknown variant", "'bptt'"),
        ("    label: FF\n", "    label: FF\n    extends: ff_std\n", "ff_std.extends", "'ff_std' extends itself", ""),
        ("  training: {", "  training: {extends: training, ", "groups.training.extends", "extends itself", ""),
        ("    label: FF\n", "    label: FF\n    experiments: [rn]\n", "experiments[0]", "unknown experiment", "'rnn'"),
        ("studies: [paper_a]", "studies: [paper_b]", "studies[0]", "unknown study 'paper_b'", "'paper_a'"),
        ("inference: ensemble, ", "", "experiments.rnn.inference", "this key is missing", "add 'inference'"),
        ("kind: bench\n", "kind: bench\n    task: classify\n", "experiments.bench.task", "unknown key 'task'", ""),
        ("hardware: [cpu]", "hardware: cpu", "hardware", "at least 1 entries; found 'cpu' (text)", "a list: [cpu]"),
        (
            "{value: 0.001",
            "{value: 1e-3",
            "defaults.lr.value",
            "found '1e-3' (text); YAML reads it as text",
            "training",
        ),
        (
            "{value: 96",
            "{value: 96.0",
            "defaults.hidden.value",
            "expected a whole number, at least 1; found 96.0",
            "net.rnn",
        ),
        ("value: standardize", "value: standard", "norm.value", "expected one of rms, standardize; found", "ff_rnn"),
        (', source: "scale smoke"', "", "max_epochs.source", "this key is missing", "add 'source'"),
        ("grid: {theta:", "grid: {teta:", "experiments.theta.grid.teta", "unknown setting 'teta'", "'theta'"),
        ("grid: {theta:", "grid: {clip_norm:", "theta.grid.clip_norm", "'clip_norm' is no setting of ff_std", ""),
        ("theta: [0.5, 2.0]", "theta: [0.5, 0.0]", "theta.grid.theta.value", "above 0; found 0.0", ""),
        ("kind: train,", "kind: trian,", "training.kind", "'trian'", "'train'"),
        ("  theta:\n", "  Theta-A:\n", "experiments.Theta-A", "'Theta-A' is no name", "a-z"),
    ],
)
def test_one_mistake_one_message(project, edit, old, new, where, what, fix):
    edit(old, new)
    error = problem(project)
    file = "params.yaml" if old in (MINI / "params.yaml").read_text() else STUDY
    assert f"{where} ({file}, line " in error.where
    assert what in str(error)
    assert fix in str(error)


def test_a_key_that_many_runs_share_is_reported_once(project, edit):
    edit("{value: 0.001", "{value: -0.001")
    assert problem(project).what == "expected a number, above 0; found -0.001 (a number)"


def test_a_missing_setting_says_who_needs_it_and_what_it_may_be(project, edit):
    edit('      clip_norm: {value: 1.0, source: "released code"}', '      lr: {value: 0.1, source: "x"}')
    error = problem(project)
    assert "no block sets 'clip_norm' (method.backprop_rnn), which rnn_dollar_corrected/bptt" in str(error)
    assert "a number, above 0" in str(error)


def test_a_setting_in_a_block_for_runs_without_it_is_refused(project, edit):
    edit("      clip_norm: {value: 1.0", '      theta: {value: 1.0, source: "x"}\n      clip_norm: {value: 1.0')
    error = problem(project)
    assert error.what == "no run that this block is for has the setting 'theta'"
    assert "settings.methods.backprop_rnn.theta" in error.where


def test_cutting_experiments_down_needs_no_change_of_the_settings(project, edit):
    edit("datasets: [dollar, mcyt]\n", "datasets: [mcyt]\n")
    edit("treatments: [corrected, as_published]", "treatments: [corrected]")
    edit("    variants: [bptt, ff_std]\n    tables: [table1", "    variants: [bptt]\n    tables: [table1")
    assert params.load(project).raw["papers"]["paper_a"]["experiments"]["rnn"]["variants"] == ["bptt"]


def test_a_bench_whose_variants_share_no_batch_is_refused(project, edit):
    edit("      theta: {value: 7.0", "      length: {value: 5, source: x}\n      theta: {value: 7.0")
    error = problem(project)
    assert "the variants of bench bench_dollar_corrected differ in data.length at scale" in str(error)


def test_two_experiments_with_the_same_run_path_are_refused(project, edit):
    edit("  theta:\n    extends", "  rnn_mcyt:\n    extends")
    edit(
        "  rnn:\n    extends: training\n    datasets: [dollar, mcyt]",
        "  rnn:\n    extends: training\n    datasets: [dollar]",
    )
    edit("datasets:\n  dollar", "datasets:\n  mcyt_mcyt: {archive: trajectories, family: trajectories}\n  dollar")
    edit(
        "datasets: [dollar]\n    treatments: [corrected, as_published]",
        "datasets: [mcyt_mcyt]\n    treatments: [corrected]",
    )
    edit("    grid: {theta: [0.5, 2.0]}\n", "")
    error = problem(project)
    assert error.what == "rnn_mcyt_mcyt_corrected/ff_std is a run of paper_a.rnn too"


def test_all_problems_are_reported_at_once(project, edit):
    edit("{value: 0.001", "{value: fast")
    edit("{value: 96", "{value: -1")
    edit("value: standardize", "value: 3")
    error = problem(project)
    assert error.what == f"{STUDY} has 3 problems"
    for key in ("defaults.lr.value", "defaults.hidden.value", "set.norm.value"):
        assert key in error.where
    assert error.where.count(f"({STUDY}, line ") == 3


def test_at_most_ten_are_shown_and_the_rest_counted(project):
    path = project / "params.yaml"
    extra = "".join(f"wrong_{n}: 1\n" for n in range(13))
    path.write_text(path.read_text() + extra)
    error = problem(project)
    assert error.what == "params.yaml has 13 problems"
    assert error.where.count("(params.yaml, line ") == 10 and error.where.endswith("... and 3 more")


def test_a_syntax_error_names_its_line(project, edit):
    edit("hardware: [cpu]", "hardware: [cpu")
    error = problem(project)
    assert error.what.startswith("params.yaml is not valid YAML: ")
    assert error.where.endswith("params.yaml:3")


def test_a_key_given_twice_is_an_error_not_the_last_one(project, edit):
    edit("mirror: null", "mirror: null\nscale: lite")
    error = problem(project)
    assert error.what == "scale is given twice, in lines 1 and 4"


def test_a_missing_file_says_where_to_go(tmp_path):
    with pytest.raises(FfreproError, match=r"params\.yaml is missing") as caught:
        params.load(tmp_path)
    assert "project's folder" in caught.value.fix


@pytest.mark.parametrize("declared", ['{"length": number_of("steps")}', '{"length": open("secret")}', "{**nowhere}"])
def test_settings_that_cannot_be_read_without_importing_are_refused(project, declared):
    file = project / "src/ffrepro/data/trajectories_task.py"
    file.write_text(f"\nSETTINGS = {declared}\n\n\nclass Task:\n    pass\n")
    error = problem(project)
    assert error.where == f"{file}:2"


def test_the_mirror_can_be_read_without_checking_the_rest(project, edit, tmp_path):
    assert params.mirror(project) is None
    edit("mirror: null", "mirror: /data/mirror\nnonsense: 1")
    assert params.mirror(project) == "/data/mirror"
    assert params.mirror(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-5", 1e-5), ("1.25E-7", 1.25e-7), ("1e16", 1e16), ("96", 96), ("-3", -3), (".5", 0.5), ("7.0", 7.0)],
)
def test_a_number_in_words_comes_with_what_yaml_reads_as_that_number(text, number):
    written = schema.found(text).removeprefix(f"found {text!r} (text); YAML reads it as text, write ")
    read = yaml.safe_load(written.removesuffix(" without quotes"))
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize("text", ["cpu", "nan", "inf", ""])
def test_a_word_is_no_number(text):
    assert schema.found(text) == f"found {text!r} (text)"
