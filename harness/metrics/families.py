"""Metrics that need a model or a resource of their own: made on demand, `NAME` or `NAME:ARGUMENT`.

They are never part of what `score` shows unasked, since they cost minutes where the others cost
seconds. `--metrics default,bertscore` adds one with its default model, `bertscore:FOLDER` with
another. What a family makes is a tuple of ordinary `Metric`s whose signatures name the model and
its hash. Imported by the command line: makers are named here and loaded when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from harness.metrics.contract import Metric

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of metrics; `maker` is `module:function`, a function of the argument ("" if none).

    `argument` says what may stand after the colon.
    """

    name: str
    description: str
    argument: str
    maker: str

    def make(self, argument: str = "") -> tuple[Metric, ...]:
        """The family's metrics.

        Raises:
            InputError: the argument names no usable model or resource.
        """
        module, _, function = self.maker.partition(":")
        make: Callable[[str], tuple[Metric, ...]] = getattr(import_module(module), function)
        return make(argument)


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="bertscore",
            description="Greedy matching of contextual token vectors of reply and reference: "
            "precision, recall, F1 (Zhang et al. 2020).",
            argument="folder or id of an encoder, then @LAYER; default the packaged MiniLM",
            maker="harness.metrics.neural.bertscore:make",
        ),
        Family(
            name="similarity",
            description="Cosine of the sentence vectors of reply and reference.",
            argument="folder or id of a sentence encoder; default the packaged MiniLM",
            maker="harness.metrics.neural.similarity:make_similarity",
        ),
        Family(
            name="relevance",
            description="Cosine of the sentence vectors of reply and context.",
            argument="folder or id of a sentence encoder; default the packaged MiniLM",
            maker="harness.metrics.neural.similarity:make_relevance",
        ),
        Family(
            name="ppl_scorer",
            description="Perplexity of the *reply*, given its context, under an outside language "
            "model: how expected it is, not how good.",
            argument="a --model specification such as hf:PATH; default the bundled SmolLM2",
            maker="harness.metrics.neural.scorer:make",
        ),
        Family(
            name="epitome",
            description="EPITOME's three mechanisms of empathy (Sharma et al. 2020), levels 0-2, "
            "and their distance to the reference's (diff-EPITOME, Lee et al. 2022).",
            argument="folder of a classifier fitted by `empathy-bench train epitome`",
            maker="harness.metrics.neural.epitome:make",
        ),
        Family(
            name="meteor",
            description="METEOR (Banerjee & Lavie 2005): exact words, stems, and synonyms where "
            "WordNet is at hand.",
            argument="folder of WordNet 3.0's dict files; default NLTK's data, else no synonyms",
            maker="harness.metrics.meteor:make",
        ),
    )
}
