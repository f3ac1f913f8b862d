"""Checks texts and their classes, whatever files they come from, and numbers the classes."""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

from trainables.data import ContentError
from trainables.data.classes import Classes

# The texts of a split, and the class of each; or the lists of words, and the lists of their classes.
Content = tuple[Sequence[Any], Sequence[Any]]


def checked_texts(content: Content, classes: Classes) -> tuple[list[str], list[int]]:
    """Return texts, and the index of the class of each.

    Raises:
        ContentError: If a text or a class cannot be used, or all have one class; the text names the row.
    """
    texts, labels = content
    indices = []
    for row, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
        if not isinstance(text, str):
            raise ContentError(f"the text {_not('a string', text)}", row)
        try:
            indices.append(classes.index(label))
        except ContentError as error:
            raise ContentError(f"the label {error}", row) from None
    _check_classes(indices, classes, "texts have the label")
    return list(texts), indices


def checked_sentences(content: Content, classes: Classes) -> tuple[list[list[str]], list[list[int]]]:
    """Return sentences as words, and the index of the tag of each word, in the form IOB2.

    An empty sentence is left out. Named tags in the form IOB1, whose entities begin with ``I-``, are
    converted.

    Raises:
        ContentError: If a sentence or a tag cannot be used, or all tags are one; the text names the row.
    """
    sentences, tags = [], []
    for row, (words, targets) in enumerate(zip(*content, strict=True), start=1):
        try:
            _check_words(words, targets)
            if words:
                sentences.append(list(words))
                tags.append(_tags(words, targets, classes))
        except ContentError as error:
            raise ContentError(error.message, row) from None
    _check_classes(list(chain(*tags)), classes, "words have the tag")
    return sentences, tags


def _check_words(words: Any, tags: Any) -> None:
    for name, given in (("words", words), ("tags", tags)):
        if not isinstance(given, list):
            problem = "are missing" if given is None else f"must be a list, got {_shown(given)}"
            raise ContentError(f"the {name} {problem}")
    if len(words) != len(tags):
        raise ContentError(f"the sentence {_shown(words)} has {len(words)} words and {len(tags)} tags")
    for number, word in enumerate(words, start=1):
        if not isinstance(word, str):
            raise ContentError(f"word {number} of {_shown(words)} {_not('a string', word)}")


def _tags(words: Sequence[str], given: Sequence[Any], classes: Classes) -> list[int]:
    indices = []
    for word, tag in zip(words, given, strict=True):
        try:
            indices.append(classes.index(tag))
        except ContentError as error:
            raise ContentError(f"the tag of {_shown(word)} {error}") from None
    begun = as_iob2([classes.names[index] for index in indices])
    for word, tag, index, wanted in zip(words, given, indices, begun, strict=True):
        if wanted != classes.names[index] and not classes.is_named(tag):
            raise ContentError(
                f"the tag {index} of {_shown(word)} is read as {classes.names[index]}, which must follow "
                f"{wanted} or itself; if the tags are numbered in another order, give them by name"
            )
    return [classes.names.index(tag) for tag in begun]


def as_iob2(tags: Sequence[str]) -> list[str]:
    """Begin each entity with ``B-``; IOB1 does so only where it follows another of its kind."""
    return [
        f"B-{tag[2:]}" if tag[:2] == "I-" and before[1:] != tag[1:] else tag
        for before, tag in pairwise(("O", *tags))
    ]


def _check_classes(indices: Sequence[int], classes: Classes, what: str) -> None:
    if not indices:
        raise ContentError("there are no texts")
    if len(set(indices)) == 1:
        name = classes.names[indices[0]]
        raise ContentError(f"all {what} {name}; a classifier needs two classes or more")


def _not(kind: str, value: Any) -> str:
    return "is missing" if value is None else f"must be {kind}, got {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
