"""Networks over texts: what classifiers of texts and taggers of words share.

Shapes: V vocabulary, E embedding, B batch, T longest text of a batch, C classes.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from trainables.base import Trainable
from trainables.batch import Batch
from trainables.classifier import ClassifierTask
from trainables.data.padding import PaddedTexts
from trainables.data.splits import FIXED_SPLIT, Split, check_subset, seed_of_split, split_examples
from trainables.data.text import TextDataset, Texts
from trainables.data.vectors import load_vectors
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.texts import H, TextDeclaration

# Number of words that a saved network takes if its texts are not cut off.
LONGEST_SAVED = 128
_EVALUATION_BATCH = 256
# Second derivatives of a larger batch could run out of memory.
_SAMPLE_BATCH = 64


class TextTask(ClassifierTask):
    """A classifier of texts; a tagger of words overrides its scores."""

    def __init__(
        self,
        model: nn.Module,
        training: PaddedTexts,
        validation: PaddedTexts,
        test: Callable[[], PaddedTexts],
        fingerprint: str,
        device: torch.device,
    ) -> None:
        self.model = model.to(device)
        self.data_fingerprint = fingerprint
        self.n_examples = len(training)
        self._training, self._validation, self._test = training, validation, cache(test)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch of batches of texts of similar length, in a fresh order; one may be smaller."""
        return self._training.random_batches(batch_size, order)

    def sample(self, n_examples: int) -> list[Batch]:
        """At most ``n_examples`` training texts, the same in every trial."""
        return list(self._training.sorted_batches(_SAMPLE_BATCH, n_examples))

    @override
    def evaluation_batches(self, split: EvaluationSplit) -> Iterator[Batch]:
        texts = self._validation if split == "validation" else self._test()
        return texts.sorted_batches(_EVALUATION_BATCH)

    @override
    def in_order_of_split(self, values: Tensor) -> Tensor:
        by_length = torch.from_numpy(self._test().by_length())
        return values[by_length.argsort().to(values.device)]


class TextTrainable(TextDeclaration[H], Trainable[H]):
    """A dataset of texts with networks over word vectors.

    Attributes:
        dataset: The texts.
        vector_epochs: Passes over the training texts when word vectors are trained on them.
        Task: ``TextTask`` or a subclass.
    """

    dataset: ClassVar[TextDataset]
    vector_epochs: ClassVar[int]
    Task: ClassVar[type[TextTask]] = TextTask

    @abstractmethod
    def network(self, hyperparameters: H, embedding: nn.Embedding) -> nn.Module:
        """Build the freshly initialized architecture over word vectors (V, E), whose row 0 is padding."""

    def load(self, split: str) -> Texts:
        """Load a split, such as ``train``, from the machine's cache."""
        return self.dataset.load(split, self.data_dir)

    @override
    def prepare(self, hyperparameters: H, *, test: bool = False) -> None:
        # Building the model checks its word vectors; the caller's random numbers stay as they are.
        with torch.random.fork_rng(devices=[]):
            self.model(hyperparameters)
        check_subset(hyperparameters, len(self._split(None).train))
        if test:
            self.load("test")

    @override
    def model(self, hyperparameters: H) -> nn.Module:
        """Build a module from word IDs (B, T)."""
        return self.network(hyperparameters, self._embedding(hyperparameters))

    @override
    def task(self, hyperparameters: H, device: torch.device, split_seed: int) -> TextTask:
        seed = seed_of_split(hyperparameters, split_seed)
        train, split = self.load("train"), self._split(hyperparameters.train_subset, seed)
        validation = train if self.dataset.held_out else self.load("validation")
        embedding = self._embedding(hyperparameters, seed)
        padded = partial(PaddedTexts, max_words=self.max_words(hyperparameters), device=device)

        def test() -> PaddedTexts:
            texts = self.load("test")
            return padded(texts, torch.arange(len(texts)))

        return self.Task(
            self.network(hyperparameters, embedding),
            padded(train, split.train),
            padded(validation, split.validation),
            test,
            _fingerprint_of(train, embedding),
            device,
        )

    def max_words(self, hyperparameters: H) -> int | None:
        """Number of words at which a text is cut off; None cuts nothing."""
        return None

    @override
    def example_input(self, hyperparameters: H) -> Tensor:
        """Two texts of one unknown word, padded to the length T that a saved network takes: (2, T).

        The length is fixed because an exported recurrent layer is unrolled; padding changes no prediction.
        """
        texts = torch.zeros(2, self.max_words(hyperparameters) or LONGEST_SAVED, dtype=torch.long)
        texts[:, 0] = 1
        return texts

    @override
    def companions(self, hyperparameters: H) -> list[Path]:
        """The vocabulary, which maps words to IDs: one word a line, the first has ID 0."""
        return [self.load("train").vocabulary]

    def _split(self, train_subset: int | None, seed: int = FIXED_SPLIT) -> Split:
        n_training = len(self.load("train"))
        if self.dataset.held_out:
            return split_examples(n_training, train_subset, seed=seed)
        n_validation = len(self.load("validation"))
        training = split_examples(n_training, train_subset, validation_fraction=0.0).train
        return Split(training, torch.arange(n_validation))

    def _embedding(self, hyperparameters: H, seed: int = FIXED_SPLIT) -> nn.Embedding:
        training = self._split(None, seed).train
        vectors = load_vectors(
            hyperparameters.vectors, self.load("train"), training, self.vector_epochs, self.data_dir
        ).to(torch.get_default_dtype())
        return nn.Embedding.from_pretrained(vectors, freeze=hyperparameters.freeze_vectors, padding_idx=0)


def _fingerprint_of(train: Texts, embedding: nn.Embedding) -> str:
    vectors = embedding.weight.detach().numpy().tobytes()
    return hashlib.sha256(train.fingerprint.encode() + vectors).hexdigest()[:16]
