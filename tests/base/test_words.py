"""Plans and records with older words are read as if they had been written today."""

from ffrepro.base import words
from ffrepro.base.plans import migrate, protocol, result_hash


def plan(**parts):
    return {
        "schema": 2, "run": "lite/cpu/some_mnist_corrected/one/seed0", "kind": "train", "paper": "p", "variant": "one",
        "data": {"name": "images"}, "method": {"name": "cwc"}, "training": {"schedule": "plateau"}, "origin": {},
        "tags": {}, "protocol": {"inference": "one_pass"}, **parts,
    }  # fmt: skip


def test_settings_of_a_method_are_renamed_with_their_sources():
    old = plan(method={"name": "cwc", "learns": [], "share": 0.5}, origin={"method.share": "paper", "data.share": "x"})
    new = plan(method={"name": "cwc", "layer_epochs": [], "mixing_weight": 0.5})
    assert migrate(old)["method"] == new["method"] | {"ilt_patience": None, "negative_goodness": "sum"}
    assert migrate(old)["origin"] == {"method.mixing_weight": "paper", "data.share": "x"}
    assert protocol(old) == protocol(new)
    assert result_hash(old) != result_hash(new)  # hashes of files are of what was written


def test_settings_that_came_later_have_the_value_of_what_was_before():
    old = plan(method={"name": "sff", "goodness": "mean"})
    later = {"aux_sharing": "none", "aux_keep": 1.0, "coarse_blocks": 0}
    assert migrate(old)["method"] == {"name": "sff", "goodness": "mean", **later}
    stated = plan(method={"name": "sff", "goodness": "mean", **later, "aux_keep": 0.5})
    assert migrate(stated) == stated
    bench = {"kind": "bench", "variants": {"a": {"method": {"name": "cwc_blocks"}}}}
    assert migrate(bench)["variants"]["a"]["method"] == {"name": "cwc_blocks", "coarse_blocks": 0}
    net = {"name": "vision", "model": "resnet18"}
    assert migrate(plan(net=net))["net"] == {**net, "norm_momentum": "own"}
    assert migrate(plan(net={**net, "norm_momentum": "tenth"}))["net"]["norm_momentum"] == "tenth"


def test_settings_of_a_bench_are_renamed_in_each_variant():
    old = {
        "kind": "bench",
        "variants": {"a": {"method": {"name": "ff", "share": 1}}},
        "origin": {"variants.a.method.share": "s"},
    }
    new = migrate(old)
    added = {"first_layer": "separate", "top_share": 0.05}  # later settings
    assert new["variants"]["a"]["method"] == {"name": "ff", "mixing_weight": 1, **added}
    assert new["origin"] == {"variants.a.method.mixing_weight": "s"}


def test_multi_pass_inference_of_channel_groups_is_goodness():
    old = plan(protocol={"inference": "multi_pass"})
    assert migrate(old)["protocol"] == {"inference": "goodness"}
    assert words.translate_names(old, {"test/error_multi_pass": 0.1, "test/error": 0.1, "epoch": 3}) == {
        "test/error_goodness": 0.1,
        "test/error": 0.1,
        "epoch": 3,
    }
    other = plan(method={"name": "ff"}, protocol={"inference": "multi_pass"})
    assert migrate(other)["protocol"] == {"inference": "multi_pass"}
    assert words.translate_names(other, {"test/error_multi_pass": 0.1}) == {"test/error_multi_pass": 0.1}


def test_a_fit_is_a_sklearn_baseline_with_a_classifier():
    old = {"kind": "fit", "fit": {"name": "gbt", "leaves": 3}, "origin": {"fit.leaves": "paper"}}
    assert migrate(old) == {
        "kind": "sklearn_baseline",
        "classifier": {"name": "gbt", "leaves": 3},
        "origin": {"classifier.leaves": "paper"},
    }


def test_a_renamed_variant_is_read_under_its_new_name_and_found_under_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/renamed.json").write_text('{"variants": {"zero": "p_one"}}')
    monkeypatch.setattr(words.studies, "FOLDER", tmp_path)
    words._variants.cache_clear()
    old = plan(variant="zero", run="lite/cpu/some_mnist_corrected/zero/seed0")
    new = plan(variant="p_one", run="lite/cpu/some_mnist_corrected/p_one/seed0")
    assert migrate(old) == migrate(new) and migrate(new)["variant"] == "p_one"
    assert words.older_runs(new) == [old["run"]]
    assert migrate(old | {"paper": "other"})["run"] == old["run"]  # another paper's variant
    words._variants.cache_clear()


def test_translating_twice_changes_nothing_and_the_original_stays():
    old = plan(method={"name": "cwc", "learns": []})
    assert migrate(migrate(old)) == migrate(old)
    assert old["method"] == {"name": "cwc", "learns": []}


def test_values_of_unexpected_types_are_left_to_those_who_check():
    wrong = {
        "kind": [],
        "paper": 3,
        "variant": {},
        "run": None,
        "method": 1,
        "variants": [],
        "origin": "",
        "protocol": [],
    }
    assert words.translate(wrong) == wrong
    assert migrate(wrong | {"schema": 1, "data": 3})["data"] == 3
