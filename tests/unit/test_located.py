"""Where data are found, without reading or downloading any."""

import pytest
from huggingface_hub import constants

from trainables import registry
from trainables.data import DataError
from trainables.data.located import locate
from trainables.declarations.sources import Source

MNIST = Source("mnist", "ylecun/mnist", 18)


@pytest.fixture(autouse=True)
def empty_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path / "gensim"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_folder_of_datasets_comes_first(tmp_path, monkeypatch):
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    assert locate(MNIST, tmp_path / "data") == tmp_path / "data" / "mnist"
    monkeypatch.setenv("NOISESWEEP_DATA_DIR", str(tmp_path / "data"))
    assert locate(MNIST, None) == tmp_path / "data" / "mnist"
    with pytest.raises(DataError, match="no such folder"):
        locate(MNIST, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("MNIST", "{0}/MNIST: rename it to mnist, which is the name of the dataset's folder"),
        ("mnist/mnist.zip", "data_dir {0}: give the folder that holds mnist/, such as {1}"),
    ],
)
def test_what_the_hub_would_be_asked_for_instead_is_named(folder, message, tmp_path):
    (tmp_path / "data" / folder).mkdir(parents=True)
    root = (tmp_path / "data" / folder).parent
    with pytest.raises(DataError) as raised:
        locate(MNIST, root)
    assert str(raised.value) == message.format(root, root.parent)
    assert locate(Source("mnist", "mnist"), root) is None


def test_a_folder_that_happens_to_lie_here_is_not_used(tmp_path):
    (tmp_path / "mnist").mkdir()
    assert locate(MNIST, None) is None


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        (MNIST, "hub/datasets--ylecun--mnist/snapshots"),
        (Source("daily/series.csv", "https://example.org/series.csv"), "cache/series-1"),
        (Source("glove-twitter-25", "glove-twitter-25"), "gensim/glove-twitter-25"),
    ],
)
def test_earlier_downloads_are_found(source, kept, tmp_path):
    assert locate(source, None) is None
    (tmp_path / kept).mkdir(parents=True)
    assert locate(source, None) == tmp_path / kept


def test_a_file_of_ones_own_is_not_downloaded(tmp_path):
    file = tmp_path / "mine.csv"
    temperatures = registry.declaration("temperatures")
    (source,) = temperatures.sources(temperatures.Hyperparameters(csv=str(file)))
    assert (source.origin, locate(source, None)) == ("", None)
    file.touch()
    assert locate(source, None) == file


def test_word_vectors_are_a_source_unless_they_are_trained():
    imdb = registry.declaration("imdb")
    names = {
        vectors: [source.origin for source in imdb.sources(imdb.Hyperparameters(vectors=vectors))]
        for vectors in ("train", "glove-twitter-25", "mine.txt")
    }
    reviews, set_ = "stanfordnlp/imdb", "glove-twitter-25"
    expected = {"train": [reviews], set_: [reviews, set_], "mine.txt": [reviews, ""]}
    assert names == expected


@pytest.mark.parametrize("name", sorted({*registry.BUILT_IN} - {"temperatures"}))
def test_a_trainable_reads_the_source_that_it_declares(name):
    trainable = registry.get(name)
    dataset = getattr(trainable, "dataset", None)
    assert (trainable.source.origin if trainable.source else None) == (dataset.hub_id if dataset else None)
