"""The numbers in docs/ortiz2025_advancements.md's "What came out", against the committed records."""

import json
import statistics

import pytest

from ffrepro.claims import load, reference

PAGE = "docs/ortiz2025_advancements.md"


@pytest.fixture(scope="module")
def tables(project_root):
    """Rows of the section's tables, by the first words of their heads."""
    section = (project_root / PAGE).read_text().split("\n## What came out\n")[1].split("\n## ")[0]
    found, head = {}, None
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = cells[0]
            found[head] = []
        elif not set(line) <= set("|- :"):
            found[head].append(cells)
    return found


@pytest.fixture(scope="module")
def records(project_root):
    """A function from `hardware/experiment/variant` to the runs' folders at scale paper."""

    def find(name):
        return sorted((project_root / reference.FOLDER / "paper" / name.strip("`")).glob("seed*"))

    return find


def percent(folders, metric):
    """Mean ± std over runs of an error, as the page prints them; an accuracy is turned into one."""
    values = [100 * json.loads((folder / "result.json").read_text())["metrics"][metric] for folder in folders]
    values = [100 - value if "accuracy" in metric else value for value in values]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


def test_test_errors(project_root, tables, records):
    """Every committed variant of scale paper has a row, its cells are what the records say, and the last one is what
    the claims say was published for the same net and data."""
    measured = [c for c in load.load(project_root, "ortiz2025_advancements").claims.values() if c["kind"] == "measured"]
    for name, n, multi, one, bp, printed in tables["run"]:
        _, experiment, variant = name.strip("`").split("/")
        published = {
            c["measure"]["metric"]: str(c["value"])
            for c in measured
            if c["where"] in ("Table I", "Table II", "Table IV")
            and (c["measure"]["variant"], c["measure"]["dataset"]) == (variant, experiment.split("_")[1])
        }
        if published:
            pair = f"{published['test/error_multi_pass']}, {published['test/error_one_pass']}"
            assert printed.removesuffix(" (300 epochs)") == pair, name
        else:
            assert experiment == "hinton_mnist_as_published", name
        folders, net = records(name), name.strip("`").rsplit("_", 1)[0]
        seeds = [folder.name for folder in folders]
        twins = [folder for folder in records(f"{net}_bp") if folder.name in seeds]
        assert int(n) == len(folders) == len(twins), name
        assert multi == percent(folders, "test/error_multi_pass"), name
        assert one == percent(folders, "test/error_one_pass"), name
        assert bp == percent(twins, "test/error"), name


def test_no_variant_is_passed_over(project_root, tables):
    root, trained = project_root / reference.FOLDER / "paper", set()
    for data in ("mnist", "cifar10"):
        paths = root.glob(f"*/*_{data}_*/*/seed*/result.json")
        trained |= {path.parents[1].relative_to(root).as_posix() for path in paths}
    trained = {name for name in trained if not name.endswith(("_bp", "interleaved"))}
    assert trained == {row[0].strip("`") for row in tables["run"]}


def test_errors_of_the_mlp_by_epoch(tables, records):
    """Validation errors of Table I's MLP, mean over seeds."""
    folders = records("cpu/original_mnist_as_published/mlp_ff")
    for epoch, *cells in tables["epoch"]:
        lines = [json.loads((folder / "metrics.jsonl").read_text().splitlines()[int(epoch) - 1]) for folder in folders]
        assert {line["epoch"] for line in lines} == {int(epoch)}
        errors = [
            [
                line["val/error_multi_pass"],
                1 - line["val/accuracy_layer1"],
                line["val/error_one_pass"],
                line["val/error_one_pass_all"],
            ]
            for line in lines
        ]
        assert cells == [f"{100 * statistics.fmean(column):.1f}" for column in zip(*errors, strict=True)], epoch


@pytest.mark.parametrize(
    ("table", "experiments", "data"), [("ablation", "ablation_*", "cifar10"), ("variant", "variants*", "mnist")]
)
def test_runs_at_scale_lite(project_root, tables, table, experiments, data):
    """Every run has a row, backpropagation's in a column of its own, and the rows go from the least error up."""
    root, expected = project_root / reference.FOLDER / "lite/cpu", []
    for path in root.glob(f"{experiments}_{data}_as_published/*/seed0/result.json"):
        metrics = json.loads(path.read_text())["metrics"]
        cells = [
            f"{100 * metrics[name]:.1f}" if name in metrics else "–"
            for name in ("test/error_multi_pass", "test/error_one_pass")
        ]
        experiment, variant = path.parts[-4].removesuffix(f"_{data}_as_published"), path.parts[-3]
        trained = json.loads((path.parent / "run.json").read_text())["plan"]["method"]["name"]
        cells = ["–", "–", f"{100 * metrics['test/error']:.1f}"] if trained == "backprop" else [*cells, "–"]
        expected.append((metrics["test/error"], [f"`{experiment}/{variant}`", *cells]))
    assert len(expected) > 15
    assert tables[table] == [row for _, row in sorted(expected)]


def test_errors_by_what_is_read(tables, records):
    assert len(tables["read"]) == 3
    for name, *cells in tables["read"]:
        readouts = [percent(records(name), f"test/error_one_pass{part}") for part in ("_all", "", "_last_1")]
        assert cells[:3] == readouts, name
        layers = [cell for cell in cells[3:] if cell != "–"]
        assert layers == [percent(records(name), f"test/accuracy_layer{i}") for i in range(len(layers))], name
        assert len(layers) == (2 if "mlp" in name else 3)


def test_numbers_in_the_prose(project_root, records):
    section = " ".join((project_root / PAGE).read_text().split())
    lines = [
        json.loads(line)
        for folder in records("cpu_bf16/original_mnist_as_published/cnn_ff")
        for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    least = min(line["val/error_one_pass"] for line in lines)
    assert f"has a validation error below {100 * least:.1f} % by one-pass inference" in section
    at = project_root / reference.FOLDER / "lite/cpu/variants_mnist_as_published/cnn_ff/seed0/result.json"
    error = json.loads(at.read_text())["metrics"]["test/error_one_pass_all"]
    assert f"Table I's CNN on {100 * error:.1f} %" in section


def test_times_of_inference(project_root, tables):
    """Ratios of the inference bench's records, and the seconds that the claims say were published."""
    claims = load.load(project_root, "ortiz2025_advancements").claims.values()
    claims = [c["measure"] | {"value": c["value"]} for c in claims if c.get("quantity") == "inference_ratio"]
    published = {(c["dataset"], c["row"].removesuffix(", multi-pass")): c["value"] for c in claims}
    expected = []
    for data in ("mnist", "cifar10"):
        at = f"paper/cpu/inference_bench_{data}_as_published/interleaved/seed0/result.json"
        rows = {row["name"]: row for row in json.loads((project_root / reference.FOLDER / at).read_text())["rows"]}
        for net in (name.removesuffix(", BP") for name in rows if name.endswith(", BP")):
            ratios = [
                rows[f"{net}, {scheme}{fed}"][ratio]
                for fed in ("", ", singly")
                for scheme, ratio in (("one-pass", "ratio_to_bp"), ("multi-pass", "ratio_to_one_pass"))
            ]
            cells = [f"{ratio:.2f}" for ratio in ratios]
            expected.append([f"`{data}/{net}`", *cells, published.pop((data, net), "–")])
    assert not published
    assert tables["net"] == expected
