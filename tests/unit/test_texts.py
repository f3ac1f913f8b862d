"""Words, vocabularies, word vectors, padding, and the scores of taggers."""

import gzip
import random
import struct
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.cases import CASES, WORDS
from tests.made_data import VECTOR_SIZE, write_conll_parquet, write_imdb_parquet
from trainables.conll2003 import TAGS, CoNLL2003, entity_f1
from trainables.data import DataError, vectors
from trainables.data.padding import IGNORED, PaddedTexts
from trainables.data.text import N_SPECIAL, UNKNOWN, read_texts, read_vocabulary, unknown, write_texts
from trainables.data.vectors import TRAINED_SIZE, load_vectors
from trainables.imdb import IMDB, tokenise
from trainables.loop import Seeds
from trainables.models.recurrent import reversed_words
from trainables.models.transformer import mean_over_words, sinusoidal_positions

NETWORKS = [
    *(("imdb", {"model": model}) for model in ("trans1", "trans2", "trans3")),
    *(("imdb", {"model": "recurrent", "cell": cell, "layers": 2}) for cell in ("lstm", "gru", "rnn")),
    *(("conll2003", {"cell": cell, "layers": 2}) for cell in ("lstm", "gru", "rnn")),
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)


# Words


@pytest.mark.parametrize(
    ("review", "words"),
    [
        ("Don't miss it!<br /><br />10/10", ["don't", "miss", "it", "!", "10", "10"]),
        ("A 'great' film...", ["a", "great", "film"]),
        ("café_noir<br>ok?", ["café", "noir", "ok", "?"]),
        ("---", []),
    ],
)
def test_reviews_are_split_by_the_documented_rule(review, words):
    assert tokenise(review) == words


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("1996-08-22", "<number>"),
        ("EU", "<UPPER>"),
        ("Blackburn", "<Title>"),
        ("lamb", "<other>"),
        (",", "<other>"),
    ],
)
def test_unknown_words_keep_their_spelling(word, kind):
    assert unknown(word) == kind


def test_the_vocabulary_is_that_of_the_training_texts_alone(tmp_path):
    sentences = [[("known", "O"), ("rare", "B-PER")], [("known", "O"), ("Rare", "O")]]
    write_conll_parquet(tmp_path / "conll2003", "train", sentences)
    write_conll_parquet(
        tmp_path / "conll2003", "validation", [[("unseen", "B-PER"), ("unseen", "O"), ("known", "O")]]
    )
    trainable = CoNLL2003(tmp_path)
    train, validation = trainable.load("train"), trainable.load("validation")
    words = read_vocabulary(train.vocabulary)
    assert words == ["<padding>", *UNKNOWN, "known"]
    assert [words[i] for i in train.words] == ["known", "<other>", "known", "<Title>"]
    assert [words[i] for i in validation.words] == ["<other>", "<other>", "known"]
    assert validation.starts.tolist() == [0, 3]


def test_words_of_held_out_reviews_are_not_in_the_vocabulary(tmp_path):
    reviews = [f"word{'abcdefghijklmnopqrst'[i]} " * 5 for i in range(20)]
    write_imdb_parquet(tmp_path / "imdb", "train", reviews, [0, 1] * 10)
    trainable = IMDB(tmp_path)
    split = trainable._split(None)
    texts = trainable.load("train")
    known = set(read_vocabulary(texts.vocabulary)[N_SPECIAL:])
    assert known == {reviews[i].split()[0] for i in split.train}
    assert len(split.validation) == 2


def test_case_matters_to_names(data_dir):
    words = read_vocabulary(CASES["conll2003"](data_dir).trainable.load("train").vocabulary)
    assert any(word[0].isupper() and word.lower() != word for word in words[N_SPECIAL:])
    words = read_vocabulary(CASES["imdb"](data_dir).trainable.load("train").vocabulary)
    assert not any(word != word.lower() for word in words[N_SPECIAL:])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "B", "c1", "d"]), max_size=6), min_size=1, max_size=8))
def test_texts_are_read_as_they_were_written(tmp_path_factory, texts):
    vocabulary = ["<padding>", *UNKNOWN, "a", "B"]
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder, texts, list(range(len(texts))), vocabulary, tagged=False)
    found = read_texts(folder, tagged=False)
    for index, text in enumerate(texts):
        ids = found.words[found.starts[index] : found.starts[index + 1]]
        known = [word if word in vocabulary else unknown(word) for word in text]
        assert [vocabulary[i] for i in ids] == (known or ["<other>"])  # a text is never empty
    assert found.targets.tolist() == list(range(len(texts)))
    assert read_vocabulary(found.vocabulary) == vocabulary


def test_targets_that_do_not_fit_are_refused(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    vocabulary = ["<padding>", *UNKNOWN]
    for targets, tagged in (([0], True), ([0, 0], False), ([0, 0, 0], True)):
        with pytest.raises(ValueError, match=f"1 texts of 2 words have {len(targets)} targets"):
            write_texts(folder, [["a", "b"]], targets, vocabulary, tagged=tagged)


# Padding


@pytest.mark.parametrize(("name", "changes"), NETWORKS)
def test_padding_changes_no_prediction(name, changes, data_dir):
    case = CASES[name](data_dir, **changes)
    torch.manual_seed(0)
    model = case.trainable.model(case.hyperparameters).eval()
    lengths = [1, 7, 3, 12]
    texts = [torch.randint(1, N_SPECIAL + 3, (length,)) for length in lengths]
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    wider = F.pad(padded, (0, 9))
    with torch.no_grad():
        alone = [model(text[None])[0] for text in texts]
        for batch in (padded, wider):
            for index, (length, expected) in enumerate(zip(lengths, alone, strict=True)):
                found = model(batch)[index]
                found = found[:length] if name == "conll2003" else found
                assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("name", "changes"), NETWORKS)
def test_what_padding_holds_gets_no_gradient(name, changes, data_dir):
    longer = {"max_words": 200} if name == "imdb" else {}  # some reviews are shorter
    case = CASES[name](data_dir, **changes, **longer, freeze_vectors=False)
    task = case.start().task
    batch = next(b for b in task.sample(20) if (b.inputs == 0).any())
    with torch.no_grad():
        task.model.embedding.weight[0] = 7.0
    task.model.eval()
    before = task.loss(batch)
    before.backward()
    assert task.model.embedding.weight.grad[0].abs().sum() == 0
    with torch.no_grad():
        task.model.embedding.weight[0] = -3.0
    assert torch.allclose(task.loss(batch), before, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_words_are_reversed_and_padding_stays(lengths):
    tokens = torch.zeros(len(lengths), 6, dtype=torch.long)
    for row, length in enumerate(lengths):
        tokens[row, :length] = torch.arange(1, length + 1)
    turned = tokens.gather(1, reversed_words(tokens))
    for row, length in enumerate(lengths):
        assert turned[row].tolist() == [*range(length, 0, -1), *[0] * (6 - length)]
    assert torch.equal(turned.gather(1, reversed_words(tokens)), tokens)


def test_the_tagger_is_a_packed_bidirectional_lstm(data_dir):
    # The same weights in torch's own bidirectional LSTM over packed sequences.
    case = CASES["conll2003"](data_dir)
    model = case.trainable.model(case.hyperparameters).eval()
    hidden = case.hyperparameters.hidden
    reference = torch.nn.LSTM(VECTOR_SIZE, hidden, batch_first=True, bidirectional=True)
    ahead, back = model.forwards[0].state_dict(), model.backwards[0].state_dict()
    reference.load_state_dict(ahead | {f"{key}_reverse": value for key, value in back.items()})
    tokens = torch.tensor([[5, 6, 7, 5, 6], [7, 5, 0, 0, 0], [6, 6, 7, 0, 0]])
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        model.embedding(tokens), (tokens != 0).sum(1), batch_first=True, enforce_sorted=False
    )
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    expected = model.head(outputs)
    found = model(tokens)
    assert torch.allclose(found[tokens != 0], expected[tokens != 0], atol=1e-6)


def test_the_mean_is_over_words():
    x = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [7.0], [9.0]]])
    padding = torch.tensor([[False, False, True], [False, False, False]])
    assert mean_over_words(x, padding).flatten().tolist() == [2.0, 7.0]


def test_positions_are_those_of_the_paper():
    found = sinusoidal_positions(torch.zeros(1, 4, 5))
    for t in range(4):
        for e in range(5):
            angle = t / 10000 ** ((e - e % 2) / 5)
            assert float(found[t, e]) == pytest.approx(np.cos(angle) if e % 2 else np.sin(angle), abs=1e-6)


# Batches


@pytest.fixture
def texts(tmp_path):
    generator = random.Random(0)
    lengths = [generator.randint(1, 40) for _ in range(700)]
    words = [[f"w{text}"] * length for text, length in enumerate(lengths)]
    vocabulary = ["<padding>", *UNKNOWN, *(f"w{text}" for text in range(700))]
    write_texts(tmp_path, words, list(range(700)), vocabulary, tagged=False)
    return read_texts(tmp_path, tagged=False)


def test_every_text_comes_once_an_epoch_whole_and_with_its_class(texts):
    chosen = torch.arange(100, 700)
    padded = PaddedTexts(texts, chosen, None, torch.device("cpu"))
    lengths = texts.starts.diff()
    order, seen = torch.Generator().manual_seed(0), []
    for _ in range(2):
        batches = list(padded.random_batches(8, order))
        assert [len(batch.targets) for batch in batches].count(8) >= len(batches) - 1
        for batch in batches:
            for row, target in zip(batch.inputs, batch.targets.tolist(), strict=True):
                words = row[row != 0]
                assert words.unique().tolist() == [N_SPECIAL + target]
                assert len(words) == lengths[target]
        seen.append([target for batch in batches for target in batch.targets.tolist()])
    assert sorted(seen[0]) == sorted(seen[1]) == chosen.tolist()
    assert seen[0] != seen[1]


def test_batches_are_of_similar_lengths(texts):
    padded = PaddedTexts(texts, torch.arange(700), None, torch.device("cpu"))
    batches = list(padded.random_batches(8, torch.Generator().manual_seed(0)))
    words = sum(int((batch.inputs != 0).sum()) for batch in batches)
    assert words > 0.95 * sum(batch.inputs.numel() for batch in batches)
    widths = [batch.inputs.shape[1] for batch in batches]
    assert widths != sorted(widths)  # but in no order


def test_long_texts_are_cut(texts):
    padded = PaddedTexts(texts, torch.arange(700), 10, torch.device("cpu"))
    batches = list(padded.sorted_batches(100))
    assert torch.cat([batch.targets for batch in batches]).sort().values.tolist() == list(range(700))
    for batch in batches:
        assert batch.inputs.shape[1] <= 10
        expected = texts.starts.diff()[batch.targets].clamp(max=10)
        assert torch.equal((batch.inputs != 0).sum(1), expected)


# Word vectors


def vectors_of(texts, choice, data_dir=None, epochs=3):
    return load_vectors(choice, texts, torch.arange(len(texts.starts) - 1), epochs, data_dir)


@pytest.fixture
def small_texts(tmp_path):
    words = ["cat", "Dog", "EMU", "x1", "cow"]
    folder = tmp_path / "small"
    folder.mkdir()
    generator = random.Random(0)
    sentences = [[generator.choice(words) for _ in range(6)] for _ in range(50)]
    write_texts(folder, sentences, [0] * 50, ["<padding>", *UNKNOWN, *words], tagged=False)
    return read_texts(folder, tagged=False)


def test_trained_vectors_are_the_same_each_time_and_differ_by_word(small_texts, monkeypatch, tmp_path):
    one = vectors_of(small_texts, "train").clone()
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "another"))
    two = vectors_of(small_texts, "train")
    assert torch.equal(one, two)
    assert one.shape == (N_SPECIAL + 5, TRAINED_SIZE)
    assert one[0].abs().sum() == 0
    assert len(one[N_SPECIAL:].unique(dim=0)) == 5


def test_vectors_are_trained_on_the_training_texts_alone(small_texts, tmp_path, monkeypatch):
    some = load_vectors("train", small_texts, torch.arange(25), 3, None).clone()
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "another"))
    # The texts left out are changed, and nothing changes.
    small_texts.words[small_texts.starts[25] :] = N_SPECIAL
    assert torch.equal(load_vectors("train", small_texts, torch.arange(25), 3, None), some)


def test_vectors_of_a_split_by_seed_are_trained_on_its_training_texts_once(made_data, monkeypatch):
    trained = []
    original = vectors._train
    monkeypatch.setattr(vectors, "_train", lambda *args: trained.append(args[1].tolist()) or original(*args))

    def embedding(seed, **changes):
        task = CASES["imdb"](made_data, vectors="train", **changes).start(seed=seed).task
        return task.model.embedding.weight.clone()

    first, again, other = (embedding(seed, split="per_seed") for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    fixed = [embedding(seed) for seed in (0, 1)]
    assert torch.equal(*fixed)
    trainable = CASES["imdb"](made_data).trainable
    expected = [*(trainable._split(None, Seeds.of(seed).split) for seed in (0, 1)), trainable._split(None)]
    assert trained == [split.train.tolist() for split in expected]


ROWS = {"cat": (1.0, 2.0), "dog": (3.0, 4.0), "Dog": (5.0, 6.0), "emu": (7.0, 8.0), "unused": (9.0, 9.0)}


def glove(path, rows=ROWS):
    path.write_text("".join(f"{word} {x} {y}\n" for word, (x, y) in rows.items()))


def word2vec(path):
    path.write_text(f"{len(ROWS)} 2\n" + "".join(f"{word} {x} {y}\n" for word, (x, y) in ROWS.items()))


def word2vec_binary(path):
    rows = [word.encode() + b" " + struct.pack("2f", *vector) for word, vector in ROWS.items()]
    path.write_bytes(f"{len(ROWS)} 2\n".encode() + b"\n".join(rows) + b"\n")


def zipped(path):
    with gzip.open(path, "wt") as file:
        file.writelines(f"{word} {x} {y}\n" for word, (x, y) in ROWS.items())


@pytest.mark.parametrize(
    ("name", "write"),
    [("v.txt", glove), ("v.txt", word2vec), ("v.bin", word2vec_binary), ("v.gz", zipped)],
)
def test_vectors_come_from_a_file(name, write, small_texts, tmp_path):
    write(tmp_path / name)
    vectors = vectors_of(small_texts, name, tmp_path)
    words = read_vocabulary(small_texts.vocabulary)
    found = {word: tuple(vector.tolist()) for word, vector in zip(words, vectors, strict=True)}
    assert found["<padding>"] == (0.0, 0.0)
    assert found["cat"] == (1.0, 2.0)
    assert found["Dog"] == (5.0, 6.0)  # as it is written, before lower case
    assert found["EMU"] == (7.0, 8.0)  # in lower case
    # Unknown words have the mean of those found that are spelled alike, or of all where there are none.
    assert found["<Title>"] == (5.0, 6.0)
    assert found["cow"] == found["<other>"] == (1.0, 2.0)
    assert found["<number>"] == found["x1"] == pytest.approx((13 / 3, 16 / 3))
    assert torch.equal(vectors, vectors_of(small_texts, str(tmp_path / name)))  # an absolute path


def test_how_many_words_a_file_has_is_said_once(small_texts, tmp_path, caplog):
    glove(tmp_path / "v.txt")
    for _ in range(2):
        vectors_of(small_texts, "v.txt", tmp_path)
    assert caplog.messages == [f"vectors: {tmp_path}/v.txt has 3 of the 5 words of the training texts"]


def test_an_empty_file_is_named(small_texts, tmp_path):
    (tmp_path / "v.txt").touch()
    with pytest.raises(DataError, match=r"^vectors: .*v\.txt is empty$"):
        vectors_of(small_texts, "v.txt", tmp_path)


def test_a_web_page_in_place_of_vectors_is_named(small_texts, tmp_path):
    (tmp_path / "v.txt").write_text("<!DOCTYPE html>\n<html>Sign in</html>\n")
    message = r"/v\.txt: is a web page, not the data; download it again$"
    with pytest.raises(DataError, match=message):
        vectors_of(small_texts, "v.txt", tmp_path)


def test_a_changed_file_gives_other_vectors(small_texts, tmp_path):
    glove(tmp_path / "v.txt")
    before = vectors_of(small_texts, "v.txt", tmp_path).clone()
    glove(tmp_path / "v.txt", {"cat": (10.0, 20.0)})
    assert not torch.equal(vectors_of(small_texts, "v.txt", tmp_path), before)


def test_a_set_of_gensims_downloader_is_read_and_its_code_is_not_run(small_texts, tmp_path, monkeypatch):
    import gensim.downloader

    # As the downloader leaves it, with the module that it would import.
    folder = tmp_path / "gensim-data" / "glove-twitter-25"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('downloaded code was run')\n")
    with gzip.open(folder / "glove-twitter-25.gz", "wt") as file:
        file.writelines([f"{len(ROWS)} 2\n", *(f"{word} {x} {y}\n" for word, (x, y) in ROWS.items())])
    (tmp_path / "gensim-data" / "information.json").write_text(
        '{"corpora": {}, "models": {"glove-twitter-25": {"file_name": "glove-twitter-25.gz"}}}'
    )
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path / "gensim-data"))
    monkeypatch.setattr(gensim.downloader, "DATA_LIST_URL", "http://127.0.0.1:9/none")
    assert vectors_of(small_texts, "glove-twitter-25")[N_SPECIAL].tolist() == [1.0, 2.0]


def test_a_set_that_cannot_be_had_says_what_to_do(small_texts, tmp_path, monkeypatch):
    import gensim.downloader

    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path / "nothing"))
    monkeypatch.setattr(gensim.downloader, "DATA_LIST_URL", "http://127.0.0.1:9/none")
    with pytest.raises(DataError, match=r"^vectors: 'glove-twitter-25' cannot be loaded .*; give 'train'"):
        vectors_of(small_texts, "glove-twitter-25")


def test_a_zip_archive_is_to_be_unpacked(small_texts, tmp_path):
    (tmp_path / "v.zip").write_bytes(b"PK")
    advice = r"unpack it \(unzip v\.zip\), and give one of its files"
    with pytest.raises(DataError, match=rf"^vectors: {tmp_path}/v\.zip: {advice}$"):
        vectors_of(small_texts, "v.zip", tmp_path)


@pytest.mark.parametrize("choice", ["none.txt", "none.zip", "folder/none"])
def test_a_missing_file_is_named(choice, small_texts, tmp_path):
    with pytest.raises(DataError, match=f"^vectors: {tmp_path}/{choice}: no such file"):
        vectors_of(small_texts, choice, tmp_path)


def test_a_file_of_another_kind_is_named(small_texts, tmp_path):
    (tmp_path / "v.txt").write_text("cat one two\n")
    reason = r"\(the first lines have no numbers after the word\)"
    with pytest.raises(
        DataError, match=rf"^vectors: .*v\.txt is not in word2vec's or GloVe's format {reason}$"
    ):
        vectors_of(small_texts, "v.txt", tmp_path)
    glove(tmp_path / "v.txt", {"other": (1.0, 2.0)})
    with pytest.raises(DataError, match="has none of the words of the training texts"):
        vectors_of(small_texts, "v.txt", tmp_path)
    glove(tmp_path / "v.txt", {"cat": (1.0, float("nan"))})
    with pytest.raises(DataError, match=r"v\.txt: the vector of 'cat' is not finite"):
        vectors_of(small_texts, "v.txt", tmp_path)


def test_heads_must_divide_the_vectors(made_data, tmp_path):
    (tmp_path / "v.txt").write_text("the 1 2 3\ngood 1 2 3\n")
    trainable = IMDB(made_data)
    hyperparameters = trainable.Hyperparameters(vectors=str(tmp_path / "v.txt"))
    with pytest.raises(DataError, match="has 3 dimensions, must be a multiple of 5"):
        trainable.prepare(hyperparameters)
    trainable.prepare(trainable.Hyperparameters(vectors=str(tmp_path / "v.txt"), model="recurrent"))


def test_vectors_are_part_of_the_data_fingerprint(made_data):
    task = [CASES["imdb"](made_data, vectors=choice).start().task for choice in (WORDS["vectors"], "train")]
    assert task[0].data_fingerprint != task[1].data_fingerprint


@pytest.mark.parametrize("name", ["imdb", "conll2003"])
@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_vectors_stay_and_others_learn(name, freeze, data_dir):
    training = CASES[name](data_dir, freeze_vectors=freeze).noisy("after_all")
    before = training.task.model.embedding.weight.detach().clone()
    next(iter(training))
    assert torch.equal(training.task.model.embedding.weight, before) == freeze


@pytest.mark.parametrize("name", ["imdb", "conll2003"])
def test_test_texts_are_whole_cut_as_in_training_and_of_its_vocabulary(name, data_dir):
    case = CASES[name](data_dir)
    task, stored = case.start().task, case.trainable.load("test")
    limit = case.trainable.max_words(case.hyperparameters)
    expected = sorted(
        stored.words[begin:end].tolist()[:limit] for begin, end in pairwise(stored.starts.tolist())
    )
    found = [row[row != 0].tolist() for batch in task.evaluation_batches("test") for row in batch.inputs]
    assert sorted(found) == expected
    assert stored.vocabulary.read_text() == case.trainable.load("train").vocabulary.read_text()


def test_the_test_texts_of_a_classifier_are_scored_one_by_one(data_dir):
    case = CASES["imdb"](data_dir, train_subset=8)
    task, stored = case.start().task, case.trainable.load("test")
    task.model.eval()
    losses, right = [], []
    for (begin, end), target in zip(pairwise(stored.starts.tolist()), stored.targets, strict=True):
        words = stored.words[begin:end][: case.hyperparameters.max_words].long()
        logits = task.model(words[None]).detach()
        losses.append(float(F.cross_entropy(logits, target[None])))
        right.append(bool(logits.argmax() == target))
    scores = task.evaluate("test")
    assert scores["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert scores["accuracy"] == pytest.approx(np.mean(right))
    # Batches are sorted by length, these are in the order of the split.
    assert task.correct.tolist() == right


def test_a_subset_that_is_not_there_is_refused(made_data):
    for name, n_training in (("imdb", 270), ("conll2003", 200)):
        case = CASES[name](made_data, train_subset=n_training)
        case.trainable.prepare(case.hyperparameters)
        case = CASES[name](made_data, train_subset=n_training + 1)
        with pytest.raises(
            DataError, match=f"at most the {n_training} training examples, got {n_training + 1}"
        ):
            case.trainable.prepare(case.hyperparameters)


# Scores


def test_f1_counts_entities_with_exact_words_and_kind():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-ORG", "O"]]
    assert entity_f1(gold, gold) == 1.0
    # One right of three, one of them too short, one of another kind: precision 1/3, recall 1/3.
    assert entity_f1(gold, [["B-PER", "O", "O", "B-LOC"], ["B-MISC", "O"]]) == pytest.approx(1 / 3)
    # Two of three found and none wrong: precision 1, recall 2/3.
    assert entity_f1(gold, [["B-PER", "I-PER", "O", "B-LOC"], ["O", "O"]]) == pytest.approx(0.8)
    assert entity_f1(gold, [["O"] * 4, ["O"] * 2]) == 0.0


@pytest.mark.parametrize("split", ["validation", "test"])
def test_scores_and_loss_of_a_tagger_are_over_words_not_padding(split, data_dir):
    training = CASES["conll2003"](data_dir).start()
    next(iter(training))
    task = training.task
    task.model.eval()
    scores = task.evaluate(split)
    texts = task._validation if split == "validation" else task._test()
    losses, right, gold, found = [], [], [], []
    for index in range(len(texts)):  # one sentence at a time: no padding
        batch = texts.batch(np.array([index]))
        logits = task.model(batch.inputs).detach()[0]
        assert (batch.targets != IGNORED).all()
        losses += F.cross_entropy(logits, batch.targets[0], reduction="none").tolist()
        right += (logits.argmax(1) == batch.targets[0]).tolist()
        gold.append([TAGS[tag] for tag in batch.targets[0].tolist()])
        found.append([TAGS[tag] for tag in logits.argmax(1).tolist()])
    assert scores["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert scores["token_accuracy"] == pytest.approx(np.mean(right))
    assert scores["f1"] == pytest.approx(entity_f1(gold, found))


def test_the_training_loss_of_a_tagger_is_the_mean_over_words(data_dir):
    training = CASES["conll2003"](data_dir, lr=1e-12, dropout=0.0, epochs=1).start()
    (metrics,) = training
    batches = training.task.sample(10**6)
    words = [
        F.cross_entropy(training.task.model(b.inputs).flatten(0, 1), b.targets.flatten(), reduction="sum")
        for b in batches
    ]
    expected = float(sum(words).detach()) / float(sum(b.weight for b in batches))
    assert metrics["train_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["conll2003", "imdb"])
def test_preparing_draws_no_random_numbers_of_the_caller(name, made_data):
    case = CASES[name](made_data)
    before = torch.get_rng_state()
    case.trainable.prepare(case.hyperparameters)
    assert torch.equal(torch.get_rng_state(), before)
