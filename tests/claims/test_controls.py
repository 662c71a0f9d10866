"""No number of a run's quality is shown whose controls have no run."""

from types import SimpleNamespace

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.claims import check, compare, controls, docs_tables, load, verdict
from ffrepro.claims.docs_sources import Sources
from ffrepro.claims.records import Evidence, Store

PAPER = "chikhachev2025_rnn"


@pytest.fixture
def detector(world):
    """FF-Std and BPTT on MCYT at scale lite, with a boosted-tree control declared for their experiment."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for variant in ("bptt", "ff_std"):
        world.commit_records(world.find("rnn_mcyt_corrected", variant), accuracy=0.8, auc=0.9, epochs=40)
    claims = world.claims()
    claims.content["controls"] = {"rnn": [{"variant": "ff_rms"}, {"metric": "test/auc"}]}
    return world, claims


def _claim(claims, variant="ff_std", metric="test/accuracy"):
    of = {"dataset": "mcyt", "variant": variant, "metric": metric}
    return next(c for c in claims.claims.values() if c["kind"] == "measured" and of.items() <= c["measure"].items())


def test_a_claim_without_its_controls_has_no_number_and_says_why(detector):
    world, claims = detector
    store = Store(world.root, world.plans, local=False)
    cell = compare.compare(claims, store, _claim(claims), "corrected", store.best)
    assert cell.summary is None and cell.evidence is None and not cell.companions
    label = claims.label("ff_rms")
    assert str(cell.verdict) == f"{verdict.NOT_RUN}: its controls have no run: {label}"
    measure = _claim(claims)["measure"]
    operand = {"label": "x", "quantity": _claim(claims)["quantity"], **measure}
    assert compare.operand(claims, operand, "corrected", store.best).summary is None

    world.commit_records(world.find("rnn_mcyt_corrected", "ff_rms"), accuracy=0.7, auc=0.8, epochs=40)
    store = Store(world.root, world.plans, local=False)
    for variant in ("ff_std", "ff_rms"):
        assert compare.compare(claims, store, _claim(claims, variant), "corrected", store.best).summary is not None


def test_a_spread_is_the_distance_from_the_median_over_runs(detector):
    world, claims = detector
    world.commit_records(world.find("rnn_mcyt_corrected", "ff_rms"), accuracy=0.7, auc=0.8, epochs=40)
    plans = world.find("rnn_mcyt_corrected", "bptt")
    for plan, accuracy in zip(plans, (0.5, 0.9, 0.6, 0.7, 0.8), strict=False):
        world.commit_records([plan], accuracy=accuracy, auc=0.9, epochs=40)
    store = Store(world.root, world.plans, local=False)
    entry = {"label": "x", "quantity": "accuracy", **_claim(claims, "bptt")["measure"]}
    plain, found = (compare.operand(claims, entry | more, "corrected", store.best) for more in ({}, {"spread": True}))
    middle = sorted(plain.values)[len(plain.values) // 2]
    assert found.seeds == plain.seeds and len(set(plain.values)) == len(plans) == 3
    assert found.values == pytest.approx([abs(value - middle) for value in plain.values])


def test_pages_leave_the_number_out_and_keep_its_time(detector):
    world, claims = detector
    sources = Sources(Store(world.root, world.plans, local=False), claims)
    columns = [{"title": metric, "metric": metric, "digits": 1} for metric in ("test/accuracy", "time/train_s")]
    spec = {"rows": {"runs": ["lite/cpu/rnn_mcyt_corrected/ff_std"]}, "columns": columns}
    ((accuracy, seconds),) = docs_tables.table(sources, spec).rows
    assert accuracy == docs_tables.NO_CONTROLS and seconds[0].isdigit()


def _runs(experiment, variant, treatment="corrected", standin=False, **metrics):
    plan = {"experiment": experiment, "variant": variant, "dataset": "imdb", "protocol": {"treatment": treatment}}
    return Evidence((SimpleNamespace(plan=plan, standin=standin, value=metrics.get),))


def test_which_controls_a_number_needs(project_root):
    """Of a point of a grid the same point; of another treatment as declared; a control and stand-in data none."""
    claims = load.load(project_root, "kim2025_transformer")
    there = {("sentiment_imdb_corrected", "random"), ("scaling_imdb_corrected", "random_train_samples5000")}

    def lacking(metric, runs):
        return controls.missing(claims, metric, runs, lambda *names: _runs(*names) if names in there else None)

    tfidf, frozen = "TF-IDF + logistic regression", "Frozen random transformer"
    assert lacking("test/accuracy", _runs("sentiment_published_imdb_as_published", "ff", "as_published")) == [tfidf]
    there.add(("sentiment_baselines_imdb_corrected", "tfidf"))
    for name, variant in (("sentiment", "ff"), ("sentiment_tuned", "ff_tuned"), ("sentiment_options", "ff_l1")):
        assert lacking("test/accuracy", _runs(f"{name}_imdb_corrected", variant)) == []
    assert lacking("rest/accuracy", _runs("scaling_imdb_corrected", "ff_train_samples5000")) == []
    more = _runs("scaling_imdb_corrected", "ff_train_samples10000")
    assert lacking("rest/accuracy", more) == [f"{frozen}, train samples 10000"]
    assert lacking("time/train_s", more) == lacking("bench/ratio_to_bp", more) == []
    assert lacking("test/accuracy", _runs("scaling_imdb_corrected", "random_train_samples24000")) == []
    metrics = {"test/bleu_sacre_copy": 60.0}
    words = _runs("denoise_imdb_corrected", "ff_words", **metrics)
    assert lacking("test/bleu_sacre", words) == [frozen, "test/bleu_sacre_unigram", "test/perplexity_unigram"]
    assert lacking("test/bleu_sacre", _runs("denoise_imdb_corrected", "ff_words", standin=True)) == []


def test_methods_without_gradients_stand_beside_a_frozen_net_of_their_size(project_root):
    """And beside word counts of the words that this net sees; those of the common settings are no control of it."""
    claims = load.load(project_root, "kim2025_transformer")
    there = {("reduced_imdb_corrected", "random"), ("sentiment_baselines_imdb_corrected", "tfidf")}

    def lacking(variant, metric="test/accuracy"):
        runs = _runs("reduced_imdb_corrected", variant)
        return controls.missing(claims, metric, runs, lambda *names: _runs(*names) if names in there else None)

    wanted = [claims.label("random_reduced"), claims.label("tfidf_reduced")]
    for variant in ("bp_reduced", "ff_reduced", "ga_reduced", "es_reduced"):
        assert lacking(variant) == lacking(variant, "val/accuracy") == wanted
        assert lacking(variant, "time/train_s") == []
    there |= {("reduced_imdb_corrected", "random_reduced"), ("reduced_baselines_imdb_corrected", "tfidf_reduced")}
    assert lacking("ga_reduced") == []


def test_every_experiment_with_a_task_has_controls(project_root):
    """Of this paper."""
    claims = load.load(project_root, "kim2025_transformer")
    trained = {name for name, task in claims.content["protocols"].items() if name != task or name == "sentiment"}
    trained |= {"denoise", "causal", "translate"}
    assert "reduced" in trained and trained <= set(claims.content["controls"])


@pytest.mark.parametrize(
    "entry", [{"variant": "ff_stdd"}, {"variant": "bptt", "experiment": "rnns"}, {"variant": "bptt", "treatment": "x"}]
)
def test_what_controls_name_must_exist(world, entry):
    content = world.claims().content | {"controls": {"rnn": [entry]}}
    with pytest.raises(FfreproError):
        check.check(content, "here")
