"""Sentences and their translations: files, ids, what is asked where, and greedy translations."""

import gzip
import io
import math
import tarfile

import numpy as np
import pytest
import torch
from helpers.method_cases import WORD_CASES
from helpers.plans import prepare_standin

from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError
from ffrepro.base.files import sha256_file, write_json
from ffrepro.data import corpus, multi30k, translations
from ffrepro.data.translations_task import Task
from ffrepro.data.vocabulary import SPECIAL

SETTINGS = {"train_samples": 100, "split_seed": "run", "length": 10, "vocabulary": 50}
NET = {
    "name": "encoder_decoder", "layers": 2, "width": 16, "heads": 2, "feedforward": 16, "activation": "relu",
    "dropout": 0.1, "positions": "learnt", "embedding_std": 0.1,
}  # fmt: skip
METHODS = {
    name: settings | ({"negatives": "random"} if name == "ff_words" else {}) for name, settings in WORD_CASES.items()
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = prepare_standin(tmp_path_factory.mktemp("d"), "multi30k")
    return translations.load(folder / "standin/multi30k.npz", verify=True)


@pytest.fixture(scope="module")
def task(data):
    return Task(data, SETTINGS, 0, 16, "cpu", torch.float32)


def archive(folder, files, top="dataset-master"):
    """An archive of lines; ``files``: name -> bytes, unpacked."""
    path = folder / "multi30k-task1-en-de.tar"
    with tarfile.open(path, "w") as tar:
        for name, lines in files.items():
            content = gzip.compress(lines, mtime=0)
            info = tarfile.TarInfo(f"{top}/data/task1/raw/{name}.gz")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    record = {
        "archive": "multi30k_task1", "file": path.name, "source": "upstream", "from": "mirror", "location": path.name,
        "sha256": sha256_file(path), "bytes": path.stat().st_size, "provenance": "a test", "fetched": None,
    }  # fmt: skip
    write_json(path.with_name(f"{path.name}.json"), record)
    return path


def six(**changed):
    files = {f"{part}.{side}": b"A man.\n" for part in ("train", "val", "test_2016_flickr") for side in ("en", "de")}
    return files | changed


def test_lines_are_pairs_of_lower_cased_words(tmp_path):
    many = {"train.en": b"Two men's dog.\n" * 200 + b"\n", "train.de": "Zwei M\u00e4nner\n".encode() * 200 + b"Leer\n"}
    path = archive(tmp_path, six(**many, **{"train.fr": b"Trois.\n", "test_2017_flickr.en": b"No.\n"}))
    manifest = translations.prepare(multi30k.SPEC, path, out=tmp_path / "multi30k.npz")
    found = translations.load(tmp_path / "multi30k.npz", verify=True)
    assert manifest["counts"] == {"train": 200, "val": 1, "test": 1}
    assert [entry["reason"] for entry in manifest["bad"]] == ["no words"] and manifest["bad"][0]["file"].endswith(
        ":201"
    )
    words = {side: corpus.types_of(getattr(found, side)["types"]) for side in ("source", "target")}
    first = [words["source"][i] for i in found.source["token"][:6]]
    assert first == ["two", "men", "'s", "dog", ".", "two"]
    assert [words["target"][i] for i in found.target["token"][:2]] == ["zwei", "m\u00e4nner"]
    assert found.part.tolist() == [0] * 200 + [1, 2] and len(manifest["warnings"]) == 3


@pytest.mark.parametrize("files", [
    {"val.de": b"Ein Mann.\nEin Hund.\n"},  # lines that have no twin
    {"val.de": b"\xff\n"},
], ids=["lengths", "encoding"])  # fmt: skip
def test_files_that_do_not_fit(tmp_path, files):
    path = archive(tmp_path, six(**files))
    with pytest.raises(FfreproError) as error:
        translations.prepare(multi30k.SPEC, path, out=tmp_path / "multi30k.npz")
    assert error.value.where == path and not (tmp_path / "multi30k.npz").exists()


def test_a_missing_language(tmp_path):
    path = archive(tmp_path, {name: lines for name, lines in six().items() if name != "val.de"})
    with pytest.raises(FfreproError) as error:
        translations.prepare(multi30k.SPEC, path, out=tmp_path / "multi30k.npz")
    assert "val" in error.value.what and "de" in error.value.what


def test_ids_and_what_is_asked(task, data):
    answers, sources, length = task.inputs
    for batch in task.in_order("val"):
        x, target = batch["x"], batch["target"]
        assert target.shape == (len(x), x.shape[1] + 1) and length == 10
        source, begin, own = x[:, :10], x[:, 10], x[:, 11:]
        assert ((source == 0) | (source >= answers + 2)).all() and source.max() < answers + 2 + sources
        assert (begin == answers + 1).all() and own.max() < answers
        assert not target[:, :11].any()
        for row, asked in zip(own, target[:, 11:], strict=True):
            count = int((row != 0).sum())
            assert asked[:count].tolist() == [word if word >= SPECIAL else 0 for word in row[:count].tolist()]
            assert asked[count] == answers and not asked[count + 1 :].any()  # the end
    small, large = (Task(data, SETTINGS | {"train_samples": n}, 3, 16, "cpu", torch.float32) for n in (20, 60))
    assert set(small.index["train"].tolist()) < set(large.index["train"].tolist())


def test_pools_are_the_words_of_either_side(task):
    """Each in the ids of its own side, as often as the training sentences have them."""
    for pool, rows, first in zip(
        task.pools, (task.source_NT, task.target_NT), (task.offset + SPECIAL, SPECIAL), strict=True
    ):
        train = rows[task.index["train"]]
        assert torch.equal(pool.bincount(), train[train >= first].long().bincount()) and len(pool) > 100


def test_fewer_pairs_than_asked_for(data):
    with pytest.raises(FfreproError):
        Task(data, SETTINGS | {"train_samples": 1000}, 0, 16, "cpu", torch.float32)


def test_bleu_is_of_whole_sentences(data):
    """Whoever knows the translations; the source as it is; and the unigram's perplexity by hand."""
    task = Task(data, SETTINGS | {"vocabulary": 80}, 0, 16, "cpu", torch.float32)
    known = {tuple(row.tolist()): own for row, own in zip(task.source_NT, task.target_NT, strict=True)}

    class Knows:
        def next_word(self, x_BT):
            own = torch.stack([known[tuple(row[:10].tolist())] for row in x_BT]).long()
            place = x_BT.shape[1] - 11
            word = own[:, place] if place < own.shape[1] else torch.zeros(len(own), dtype=torch.int64)
            return torch.nn.functional.one_hot(word + (word == 0) * task.end, task.end + 1).float()

    asked = np.concatenate([task.targets(batch)["target"].numpy() for batch in task.in_order("test")])
    found, arrays = task.finish(Knows(), {"test": {"target": asked}})
    assert found["test/bleu_sacre"] == pytest.approx(100) == found["test/bleu_nltk"]
    assert found["test/bleu_sacre_copy"] < 5
    assert len(arrays["test_bleu_index"]) == 40 == len(arrays["test_bleu_stats"])
    share = task.share[asked[asked > 0]]
    assert found["test/perplexity_unigram"] == pytest.approx(math.exp(-np.log(share).mean()))
    assert task.share[task.end] == pytest.approx(100 / (100 + (task.target_NT[task.index["train"]] >= SPECIAL).sum()))


def test_bleu_of_the_most_frequent_word_by_hand(tmp_path):
    """Trained on "ein b", "ein c" and "d e", tested on "ein hund ein katze ein ein": as many words, four of them right.

    An end is more frequent than "ein", and is no word. Of pairs one (ein ein) of five is right, of triples none of
    four, of quadruples none of three: sacrebleu smooths these to 1/2 and 1/4 of a hit.
    """
    train = {"train.en": b"A man.\nA dog.\nA cat.\n", "train.de": b"ein b\nein c\nd e\n"}
    rest = {f"{part}.de": b"ein hund ein katze ein ein\n" for part in ("val", "test_2016_flickr")}
    path = archive(tmp_path, six(**train, **rest))
    translations.prepare(multi30k.SPEC, path, out=tmp_path / "multi30k.npz")
    small = SETTINGS | {"train_samples": None, "vocabulary": 7}
    task = Task(translations.load(tmp_path / "multi30k.npz", verify=True), small, 0, 1, "cpu", torch.float32)

    class Ends:
        def next_word(self, x_BT):
            return torch.nn.functional.one_hot(torch.full((len(x_BT),), task.end), task.end + 1).float()

    asked = np.concatenate([task.targets(batch)["target"].numpy() for batch in task.in_order("test")])
    found, _ = task.finish(Ends(), {"test": {"target": asked}})
    expected = 100 * (4 / 6 * 1 / 5 * 1 / 2 / 4 * 1 / 4 / 3) ** 0.25
    assert found["test/bleu_sacre_unigram"] == pytest.approx(expected)
    assert found["test/bleu_nltk_unigram"] == pytest.approx(0, abs=1e-6)  # NLTK does not smooth
    # Words and ends of training: ein 2, b, c, d, e 1 each, ends 3 of 9; asked are four times ein and an end.
    assert found["test/perplexity_unigram"] == pytest.approx(((2 / 9) ** 4 * 3 / 9) ** (-1 / 5))


def build(name, task, seed=0, lr=1e-2):
    generator = torch.Generator().manual_seed(seed)
    net = nets.build(NET, task.inputs, None, generator)
    return methods.module(name).Method(net, METHODS[name], next(task.in_order("val")), generator, lr)


@pytest.mark.parametrize("name", METHODS)
def test_translations_are_learnt(name, task):
    method, batch = build(name, task), next(task.in_order("val"))
    before = method.evaluate_batch(batch)["loss_sum"].sum()
    for _ in range(60):
        out = method.step(batch)
    assert out["loss"].isfinite()
    assert method.evaluate_batch(batch)["loss_sum"].sum() < (0.5 if name == "backprop_words" else 0.9) * before


def test_every_block_and_both_embeddings_learn_by_themselves(task):
    """What lies above a block does not matter for it; the target's embedding learns with the decoder's first block."""
    first, second = build("ff_words", task), build("ff_words", task)
    with torch.no_grad():
        for parameter in [*second.net.blocks[3].parameters(), *second.extra.parameters()]:
            parameter.mul_(-1.7).add_(0.01)
    start = build("ff_words", task).net
    batch = next(task.in_order("val"))
    for _ in range(3):
        first.step(batch)
        second.step(batch)
    for part in ("source_tokens", "target_tokens", "source_positions", "target_positions", "blocks.0", "blocks.2"):
        ours, theirs, old = (net.get_submodule(part).state_dict() for net in (first.net, second.net, start))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), part
        assert any(not torch.equal(ours[key], old[key]) for key in ours), part
    other = build("ff_words", task)
    with torch.no_grad():
        other.net.blocks[0].sublayers[0].out.weight.mul_(-1.7)
    other.step(batch)
    fresh = build("ff_words", task)
    fresh.step(batch)
    gradients = [m.net.blocks[2].sublayers[1].key_value.weight.grad for m in (other, fresh)]
    assert not torch.equal(*gradients)  # the decoder reads what the encoder gives


def test_the_decoder_sees_the_source_and_no_later_word(task):
    method, batch = build("backprop_words", task), next(task.in_order("val"))
    method.step(batch)
    found = method.evaluate_batch(batch)["prediction"]
    later = batch["x"].clone()
    words = later[:, 13:]
    words[words > 0] = SPECIAL
    other = method.evaluate_batch(batch | {"x": later})["prediction"]
    assert torch.equal(found[:, :14], other[:, :14]) and not torch.equal(found, other)
    z, layout = method.net.embed(batch["x"])
    for block in method.net.blocks:
        z = block(z, layout)
    swapped = batch["x"].clone()
    swapped[:, :10] = swapped[:, :10].roll(1, 0)
    y, beside = method.net.embed(swapped)
    for block in method.net.blocks:
        y = block(y, beside)
    begin = [z[layout.position_N == 11], y[beside.position_N == 11]]
    assert (begin[0] - begin[1]).abs().max() > 1e-4
    prompt = batch["x"][:, :11]
    asked = found[:, 11] > 0
    assert asked.any() and torch.equal(method.next_word(prompt).argmax(1)[asked].int(), found[asked, 11])


def test_cross_attention_masks_the_padding_of_the_source():
    """Columns behind the sources change nothing; neither does what another sentence of the batch fills them with."""
    generator = torch.Generator().manual_seed(0)
    nets_of = [nets.build(NET | {"dropout": 0.0}, (20, 15, length), None, generator).double() for length in (5, 8)]
    wide, narrow = nets_of[1], nets_of[0]
    weights = wide.state_dict()
    weights |= {
        f"{side}_positions.weight": weights[f"{side}_positions.weight"][:rows]
        for side, rows in (("source", 6), ("target", 7))
    }
    narrow.load_state_dict(weights)
    begin, first = 21, 22 + SPECIAL  # behind the target's 20 ids and the end's; the source's words
    source = torch.tensor([[first, first + 3, 0, 0, 0], [first + 1, first + 2, first + 5, first + 4, first]])
    behind = torch.tensor([[begin, 4, 7, 3], [begin, 9, 2, 0]])

    def decoded(net, source_BT):
        z, layout = net.embed(torch.cat([source_BT, behind[: len(source_BT)]], 1))
        for block in net.blocks:
            z = block(z, layout)
        rows = (layout.sample_N == 0) & (layout.position_N >= net.source)
        return z[rows]

    expected = decoded(narrow, source[:1])
    assert expected.shape == (4, 16)
    torch.testing.assert_close(decoded(wide, torch.nn.functional.pad(source[:1], (0, 3))), expected)
    torch.testing.assert_close(decoded(narrow, source), expected)
    changed = source.clone()
    changed[0, 1] += 1
    assert (decoded(narrow, changed) - expected).abs().max() > 1e-3
    changed = source.clone()
    changed[0, 2] = first  # no padding any more
    assert (decoded(narrow, changed) - expected).abs().max() > 1e-3
