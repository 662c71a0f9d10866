"""Reviews in the layout of aclImdb: tokens, splits, and what becomes of files that cannot be used."""

import io
import tarfile

import numpy as np
import pytest
import torch
from helpers.plans import REVIEWS, prepare_standin

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import sha256_file, write_json
from ffrepro.data import corpus, imdb, reviews, standin_texts, tokens, word_features_task
from ffrepro.data.review_batches import Reviews
from ffrepro.data.vocabulary import PAD, SPECIAL, UNKNOWN, Vocabulary


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return reviews.load(prepare_standin(tmp_path_factory.mktemp("d"), "imdb") / "standin/imdb.npz", verify=True)


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    record = {
        "archive": name, "file": name, "source": "upstream", "from": "mirror", "location": name,
        "sha256": sha256_file(path), "bytes": len(content), "provenance": "a test", "fetched": None,
    }  # fmt: skip
    write_json(path.with_name(f"{name}.json"), record)
    return path


def archive(folder, texts):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in texts.items():
            info = tarfile.TarInfo(f"aclImdb/{name}.txt")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    punkt = put(folder, "punkt_tab.zip", standin_texts.punkt_archive())
    return put(folder, "aclImdb_v1.tar.gz", buffer.getvalue()), punkt


def test_tokens_are_nltks(tmp_path):
    path = put(tmp_path, "punkt_tab.zip", standin_texts.punkt_archive())
    found = tokens.tokenizer(path)("dr. who wasn't bad. i liked it!<br />10/10")
    assert found == ["dr.", "who", "was", "n't", "bad", ".", "i", "liked", "it", "!", "<", "br", "/", ">", "10/10"]


def test_a_language_that_punkt_lacks(tmp_path):
    path = put(tmp_path, "punkt_tab.zip", standin_texts.punkt_archive())
    with pytest.raises(FfreproError) as error:
        tokens.tokenizer(path, "french")
    assert error.value.where == path


def test_punkt_is_not_there(tmp_path):
    """The message names the missing file, and the command that fetches it with its data set."""
    texts, punkt = archive(tmp_path, {"train/pos/0_9": b"Good film."})
    punkt.unlink()
    with pytest.raises(FfreproError) as error:
        reviews.prepare(imdb.SPEC, texts, punkt, out=tmp_path / "imdb.npz")
    assert error.value.where == punkt and "ffrepro fetch imdb" in error.value.fix
    assert not (tmp_path / "imdb.npz").exists()
    with pytest.raises(FfreproError) as error:
        tokens.tokenizer(punkt)
    assert error.value.where == punkt and "ffrepro fetch punkt" in error.value.fix


def test_reviews_are_read_as_they_are(tmp_path):
    good = {f"train/pos/{number}_9": b"Good film." for number in range(250)}
    odd = {"train/neg/0_1": b"Bad", "test/neg/0_2": b"\xff\xfe no text", "test/pos/3_8": b" \n "}
    paths = archive(tmp_path, good | odd | {"train/unsup/0_0": b"ignored"})
    manifest = reviews.prepare(imdb.SPEC, *paths, out=tmp_path / "imdb.npz")
    found = reviews.load(tmp_path / "imdb.npz", verify=True)
    assert manifest["counts"] == {"train": 251, "test": 0}
    assert [(entry["file"], "UTF-8" in entry["reason"]) for entry in manifest["bad"]] == [
        ("aclImdb/test/neg/0_2.txt", True), ("aclImdb/test/pos/3_8.txt", False)
    ]  # fmt: skip
    types = corpus.types_of(found.types)
    words = [[types[t] for t in found.token[a:b]] for a, b in zip(found.start, found.start[1:], strict=False)]
    assert words[0] == ["bad"] and words[1] == ["good", "film", "."]  # one word; lower case
    assert found.label[:2].tolist() == [0, 1]
    assert len(manifest["archive"]["files"]) == 2


def test_too_many_unusable_reviews_are_refused(tmp_path):
    paths = archive(tmp_path, {"train/pos/0_9": b"Good.", "train/neg/0_1": b"\xff"})
    with pytest.raises(FfreproError) as error:
        reviews.prepare(imdb.SPEC, *paths, out=tmp_path / "imdb.npz")
    assert error.value.where == paths[0] and not (tmp_path / "imdb.npz").exists()


def test_splits_are_stratified_apart_and_nested(data):
    small, large = (Reviews(data, REVIEWS | {"train_samples": count}, 3, "cpu").index for count in (40, 120))
    assert {name: len(part) for name, part in large.items()} == {"train": 120, "val": 40, "test": 40, "rest": 80}
    assert all((data.label[part] == 1).mean() == 0.5 for part in large.values())
    assert len(np.unique(np.concatenate(list(large.values())))) == 280
    assert set(small["train"].tolist()) < set(large["train"].tolist())
    assert all(torch.equal(small[name], large[name]) for name in ("val", "test", "rest"))
    assert (data.test[large["test"]] == 1).all() and (data.test[large["train"]] == 0).all()
    with pytest.raises(FfreproError):
        Reviews(data, REVIEWS | {"train_samples": 300}, 3, "cpu")


def test_the_vocabulary_is_of_the_training_texts_alone(data):
    found = Reviews(data, REVIEWS | {"vocabulary": 10}, 0, "cpu")
    types = corpus.types_of(data.types)
    train = corpus.rows(data.token, data.start, REVIEWS["length"], len(types))[found.index["train"].numpy()]
    count = np.bincount(train[train < len(types)], minlength=len(types))
    kept = set(found.vocabulary.type_of[SPECIAL:].tolist())
    assert len(found.vocabulary) == 10 and kept == set(np.argsort(-count, kind="stable")[:8].tolist())
    assert found.token_NT.max() == 9 and found.vocabulary.of_type[len(types)] == PAD
    assert found.vocabulary.share.sum() == pytest.approx(1) and found.vocabulary.share[UNKNOWN] > 0


def test_a_vocabulary_of_one_word():
    with pytest.raises(FfreproError) as error:
        Vocabulary(np.zeros(5, np.int64), 1, 10, "a set")
    assert error.value.where == "a set"


def test_bags_of_words_count_the_known_ones(data):
    table = word_features_task.Table(data, REVIEWS | {"features": "counts"}, 0)
    found = Reviews(data, REVIEWS, 0, "cpu")
    row = found.token_NT[found.index["val"][0]]
    assert table.features["val"][0].sum() == int((row >= SPECIAL).sum())
    assert {name: len(part) for name, part in table.index.items()} == table.counts()
