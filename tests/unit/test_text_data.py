"""Texts as people have them: labels, tags and rows that can be trained on, and what is said of others."""

from collections.abc import Mapping

import pytest
from datasets import ClassLabel, Dataset, Features, List

from trainables.conll2003 import TAGS, CoNLL2003
from trainables.data import DataError
from trainables.data.text_content import as_iob2
from trainables.imdb import IMDB

NAMES, LABELS = "neg or pos (as numbers 0 to 1)", [1, 0] * 20
TEXTS = ["a good film", "a bad film"] * 20
SENTENCES = [["EU", "rejects", "German", "call"], ["Peter", "Blackburn", "spoke"]] * 10
TAGGED = [[3, 0, 7, 0], [1, 2, 0]] * 10
BY_NAME = [[TAGS[tag] for tag in tags] for tags in TAGGED]
# The order in which another copy of CoNLL-2003 numbers the tags.
ORDER = ["O", "B-ORG", "B-MISC", "B-PER", "I-PER", "B-LOC", "I-ORG", "I-MISC", "I-LOC"]
REORDERED = [[ORDER.index(tag) for tag in tags] for tags in BY_NAME]
TAG_RULE = f"must be {', '.join(TAGS[:-1])} or {TAGS[-1]} (as numbers 0 to 8)"
KINDS = {"imdb": (IMDB, "text", "label"), "conll2003": (CoNLL2003, "tokens", "ner_tags")}
# Content by split: inputs, targets and, where it is not inferred from these, the type of the targets.
GOOD = {
    "imdb": {split: (TEXTS, LABELS, None) for split in ("train", "test")},
    "conll2003": {split: (SENTENCES, TAGGED, None) for split in ("train", "validation", "test")},
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)


def replaced(values, index, value):
    return [*values[:index], value, *values[index + 1 :]]


def parquet(root, name, split, inputs, targets, kind):
    _, text, label = KINDS[name]
    rows = Dataset.from_dict({text: inputs, label: targets})
    if kind:
        rows = Dataset.from_dict(rows.to_dict(), features=Features(rows.features | {label: kind}))
    file = root / name / f"{split}-00000-of-00001.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(file)
    return file


def written(root, name, changed: Mapping):
    return {split: parquet(root, name, split, *content) for split, content in (GOOD[name] | changed).items()}


def prepare(root, name="imdb"):
    trainable = KINDS[name][0](root)
    fields = {"model": "recurrent"} if name == "imdb" else {}
    trainable.prepare(trainable.Hyperparameters(hidden=2, **fields), test=True)
    return trainable


def error_of(root, name="imdb"):
    with pytest.raises(DataError) as caught:
        prepare(root, name)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Labels and tags


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (LABELS, None),
        (LABELS, ClassLabel(names=["neg", "pos"])),
        ([1 - label for label in LABELS], ClassLabel(names=["pos", "neg"])),
        (LABELS, ClassLabel(names=["Negative", "POSITIVE", "unsup"])),
        (LABELS, ClassLabel(num_classes=2)),
        ([1 - label for label in LABELS], ClassLabel(names=["1", "0"])),
        ([["negative", "positive"][label] for label in LABELS], None),
        ([[" Neg", "pos "][label] for label in LABELS], None),
        ([str(label) for label in LABELS], None),
        ([float(label) for label in LABELS], None),
        ([bool(label) for label in LABELS], None),
    ],
)
def test_labels_are_those_that_the_data_name(labels, kind, tmp_path):
    written(tmp_path, "imdb", {split: (TEXTS, labels, kind) for split in ("train", "test")})
    trainable = prepare(tmp_path)
    assert [trainable.load(split).targets.tolist() for split in ("train", "test")] == [LABELS, LABELS]


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        (TAGGED, None),
        (TAGGED, List(ClassLabel(names=TAGS))),
        (REORDERED, List(ClassLabel(names=ORDER))),
        (BY_NAME, None),
        ([[tag.lower() for tag in tags] for tags in BY_NAME], None),
        ([[tag.replace("B-", "I-") for tag in tags] for tags in BY_NAME], None),
    ],
)
def test_tags_are_those_that_the_data_name(tags, kind, tmp_path):
    written(tmp_path, "conll2003", {split: (SENTENCES, tags, kind) for split in GOOD["conll2003"]})
    trainable = prepare(tmp_path, "conll2003")
    expected = [tag for sentence in TAGGED for tag in sentence]
    assert {tuple(trainable.load(split).targets.tolist()) for split in GOOD["conll2003"]} == {tuple(expected)}


@pytest.mark.parametrize(
    ("iob1", "iob2"),
    [
        ("I-PER I-PER O I-PER", "B-PER I-PER O B-PER"),
        ("I-ORG B-ORG I-ORG", "B-ORG B-ORG I-ORG"),
        ("I-ORG I-LOC O", "B-ORG B-LOC O"),
        ("B-ORG I-ORG B-LOC O", "B-ORG I-ORG B-LOC O"),
        ("", ""),
    ],
)
def test_entities_begin_with_b(iob1, iob2):
    assert as_iob2(iob1.split()) == iob2.split()


FLOATS, NAMED = [float(label) for label in LABELS], ["neg", "pos"] * 20
PARTS = [[float(tag) for tag in tags] for tags in TAGGED]
# Labels of a split, good ones of the other split, and what is wrong.
WRONG_LABELS = [
    (replaced(LABELS, 3, 2), LABELS, f"row 4: the label must be {NAMES}, got 2"),
    (replaced(LABELS, 3, -1), LABELS, f"row 4: the label must be {NAMES}, got -1"),
    ([*range(1, 11)] * 4, LABELS, f"row 2: the label must be {NAMES}, got 2"),
    (replaced(FLOATS, 3, 0.5), FLOATS, f"row 4: the label must be {NAMES}, got 0.5"),
    (replaced(NAMED, 3, "good"), NAMED, f"row 4: the label must be {NAMES}, got 'good'"),
    (replaced(LABELS, 3, None), LABELS, "row 4: the label is missing"),
    ([1] * 40, LABELS, "all texts have the label pos; a classifier needs two classes or more"),
]
# The same of tags.
WRONG_TAGS = [
    (replaced(TAGGED, 1, [1, 9, 0]), TAGGED, f"row 2: the tag of 'Blackburn' {TAG_RULE}, got 9"),
    (replaced(TAGGED, 1, [-100, 0, 0]), TAGGED, f"row 2: the tag of 'Peter' {TAG_RULE}, got -100"),
    (replaced(PARTS, 1, [0.5, 0.0, 0.0]), PARTS, f"row 2: the tag of 'Peter' {TAG_RULE}, got 0.5"),
    (
        replaced(BY_NAME, 1, ["S-PER", "O", "O"]),
        BY_NAME,
        f"row 2: the tag of 'Peter' {TAG_RULE}, got 'S-PER'",
    ),
    (replaced(TAGGED, 1, [1, None, 0]), TAGGED, "row 2: the tag of 'Blackburn' is missing"),
    (replaced(TAGGED, 1, None), TAGGED, "row 2: the tags are missing"),
    (
        # The tag of a word is that of the next sentence, so that the sums agree.
        [TAGGED[0], [1, 2], [0, *TAGGED[2]], *TAGGED[3:]],
        TAGGED,
        "row 2: the sentence ['Peter', 'Blackburn', 'spoke'] has 3 words and 2 tags",
    ),
    (
        [[0] * len(words) for words in SENTENCES],
        TAGGED,
        "all words have the tag O; a classifier needs two classes or more",
    ),
    (
        REORDERED,
        TAGGED,
        "row 1: the tag 2 of 'German' is read as I-PER, which must follow B-PER or itself; if the tags are "
        "numbered in another order, give them by name",
    ),
]
WRONG_TARGETS = [("imdb", *case) for case in WRONG_LABELS] + [("conll2003", *case) for case in WRONG_TAGS]


@pytest.mark.parametrize(
    ("name", "wrong", "good", "message", "split"),
    [(*case, split) for case in WRONG_TARGETS for split in GOOD[case[0]]],
)
def test_classes_that_cannot_be_trained_are_found_in_every_split(name, wrong, good, message, split, tmp_path):
    contents = {each: (GOOD[name][each][0], good, None) for each in GOOD[name]}
    files = written(tmp_path, name, contents | {split: (contents[split][0], wrong, None)})
    assert error_of(tmp_path, name) == f"{files[split]}: {message}"


@pytest.mark.parametrize(
    ("name", "inputs", "message", "split"),
    [
        (*case, split)
        for case in (
            ("imdb", replaced(TEXTS, 3, None), "row 4: the text is missing"),
            ("conll2003", replaced(SENTENCES, 1, None), "row 2: the words are missing"),
            (
                "conll2003",
                replaced(SENTENCES, 1, ["a", None, "b"]),
                "row 2: word 2 of ['a', None, 'b'] is missing",
            ),
            ("conll2003", replaced(SENTENCES, 1, []), "row 2: the sentence [] has 0 words and 3 tags"),
        )
        for split in GOOD[case[0]]
    ],
)
def test_texts_that_are_missing_are_found_in_every_split(name, inputs, message, split, tmp_path):
    files = written(tmp_path, name, {split: (inputs, GOOD[name][split][1], None)})
    assert error_of(tmp_path, name) == f"{files[split]}: {message}"


@pytest.mark.parametrize(
    ("name", "inputs", "targets", "kind", "message"),
    [
        ("imdb", [*range(40)], LABELS, None, "the text must be a string, got 0"),
        (
            "imdb",
            [text.split() for text in TEXTS],
            LABELS,
            None,
            "the text must be a string, got ['a', 'good', 'film']",
        ),
        ("imdb", TEXTS, [[label] for label in LABELS], None, f"the label must be {NAMES}, got [1]"),
        (
            "imdb",
            TEXTS,
            LABELS,
            ClassLabel(names=["ham", "spam"]),
            f"the label must be {NAMES}, got 'spam'",
        ),
        (
            "conll2003",
            [" ".join(words) for words in SENTENCES],
            TAGGED,
            None,
            "the words must be a list, got 'EU rejects German call'",
        ),
        (
            "conll2003",
            SENTENCES,
            [" ".join(tags) for tags in BY_NAME],
            None,
            "the tags must be a list, got 'B-ORG O B-MISC O'",
        ),
    ],
)
def test_columns_of_another_kind_are_named(name, inputs, targets, kind, message, tmp_path):
    files = written(tmp_path, name, {split: (inputs, targets, kind) for split in GOOD[name]})
    assert error_of(tmp_path, name) == f"{files['train']}: row 1: {message}"


@pytest.mark.parametrize("split", GOOD["conll2003"])
def test_an_empty_sentence_is_none(split, tmp_path):
    written(tmp_path, "conll2003", {split: (replaced(SENTENCES, 1, []), replaced(TAGGED, 1, []), None)})
    texts = prepare(tmp_path, "conll2003").load(split)
    assert texts.starts.diff().tolist() == [4, 4, 3, *[4, 3] * 8]
    assert texts.targets.tolist() == [3, 0, 7, 0, *[tag for tags in TAGGED[2:] for tag in tags]]


@pytest.mark.parametrize(("n", "fits"), [(2, False), (5, False), (6, True)])
def test_some_texts_must_be_left_for_validation(n, fits, tmp_path):
    files = written(tmp_path, "imdb", {"train": (TEXTS[:n], LABELS[:n], None)})
    if fits:
        assert len(prepare(tmp_path)._split(None).validation) == 1
    else:
        rule = f"{n} examples are too few to hold out a tenth for validation"
        assert error_of(tmp_path) == f"{files['train']}: {rule}"


def test_rows_of_a_split_of_several_files_are_counted_in_the_order_of_the_split(tmp_path):
    written(tmp_path, "imdb", {"train": (TEXTS, replaced(LABELS, 30, 7), None)})
    folder = tmp_path / "imdb"
    rows = Dataset.from_parquet(str(folder / "train-00000-of-00001.parquet"), cache_dir=str(tmp_path / "hub"))
    (folder / "train-00000-of-00001.parquet").unlink()
    for index in range(2):
        rows.shard(2, index, contiguous=True).to_parquet(folder / f"train-{index:05}-of-00002.parquet")
    assert error_of(tmp_path) == f"{folder}: split 'train': row 31: the label must be {NAMES}, got 7"


# Files that cannot be read

ROWS = "text,label\n" + "".join(f"{text},{label}\n" for text, label in zip(TEXTS, LABELS, strict=True))
LINES = "".join(
    f'{{"text": "{text}", "label": {label}}}\n' for text, label in zip(TEXTS, LABELS, strict=True)
)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
PARSER = "cannot be read (ParserError: Error tokenizing data. C error"


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("csv", ROWS + "a,b,c\n", f"{PARSER}: Expected 2 fields in line 42, saw 3)"),
        ("csv", ROWS + '"open,1\n', f"{PARSER}: EOF inside string starting at row 41)"),
        ("csv", (ROWS + "café,1\n").encode("cp1252"), "line 42 is not UTF-8; save the file as UTF-8"),
        ("csv", ROWS + "NA,1\n", "row 41: the text is missing"),
        ("csv", ROWS + "a film,\n", "row 41: the label is missing"),
        ("jsonl", LINES + '{"text": "a", \n', "cannot be read (ArrowInvalid: JSON parse error: "),
        ("parquet", POINTER, "is only a pointer to a file of Git LFS; run git lfs pull in its folder"),
    ],
)
def test_the_file_and_its_line_are_named(kind, content, message, split, tmp_path, caplog):
    files = written(tmp_path, "imdb", {})
    for each in files if kind != "parquet" else ():
        files[each].unlink()
        files[each] = tmp_path / "imdb" / f"{each}.{kind}"
        files[each].write_text(LINES if kind == "jsonl" else ROWS)
    files[split].write_bytes(content if isinstance(content, bytes) else content.encode())
    assert error_of(tmp_path).startswith(f"{files[split]}: {message}")
    # The library would log errors that it raises.
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        (NAMED, None, "the column 'label' is Value('string') here and Value('int64') in {first}"),
        (
            LABELS,
            ClassLabel(names=["pos", "neg"]),
            "the column 'label' is ClassLabel(names=['pos', 'neg']) here and Value('int64') in {first}",
        ),
    ],
)
def test_a_column_that_differs_between_files_is_named(labels, kind, message, tmp_path):
    files = written(tmp_path, "imdb", {"test": (TEXTS, labels, kind)})
    assert error_of(tmp_path) == f"{files['test']}: {message.format(first=files['train'])}"


def test_a_file_with_other_columns_is_named(tmp_path):
    (tmp_path / "imdb").mkdir()
    for split, rows in (("train", ROWS), ("test", ROWS.replace("label", "sentiment"))):
        (tmp_path / "imdb" / f"{split}.csv").write_text(rows)
    first, second = (tmp_path / "imdb" / f"{split}.csv" for split in ("train", "test"))
    assert error_of(tmp_path) == f"{second}: has the columns sentiment, text here and label, text in {first}"
