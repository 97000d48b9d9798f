"""Published evaluators' own definitions, kept exactly, so that their tables can be reproduced.

One module per evaluator, with what it does otherwise than the harness in its profile:

    moses      MoEL, MIME: multi-bleu.perl
    empdg      EmpDG: macro n-gram precisions
    kemp       KEMP: BLEU of TensorFlow's nmt tutorial, labels stripped letter by letter
    cem        CEM, ESCM, CASE: Dist-n on NLTK's words
    cab        CAB: BLEU with 0.0001 added, glued n-grams
    dcks       DCKS: NLTK BLEU, ROUGE without articles, mean of perplexities
    stride_ed  STRIDE-ED: DCKS's file on texts cleaned unevenly, substring accuracy
    esconv     ESConv and its family: NLTK BLEU method 3, Dist-n without the last n-gram
    nlg_eval   nlg-eval: coco-caption's BLEU, ROUGE-L, CIDEr
    empgpt3    EmpGPT-3: Dist-n within each reply

`reading` says what of an example is scored, `words` how text is cut, `nltk_bleu` and `common` hold
what several of them share. Facts were read in the named repositories; the code is our own.
"""

from __future__ import annotations

from harness.metrics.legacy import (
    cab,
    cem,
    dcks,
    empdg,
    empgpt3,
    esconv,
    kemp,
    moses,
    nlg_eval,
    stride_ed,
)
from harness.metrics.profile import Profile

__all__ = ["LEGACY"]

LEGACY: tuple[Profile, ...] = (
    moses.MOEL,
    moses.MIME,
    empdg.PROFILE,
    kemp.PROFILE,
    cem.PROFILE,
    cab.PROFILE,
    dcks.PROFILE,
    stride_ed.PROFILE,
    esconv.PROFILE,
    nlg_eval.PROFILE,
    empgpt3.PROFILE,
)
