"""Word vectors in the files in which they are published."""

import pytest

from trainables.data import ContentError
from trainables.data.vector_files import read_vectors

GOOD = "the 0.5 1 2\ncat 3 4 5\n"
VECTORS = {"the": [0.5, 1, 2], "cat": [3, 4, 5]}


def read(tmp_path, text, wanted=("the", "cat", "New York")):
    (tmp_path / "v.txt").write_bytes(text.encode())
    return {word: vector.tolist() for word, vector in read_vectors(tmp_path / "v.txt", {*wanted}).items()}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        # Words of GloVe's vectors of 840 billion words.
        f"{GOOD}. . . 6 7 8\nat name@domain.com 6 7 8\n",
        f". . . 6 7 8\n{GOOD}",
        f"1 6 7 8\n{GOOD}",
        # A first word that ends in a number.
        f"Windows 95 6 7 8\n{GOOD}",
        f"\ufeff{GOOD}",
        f"\ufeff2 3\n{GOOD}",
        f"\n{GOOD}",
        f" \n2 3\n{GOOD}",
        # A word that is a blank, and words with blanks of Unicode.
        f"{GOOD} 6 7 8\na\u00a0b 6 7 8\n\u0085 6 7 8\n\u2028 6 7 8\n",
        f"{GOOD}\n",
        f"{GOOD}\n \n\n",
        GOOD.rstrip(),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", " \n"),
        GOOD.replace(" ", "\t"),
        # The first vector of a word counts.
        f"{GOOD}cat 9 9 9\n",
        f"2 3\n{GOOD}",
        f"2 3\n{GOOD}\n",
    ],
)
def test_vectors_are_read_from_the_right(text, tmp_path):
    assert read(tmp_path, text) == VECTORS


@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_words_may_have_blanks(header, tmp_path):
    assert read(tmp_path, f"{header}{GOOD}New York 6 7 8\n") == VECTORS | {"New York": [6, 7, 8]}


def test_a_word_that_is_not_wanted_is_not_kept(tmp_path):
    assert read(tmp_path, GOOD, wanted=["cat"]) == {"cat": [3, 4, 5]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{GOOD}dog 6 7", "line 3 has no word with 3 numbers"),
        (f"{GOOD}dog 6 7 8\n6 7 8\n", "line 4 has no word with 3 numbers"),
        (GOOD.replace("4", "x"), "line 2: could not convert string to float: b'x'"),
        (f"2 3\n{GOOD.replace('4', 'x')}", "line 3: could not convert string to float: b'x'"),
        (f"3 3\n{GOOD}", "the first line promises 3 words, but there are 2"),
        (f"1 3\n{GOOD}", "the first line promises 1 words, but there are 2"),
        ("\n\n", "the first lines have no numbers after the word"),
        ("<html>\n<body>\n", "the first lines have no numbers after the word"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text, message, tmp_path):
    with pytest.raises(ContentError, match=f"^{message}$"):
        read(tmp_path, text)
