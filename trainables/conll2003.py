"""CoNLL-2003: named entities in English news, 14,041 training, 3,250 validation and 3,453 test sentences."""

from collections.abc import Sequence

import torch
from nervaluate import Evaluator
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from trainables.data.classes import Classes
from trainables.data.padding import IGNORED
from trainables.data.text import TextDataset
from trainables.data.text_files import ConllFiles
from trainables.declarations import texts as declared
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.texts import TextHyperparameters
from trainables.models.recurrent import BidirectionalTagger
from trainables.texts import TextTask, TextTrainable

ENTITIES = ("PER", "ORG", "LOC", "MISC")
TAGS = ("O", *(f"{place}-{entity}" for entity in ENTITIES for place in "BI"))  # IOB2


class TaggingTask(TextTask):
    """A tagger of words; neither its loss nor its scores count padding."""

    @override
    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """Scores of a whole split.

        Returns:
            ``loss`` (mean cross-entropy over words, nats), ``token_accuracy`` (fraction of words) and
            ``f1`` (of ``entity_f1``).
        """
        losses, gold, predicted, lengths = [], [], [], []
        for batch in self.evaluation_batches(split):
            logits, targets = self.model(batch.inputs).flatten(0, 1), batch.targets.flatten()
            losses.append(F.cross_entropy(logits, targets, reduction="sum"))
            gold.append(targets)
            predicted.append(logits.argmax(1))
            lengths.append((batch.targets != IGNORED).sum(1))
        targets, chosen = torch.cat(gold), torch.cat(predicted)
        is_word = targets != IGNORED
        gold_tags, predicted_tags = targets[is_word], chosen[is_word]
        return {
            "loss": float(torch.stack(losses).sum()) / len(gold_tags),
            "token_accuracy": float((gold_tags == predicted_tags).double().mean()),
            "f1": entity_f1(*(_sentences(tags, torch.cat(lengths)) for tags in (gold_tags, predicted_tags))),
        }


def entity_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """F1 over all entities, 0 to 1, as in CoNLL-2003: an entity counts only if its words and its kind match.

    Args:
        gold: The true tags of each sentence, IOB2.
        predicted: The predicted tags, IOB2.
    """
    evaluator = Evaluator(gold, predicted, tags=list(ENTITIES), loader="list")
    return float(evaluator.evaluate()["overall"]["strict"].f1)


def _sentences(tags: Tensor, lengths: Tensor) -> list[list[str]]:
    return [[TAGS[tag] for tag in sentence.tolist()] for sentence in tags.split(lengths.tolist())]


class CoNLL2003(declared.CoNLL2003, TextTrainable[TextHyperparameters]):
    # The published words are used as they are: their capitals mark names.
    dataset = TextDataset(
        declared.CoNLL2003.source.origin,
        text="tokens",
        target="ner_tags",
        tagged=True,
        classes=Classes(TAGS),
        tokenise=list,
        min_count=2,
        held_out=False,
        forms=(ConllFiles(),),
    )
    vector_epochs = 20
    Task = TaggingTask

    @override
    def network(self, hyperparameters: TextHyperparameters, embedding: nn.Embedding) -> nn.Module:
        """Build a module from word IDs (B, T) to logits (B, T, 9)."""
        hp = hyperparameters
        return BidirectionalTagger(
            embedding, cell=hp.cell, hidden=hp.hidden, layers=hp.layers, dropout=hp.dropout, classes=len(TAGS)
        )
