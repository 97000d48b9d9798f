"""MIME on labels of one polarity, as ESConv's problem emotions are: the other side is one vector."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from baselines.neural.architecture import Architecture, Draw
from baselines.neural.batches import Encoded, collate
from baselines.neural.mime import MIME, NEGATIVE, POSITIVE, gaussian_kl
from baselines.neural.settings import Settings, assemble
from baselines.neural.training import train
from baselines.neural.vocabulary import SPECIAL
from harness import checkpoint
from harness.datasets import load_example_set
from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.errors import InputError
from tests.conftest import Cli

SIZES = Settings(kind="mime", width=16, heads=2, depth=8, filters=8, warm_up=10)
WORDS = len(SPECIAL) + 9
# emotion_type of the 1,300 dialogues of ESConv.json.
PROBLEMS = (
    *("anger", "anxiety", "depression", "disgust", "fear", "guilt"),
    *("jealousy", "nervousness", "pain", "sadness", "shame"),
)


def model(labels: tuple[str, ...] = PROBLEMS, *, seed: int = 0) -> MIME:
    made = assemble(replace(SIZES, seed=seed), vocabulary=WORDS, labels=labels)
    assert isinstance(made, MIME)
    return made


def rows(labels: int = len(PROBLEMS)) -> list[Encoded]:
    """Three contexts of different length."""
    return [
        Encoded(
            context=(len(SPECIAL), *(len(SPECIAL) + (i + j) % 9 for j in range(2 + i))),
            roles=(0, *(1,) * (2 + i)),
            target=(len(SPECIAL) + i, 3),
            label=i % labels,
        )
        for i in range(3)
    ]


def test_every_emotion_of_both_data_sets_has_one_polarity(real_data: Path) -> None:
    found = {
        dialogue["emotion_type"]
        for dialogue in json.loads((real_data / "esconv" / "ESConv.json").read_text())
    }
    assert found == set(PROBLEMS) <= NEGATIVE
    assert not NEGATIVE & POSITIVE and set(ED_EMOTIONS) <= NEGATIVE | POSITIVE


@pytest.mark.parametrize("labels", [PROBLEMS, ("joyful", "proud")])
def test_the_side_without_members_is_one_learnt_vector(labels: tuple[str, ...]) -> None:
    mime, batch = model(labels), collate(rows(len(labels)))
    side = int(labels == PROBLEMS)  # 0 positive, 1 negative
    memory, plain = mime.encode(batch), Architecture.encode(mime, batch)
    q, e = plain.states[:, 0], mime.vectors.weight
    own = mime.choose[side](mime.prior[side](q)[0]).softmax(-1) @ e
    m = mime.mimicking(plain.states, own, plain.seen)
    m_other = mime.contrary(plain.states, mime.memberless.repeat(3, 1), plain.seen)
    both = torch.cat([m, m_other], -1)
    expected = mime.refine(torch.sigmoid(mime.gate(both)) * both)
    assert torch.allclose(memory.states, expected, atol=1e-5)


def test_the_kl_is_of_the_one_latent_there_is() -> None:
    mime, batch = model(), collate(rows())
    draw = Draw(torch.Generator().manual_seed(3), 3)
    memory = mime.encode(batch, draw=draw)
    plain = Architecture.encode(mime, batch)
    q = plain.states[:, 0]
    mean, log_variance = mime.prior[1](q)
    noise = Draw(torch.Generator().manual_seed(3), 3).normal(SIZES.width)
    z = mean + noise * (0.5 * log_variance).exp()
    own = functional.softmax(mime.choose[1](z), dim=-1) @ mime.vectors.weight
    said = mime.mimicking(plain.states, own, plain.seen)
    weights = plain.seen[..., None].float()
    evidence = (said * weights).sum(1) / weights.sum(1)
    posterior = mime.posterior[1](torch.cat([q, evidence], -1))
    expected = gaussian_kl(posterior, (mean, log_variance))
    assert torch.allclose(memory.more["kl"], expected, rtol=1e-4, atol=1e-5)


def test_every_weight_of_one_polarity_learns() -> None:
    mime, batch = model(), collate(rows())
    memory = mime.encode(batch, draw=Draw(torch.Generator(), 3))
    logits = mime.logits(memory, batch.shifted, batch.target != 0)
    sum(value for value, _ in mime.terms(memory, batch).values()).add(logits.sum()).backward()
    learning = {n.split(".")[0] for n, p in mime.named_parameters() if p.grad is not None
                and p.grad.any()}  # fmt: skip
    assert learning >= {"memberless", "prior", "posterior", "choose", "query", "vectors"}


def test_both_polarities_have_no_such_vector_and_the_names_they_had() -> None:
    names = set(model(("angry", "joyful", "proud", "sad")).state_dict())
    assert "memberless" not in names
    latent = {f"{part}.{kind}" for part in ("hidden", "mean", "log_variance")
              for kind in ("weight", "bias")}  # fmt: skip
    for side in (0, 1):
        for module in ("prior", "posterior"):
            assert {f"{module}.{side}.{name}" for name in latent} <= names
        assert {f"choose.{side}.weight", f"choose.{side}.bias"} <= names


def test_strategies_have_no_polarity() -> None:
    with pytest.raises(InputError, match=r"'Question' is known as neither.*--label emotion"):
        model(ESCONV_STRATEGIES)


def test_a_quirk_of_two_latents_needs_two() -> None:
    mime = model()
    mime.quirks = frozenset({"shared-variance"})
    with pytest.raises(InputError, match="one polarity"):
        mime.learn_from([], None, {})  # type: ignore[arg-type]


def test_a_resumed_training_on_esconv_ends_in_the_same_weights(tmp_path: Path) -> None:
    learn = load_example_set("esconv/train-910-195-195", "sample").examples
    stop_by = load_example_set("esconv/valid-910-195-195", "sample").examples
    settings = replace(SIZES, batch_size=4, steps=8, validate_every=4, patience=9)
    train(learn, stop_by, tmp_path / "whole", settings=settings)
    train(learn, stop_by, tmp_path / "parts", settings=replace(settings, steps=4))
    train(learn, stop_by, tmp_path / "parts", settings=settings, resume=True)
    whole, parts = (checkpoint.load(tmp_path / n / checkpoint.LAST)[0] for n in ("whole", "parts"))
    assert whole.keys() == parts.keys() and "model.memberless" in whole
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_on_esconv_it_trains_on_emotions_and_answers(cli: Cli, tmp_path: Path) -> None:
    fitting = ("--width", 16, "--steps", 4, "--validate-every", 2, "--warm-up", 10)
    asked = ("train", "mime", "--dataset", "esconv", "--data", "sample", *map(str, fitting))
    refused = cli(*asked, "--output", "no")
    assert refused.returncode == 2 and "--label emotion" in refused.stderr
    done = cli(*asked, "--label", "emotion", "--output", "mime")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "mime" / "card.json").read_text())
    assert set(card["labels"]) <= set(PROBLEMS) and card["settings"]["label"] == "emotion"
    ran = cli("run", "--model", "trained:mime", "--task", "esconv_response", "--data", "sample",
              "--limit", "5", "--output", "runs", "--mlflow", "off")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    strategy = cli("run", "--model", "trained:mime", "--task", "esconv_strategy", "--data",
                   "sample", "--output", "runs2", "--mlflow", "off")  # fmt: skip
    assert strategy.returncode == 2 and "strategy" in strategy.stderr
