"""`snakemake --logger ffrepro`, run for real without a terminal: a line for each finished job, failures in full."""

import subprocess
import sys

import pytest

SNAKEFILE = """
rule all:
    input: [f"out/{i}.txt" for i in range(3)], "late.txt"
rule make_one:
    output: "out/{i}.txt"
    log: "logs/{i}.log"
    shell: "touch {output} > {log} 2>&1"
rule break_one:
    output: "broken.txt"
    log: "logs/broken.log"
    shell: "for i in $(seq 40); do echo said $i; done > {log} 2>&1; exit 3"
rule late:
    input: "broken.txt"
    output: "late.txt"
    shell: "touch {output}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workflow")
    (folder / "Snakefile").write_text(SNAKEFILE)
    return folder


def run(folder, *options):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", "--logger", "ffrepro", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.pipeline
def test_a_line_for_each_job_and_the_whole_story_of_a_failed_one(folder):
    code, lines = run(folder, "--dry-run")
    assert code == 0
    assert [line for line in lines if line.startswith("[")] == [] and lines[0].startswith("6 jobs: ")

    code, lines = run(folder)
    assert code == 1
    finished = [line for line in lines if line.startswith("[")]
    assert [line.split("]")[0] for line in finished] == ["[1/6", "[2/6", "[3/6"]
    assert sorted(line.split()[-2:] for line in finished) == [["make_one", str(i)] for i in range(3)]
    begin = lines.index("FAILED  break_one")
    told = lines[begin + 1 : begin + 18]
    assert told[0].split()[0] == "logs/broken.log"
    assert [line.strip() for line in told[1:16]] == [f"said {i}" for i in range(26, 41)]
    command = "for i in $(seq 40); do echo said $i; done"
    assert command in told[16]
    assert lines[-1].startswith("  break_one: ") and command in lines[-1]
    assert len(lines) < 30 and max(map(len, lines)) < 300
    assert not (folder / "late.txt").exists()
