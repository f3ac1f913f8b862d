"""Texts in other files than the hub's: Stanford's folder, Kaggle's CSV, and CoNLL's files."""

import csv
from itertools import pairwise

import pytest

from tests.made_data import write_imdb_parquet
from trainables.conll2003 import TAGS, CoNLL2003
from trainables.data import DataError
from trainables.data.located import locate
from trainables.data.text import read_vocabulary
from trainables.data.text_files import KaggleReviews
from trainables.imdb import IMDB

REVIEWS = [
    (f'a "{word}" film,<br />\nwith a plot', label) for word in ("fine", "dull") for label in (0, 1)
] * 10
SENTENCES = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

Paris NNP I-NP I-LOC
Peru NNP I-NP B-LOC


-DOCSTART- -X- O O

Ends NN I-NP O"""
RULE = f"{', '.join(TAGS[:-1])} or {TAGS[-1]} (as numbers 0 to 8)"
EXPECTED = [[3, 0, 7], [1, 2], [5, 5], [0]]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)


def prepare(trainable):
    fields = {"model": "recurrent"} if isinstance(trainable, IMDB) else {}
    trainable.prepare(trainable.Hyperparameters(hidden=2, **fields), test=True)
    return trainable


def error_of(trainable):
    with pytest.raises(DataError) as caught:
        prepare(trainable)
    return str(caught.value)


def words_of(texts):
    vocabulary, bounds = read_vocabulary(texts.vocabulary), texts.starts.tolist()
    words = [vocabulary[word] for word in texts.words.tolist()]
    return [words[begin:end] for begin, end in pairwise(bounds)]


# Stanford's folder


def stanford(folder, splits=("train", "test")):
    for split in splits:
        for index, (review, label) in enumerate(REVIEWS):
            file = folder / split / ("neg", "pos")[label] / f"{index}_{1 + 9 * label}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(review)
    (folder / splits[0] / "unsup").mkdir()
    (folder / splits[0] / "unsup" / "0_0.txt").write_text("of no class")


@pytest.mark.parametrize("where", ["aclImdb", "imdb/aclImdb", "imdb"])
def test_stanfords_reviews_are_those_of_the_hub(where, tmp_path):
    stanford(tmp_path / where)
    found = prepare(IMDB(tmp_path))
    # The files of a folder are sorted by name.
    order = sorted(range(40), key="{}_".format)
    rows = [REVIEWS[index] for label in (0, 1) for index in order if REVIEWS[index][1] == label]
    for split in ("train", "test"):
        write_imdb_parquet(tmp_path / "hub" / "imdb", split, *map(list, zip(*rows, strict=True)))
    expected = prepare(IMDB(tmp_path / "hub"))
    for split in ("train", "test"):
        assert found.load(split).fingerprint == expected.load(split).fingerprint
    assert found.note == ""
    assert locate(IMDB.source, tmp_path) == tmp_path / where.split("/")[0]


def test_a_changed_review_is_read_again(tmp_path):
    stanford(tmp_path / "aclImdb")
    before = IMDB(tmp_path).load("train").fingerprint
    (tmp_path / "aclImdb" / "train" / "neg" / "0_1.txt").write_text("fine fine")
    assert IMDB(tmp_path).load("train").fingerprint != before


def test_a_split_of_stanfords_that_is_not_there_is_named(tmp_path):
    stanford(tmp_path / "aclImdb", ["train"])
    assert error_of(IMDB(tmp_path)) == f"{tmp_path}: has no files of the split 'test' of imdb, only of train"


def test_a_review_that_is_not_utf8_is_named(tmp_path):
    stanford(tmp_path / "aclImdb")
    file = tmp_path / "aclImdb" / "test" / "pos" / "1_10.txt"
    file.write_bytes("good\ncafé".encode("cp1252"))
    assert error_of(IMDB(tmp_path)) == f"{file}: line 2 is not UTF-8; save the file as UTF-8"


# Kaggle's CSV


def kaggle(file, more=""):
    file.parent.mkdir(exist_ok=True)
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["review", "sentiment"])
        writer.writerows((review, ("negative", "positive")[label]) for review, label in REVIEWS)
        opened.write(more)
    return file


@pytest.mark.parametrize("where", ["IMDB Dataset.csv", "imdb/IMDB Dataset.csv"])
def test_kaggles_reviews_are_divided_by_halves_and_a_note_says_so(where, tmp_path):
    kaggle(tmp_path / where)
    trainable = prepare(IMDB(tmp_path))
    labels = [label for _, label in REVIEWS]
    assert trainable.load("train").targets.tolist() == labels[:20]
    assert trainable.load("test").targets.tolist() == labels[20:]
    assert trainable.note == KaggleReviews.note
    assert "the first half of its rows is for training, the second for test" in trainable.note
    assert locate(IMDB.source, tmp_path) == tmp_path / where.split("/")[0]


def test_a_column_of_row_numbers_of_kaggles_is_left_out(tmp_path):
    rows = [
        ",review,sentiment",
        *(f"{row},a film {row},{('negative', 'positive')[row % 2]}" for row in range(40)),
    ]
    (tmp_path / "IMDB Dataset.csv").write_text("\n".join(rows))
    assert IMDB(tmp_path).load("test").targets.tolist() == [0, 1] * 10


def test_the_published_splits_come_before_kaggles(tmp_path):
    kaggle(tmp_path / "IMDB Dataset.csv")
    stanford(tmp_path / "aclImdb")
    assert prepare(IMDB(tmp_path)).note == ""


ROW = "the row that ends in line 82 must have a review, and positive or negative, got"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("fine,neutral\r\n", f"{ROW} ['fine', 'neutral']"),
        (",negative\r\n", f"{ROW} ['', 'negative']"),
        ("only\r\n", f"{ROW} ['only']"),
        ("fine,film,positive\r\n", f"{ROW} ['fine', 'film', 'positive']"),
        ('"open,positive\r\n', "line 82: unexpected end of data"),
    ],
)
def test_a_row_of_kaggles_that_cannot_be_used_is_named(more, message, tmp_path):
    file = kaggle(tmp_path / "IMDB Dataset.csv", more)
    assert error_of(IMDB(tmp_path)) == f"{file}: {message}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("text,label", "text, label"),
        (
            f"{'A fine film. ' * 100},positive",
            f"{'A fine film. ' * 4}A fine f; the first line is a row of data: "
            "add the line review,sentiment before it",
        ),
    ],
)
def test_another_csv_of_kaggles_name_is_refused(line, shown, tmp_path):
    (tmp_path / "IMDB Dataset.csv").write_text(f"{line}\nfine,1\n")
    rule = f"must have the columns review and sentiment, got {shown}"
    assert error_of(IMDB(tmp_path)) == f"{tmp_path}/IMDB Dataset.csv: {rule}"


# CoNLL's files


def conll(folder, names, text=SENTENCES):
    (folder / "conll2003").mkdir()
    for name in names:
        (folder / "conll2003" / name).write_bytes(text.encode())


@pytest.mark.parametrize(
    "names",
    [
        ("eng.train", "eng.testa", "eng.testb"),
        ("train.txt", "valid.txt", "test.txt"),
        ("train.txt", "dev.txt", "test.txt"),
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("Ends NN I-NP O", "Ends O\n\n"),
        # The form of the hub, IOB2.
        lambda text: text.replace(" I-ORG", " B-ORG").replace("I-LOC", "B-LOC").replace("I-MISC", "B-MISC"),
    ],
)
def test_conlls_sentences_and_entities_are_read(names, change, tmp_path):
    conll(tmp_path, names, change(SENTENCES))
    trainable = prepare(CoNLL2003(tmp_path))
    for split in ("train", "validation", "test"):
        texts = trainable.load(split)
        assert texts.starts.diff().tolist() == [len(tags) for tags in EXPECTED]
        assert texts.targets.tolist() == [tag for tags in EXPECTED for tag in tags]


def test_the_files_of_each_split_are_its_own(tmp_path):
    conll(tmp_path, ["eng.train", "eng.testb"])
    (tmp_path / "conll2003" / "eng.testa").write_text("Oslo NNP I-NP I-LOC\nwon VBD I-VP O\n")
    texts = prepare(CoNLL2003(tmp_path)).load("validation")
    assert [TAGS[tag] for tag in texts.targets] == ["B-LOC", "O"]
    assert words_of(texts) == [["<Title>", "<other>"]]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("\n\nword\n", "line 18: must have a word and its tags, got 'word'"),
        ("\n\nLake NNP I-NP I-GEO\n", f"row 5: the tag of 'Lake' must be {RULE}, got 'I-GEO'"),
    ],
)
def test_a_line_of_conlls_that_cannot_be_used_is_named(more, message, tmp_path):
    conll(tmp_path, ["eng.train", "eng.testa", "eng.testb"])
    file = tmp_path / "conll2003" / "eng.testb"
    file.write_text(SENTENCES + more)
    assert error_of(CoNLL2003(tmp_path)) == f"{file}: {message}"


def test_a_file_of_conlls_that_is_not_there_is_named(tmp_path):
    conll(tmp_path, ["eng.train", "eng.testa"])
    found = "has no files of the split 'test' of conll2003, only of train, validation"
    assert error_of(CoNLL2003(tmp_path)) == f"{tmp_path}: {found}"
