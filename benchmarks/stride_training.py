"""Speed of STRIDE-ED's training, as ratios in the same run.

    python benchmarks/stride_training.py [--data DIR] [--model FOLDER] [--only sft|ppo]

PPO: answer tokens a second over whole steps, against TRL's RLOO on the same model, adapters,
prompts, batch of answers and longest answer. PPO trains a critic as well; RLOO has none.
SFT: rows a second with batches of like lengths (`--grouped`) against plain padding, on ED's own
lengths: traced and response-only rows, one to one, of real dialogues where --data has them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from harness.datasets import load_example_set
from harness.dialogue import Example
from harness.parallel import World
from harness.training_log import TrainingLog
from harness.tuning.bases import Base, find_base, load_base, quieten
from harness.tuning.loop import Fitting, fit
from harness.tuning.tokens import Rows
from stride_ed.strategies import STRATEGIES
from stride_ed.trace import STAGES, Trace, plain
from stride_ed.training.practice import Session
from stride_ed.training.questions import judge_of, questions
from stride_ed.training.rows import make_rows
from stride_ed.training.settings import PpoSettings
from stride_ed.training.variants import FULL

SFT_ROWS, STEPS = 256, 3
Items = list[tuple[Example, Trace]]


def traced(data: str, count: int) -> Items:
    """Traces in the manner of the offline annotator's, of ED's first training turns."""
    names = list(STRATEGIES)
    found: Items = []
    for number, example in enumerate(load_example_set("ed/train", data).limited(count)):
        assert example.emotion is not None
        strategy = names[number % len(names)]
        told = " ".join(plain(example.context[-1].text).split()[:20])
        trace = Trace(
            context=f"The speaker tells: “{told}”",
            emotion=example.emotion,
            strategy=strategy,
            action=STRATEGIES[strategy].action,
            response=plain(example.reference) or "Oh.",
        )
        found.append((example, trace))
    return found


def fitting(steps: int, *, grouped: bool) -> Fitting:
    return Fitting(
        kind="causal", steps=steps, batch_size=16, accumulate=1, rate=1e-4, warm_up=0.1,
        validate_every=steps, patience=9, gradient_checkpointing=False, seed=0, device="cpu",
        grouped=grouped,
    )  # fmt: skip


def sft_seconds(base: Base, rows: Rows, *, grouped: bool) -> float:
    """Seconds of one pass, without the validation at its end."""
    model, tokenizer = load_base(base, "causal")
    steps = len(rows) // 16
    began, ended = time.perf_counter(), 0.0

    def show(step: Any) -> None:
        nonlocal began, ended
        if step.done == 1:
            began = time.perf_counter()  # warm by now
        ended = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fit(
            model, tokenizer, rows, Rows(rows.rows[:1]), place,
            fitting=fitting(steps, grouped=grouped), log=TrainingLog(place), show=show,
        )  # fmt: skip
    return (ended - began) / (steps - 1) * steps


def sft(base: Base, data: str) -> None:
    items = traced(data, 2 * SFT_ROWS)
    _, tokenizer = load_base(base, "causal")
    rows = make_rows(items[:SFT_ROWS], [e for e, _ in items[SFT_ROWS:]], STAGES, tokenizer,
                     longest=2048)  # fmt: skip
    lengths = [len(row["input_ids"]) for row in rows.rows]
    print(f"SFT: {len(rows)} rows, {sum(lengths) / len(rows):.0f} tokens, longest {max(lengths)}")
    found = {name: sft_seconds(base, rows, grouped=grouped)
             for name, grouped in (("plain padding", False), ("like lengths", True))}  # fmt: skip
    for name, seconds in found.items():
        print(f"  {name:14} {len(rows) / seconds:6.2f} rows/s")
    print(f"  ratio          {found['plain padding'] / found['like lengths']:6.2f}")


def settings(batch: int, longest: int) -> PpoSettings:
    return PpoSettings(
        sft="", steps=STEPS, batch_size=batch, mini_batch=batch, micro_batch=8, max_prompt=512,
        max_response=longest, rate=1e-5, critic_rate=1e-5, validate_every=999, validate_size=1,
        save_every=999,
    )  # fmt: skip


def session(base: Base, items: Items, wanted: PpoSettings, folder: Path) -> Session:
    model, tokenizer = load_base(base, "causal")
    asked = questions(items, tokenizer=tokenizer, variant=FULL, longest=512)
    return Session(
        model=model.eval(), tokenizer=tokenizer, train=asked, valid=asked, variant=FULL,
        settings=wanted, output=folder, device="cpu", world=World(), log=TrainingLog(folder),
        show=lambda step: None,
    )  # fmt: skip


def our_speed(base: Base, items: Items, wanted: PpoSettings) -> float:
    """Answer tokens a second of whole PPO steps, after one to warm up."""
    from stride_ed.training.ppo.loop import prompts_of_step
    from stride_ed.training.ppo.policy import make_policy
    from stride_ed.training.ppo.rollout import ending
    from stride_ed.training.ppo.step import make_learner, take_step
    from stride_ed.training.questions import stops_of

    given = session(base, items, wanted, Path(tempfile.mkdtemp()))
    policy = make_policy(given.model, given.tokenizer, lora=True, rank=16, alpha=32)
    learner = make_learner(
        policy, ended=ending(given.tokenizer, stops_of(given.tokenizer)),
        judge=judge_of(given.train.items, FULL), settings=wanted, world=World(),
    )  # fmt: skip
    tokens = seconds = 0.0
    for number in range(STEPS + 1):
        chosen = prompts_of_step(given.train.prompts, number, batch_size=wanted.batch_size, seed=0)
        began = time.perf_counter()
        found = take_step(learner, chosen, number, wanted.kl)
        if number:
            seconds += time.perf_counter() - began
            tokens += found["length"] * wanted.batch_size
    return tokens / seconds


def their_speed(base: Base, items: Items, wanted: PpoSettings) -> float:
    """The same of TRL's RLOO."""
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    from stride_ed.training.trl_algorithms import make_trainer

    given = session(base, items, wanted, Path(tempfile.mkdtemp()))
    trainer = make_trainer(given, RLOOTrainer, RLOOConfig, STEPS + 1)
    times, lengths = [time.perf_counter()], []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if "completions/mean_length" in kwargs["logs"]:
                times.append(time.perf_counter())
                lengths.append(float(kwargs["logs"]["completions/mean_length"]))

    trainer.add_callback(Clock())
    trainer.train()
    return sum(lengths[1:]) * wanted.batch_size / (times[-1] - times[1])


def ppo(base: Base, data: str, batch: int, longest: int) -> None:
    items, wanted = traced(data, 64), settings(batch, longest)
    ours, theirs = our_speed(base, items, wanted), their_speed(base, items, wanted)
    print(f"PPO: {batch} answers a step, at most {longest} tokens")
    print(f"  TRL's RLOO     {theirs:6.1f} tokens/s")
    print(f"  our PPO        {ours:6.1f} tokens/s")
    print(f"  ratio          {ours / theirs:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="sample")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--only", choices=["sft", "ppo"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--longest", type=int, default=96)
    given = parser.parse_args()
    quieten()
    torch.manual_seed(0)
    base = find_base(given.model)
    if given.only != "ppo":
        sft(base, given.data)
    if given.only != "sft":
        ppo(base, given.data, given.batch, given.longest)


if __name__ == "__main__":
    main()
