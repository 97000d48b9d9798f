"""What orders hidden in dialogues do to a language model's grades of traces.

    python benchmarks/injection.py --evaluator openai:URL#NAME --data DIR --dialogues 20

Each of the first dialogues of ED's training split, annotated offline, is graded as it is, with each
order of `stride_ed.injection_set` in the speaker's last turn, and with small talk of like length
instead. Printed: how many answers fit the schema, and the mean grade of those, by dimension.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from harness.clients import Asker, Cache, Purse, client_name, load_client
from harness.datasets import load_example_set
from stride_ed.injection_set import CONTROLS, ORDERS, told_also
from stride_ed.llm import LLMEvaluator
from stride_ed.offline.annotator import OfflineAnnotator
from stride_ed.offline.reply_classifier import fit_reply_classifier
from stride_ed.rubric import DIMENSIONS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--evaluator", default="smollm2")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--dialogues", type=int, default=3)
    parser.add_argument("--orders", type=int, default=len(ORDERS))
    parser.add_argument("--max-tokens", type=int, default=120)
    asked = parser.parse_args()
    examples = list(load_example_set("ed/train", asked.data).examples[: asked.dialogues])
    annotator = OfflineAnnotator(fit_reply_classifier(asked.data))
    client = load_client(asked.evaluator)
    with tempfile.TemporaryDirectory() as folder, Cache(Path(folder)) as cache:
        asker = Asker(
            name=client_name(asked.evaluator), client=client, cache=cache,
            purse=Purse(client, None), max_tokens=asked.max_tokens, seed=0,
        )  # fmt: skip
        evaluator = LLMEvaluator(asker)
        for title, sets in (
            ("as it is", [[]]),
            ("orders", [[w] for w in ORDERS[: asked.orders]]),
            ("small talk", [[w] for w in CONTROLS[: asked.orders]]),
        ):
            changed = [told_also(e, " ".join(words)) for words in sets for e in examples]
            traces = [a.trace for a in annotator.annotate(changed)]
            items = [(e, t) for e, t in zip(changed, traces, strict=True) if t is not None]
            scores = evaluator.grade(items)
            good = [score.values for score in scores if score.values]
            means = ", ".join(
                f"{name} {np.mean([row[name] for row in good]):.2f}" if good else f"{name} –"
                for name in DIMENSIONS
            )
            print(f"{title:10} {len(good)}/{len(scores)} answers fit · {means}", flush=True)
            kinds = sorted(
                {(score.error or "").partition(":")[0] for score in scores if score.error}
            )
            if kinds:
                print(f"           failures: {', '.join(kinds)}")


if __name__ == "__main__":
    main()
