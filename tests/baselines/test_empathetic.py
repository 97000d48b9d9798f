"""EmpDG, its critics, CEM and the pointer against their equations; the files that they are given."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import chi2, power_divergence

from baselines.neural.adversarial import Critics, evidence, feedback_texts, penalty
from baselines.neural.architecture import Architecture
from baselines.neural.batches import Encoded, collate
from baselines.neural.cem import CEM, RELATIONS, diversity_weights
from baselines.neural.empdg import EmpDG, emotional_words, kept_words, lexicon_words
from baselines.neural.files import fill_vectors, read_relations
from baselines.neural.pointer import Pointer
from baselines.neural.settings import Settings, assemble
from baselines.neural.training import train
from baselines.neural.updates import Learner, update, word_scores
from baselines.neural.vocabulary import CLS, EOS, PAD, SPECIAL, UNK, build
from harness import checkpoint
from harness.datasets import load_example_set
from harness.dialogue import Example, Turn
from harness.errors import DataError, InputError, ModelError
from harness.parallel import World
from tests.baselines.test_neural import COMMAND, LABELS, STOP, TINY, C, V, cli, rows, same, small

LEARN = load_example_set("ed/train", "sample").examples


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


# --- pointer


@given(st.integers(0, 50), st.integers(1, 6))
@hypothesis_settings(max_examples=25, deadline=None)
def test_saying_and_copying_sum_to_one(seed: int, count: int) -> None:
    model = small("transformer", pointer=True)
    batch = collate(rows(count, seed))
    with torch.inference_mode():
        logits = model.logits(model.encode(batch), batch.shifted, batch.target != PAD)
    assert torch.allclose(logits.exp().sum(-1), torch.ones(len(logits)), atol=1e-5)


def test_a_pointer_is_see_et_als_mixture() -> None:
    model = small("transformer", pointer=True)
    assert isinstance(model.pointer, Pointer)
    batch = collate(rows(3, 4))
    memory = model.encode(batch)
    wanted = batch.target != PAD
    states = model.states(memory, model.embedding(batch.shifted))
    found = model.logits(memory, batch.shifted, wanted).exp()
    n = 0
    for row in range(3):
        for at in range(int(wanted[row].sum())):
            s = states[row, at]
            fit = [
                (model.pointer.query(s) @ model.pointer.key(h)).item() / 4
                for h in memory.states[row]
            ]
            source = batch.context[row].tolist()
            can = [word >= len(SPECIAL) for word in source]
            total = sum(math.exp(f) for f, ok in zip(fit, can, strict=True) if ok)
            a = [math.exp(f) / total if ok else 0.0 for f, ok in zip(fit, can, strict=True)]
            read = sum(w * h for w, h in zip(a, memory.states[row], strict=True))
            p_gen = float(model.pointer.gate(torch.cat([read, s])).sigmoid())
            expected = p_gen * model.words(s).softmax(-1)
            for word, weight in zip(source, a, strict=True):
                expected[word] += (1 - p_gen) * weight
            assert torch.allclose(found[n], expected, atol=1e-5)
            n += 1
    assert n == len(found)


def test_where_nothing_can_be_copied_words_are_said() -> None:
    model = small("transformer", pointer=True)
    row = Encoded((CLS, UNK), (CLS, 5), (8, EOS), 0)
    batch = collate([row])
    memory = model.encode(batch)
    logits = model.logits(memory, batch.shifted, batch.target != PAD)
    states = model.states(memory, model.embedding(batch.shifted))[0]
    assert torch.allclose(logits, model.words(states).log_softmax(-1), atol=1e-5)
    logits.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


# --- EmpDG


def test_emotional_words_are_packed_behind_cls() -> None:
    emotional = torch.zeros(V, dtype=torch.bool)
    emotional[[9, 12]] = True
    context = torch.tensor([[CLS, 9, 8, 12, 9, PAD], [CLS, 8, 8, 8, 8, 8]])
    assert kept_words(context, emotional).tolist() == [[CLS, 9, 12, 9], [CLS, PAD, PAD, PAD]]


def test_labels_single_out_words_by_the_likelihood_ratio() -> None:
    def row(words: Sequence[int], label: int) -> Encoded:
        return Encoded((CLS, *words), (CLS,) * (len(words) + 1), (EOS,), label)

    # 8 stands with label 0 alone, 9 with any.
    examples = [row([8, 9, 9], 0) for _ in range(25)] + [
        row([9], label) for label in (1, 2, 3) for _ in range(25)
    ]
    found = emotional_words([*examples, row([10, 8], -1)], V, C)
    assert found.nonzero()[:, 0].tolist() == [8]
    statistic = power_divergence([25, 0, 0, 0], [25 / 4] * 4, lambda_="log-likelihood").statistic
    assert statistic > chi2.isf(1e-6, 3)
    few = [row([8], 0) for _ in range(9)] + [
        row([9], label) for label in (1, 2, 3) for _ in range(9)
    ]
    small_statistic = power_divergence(
        [9, 0, 0, 0], [9 / 4] * 4, lambda_="log-likelihood"
    ).statistic
    assert small_statistic < chi2.isf(1e-6, 3)
    assert not emotional_words(few, V, C).any()


def test_the_generator_is_its_equations() -> None:
    model = small("empdg", pointer=False)
    assert isinstance(model, EmpDG) and model.emotion is not None
    model.emotional[8:12] = True
    batch = collate(rows(4, 2))
    memory = model.encode(batch)
    for row in range(4):
        context = [word for word in batch.context[row].tolist() if word != PAD]
        felt = torch.tensor([[word for word in context if word == CLS or 8 <= word < 12]])
        alone = torch.tensor([context])
        seen = torch.ones_like(alone, dtype=torch.bool)
        c_u = model.encoder(
            model.embedding(alone, batch.roles[row : row + 1, : len(context)]), seen
        )
        c_e = model.emotion_encoder(model.embedding(felt), torch.ones_like(felt, dtype=torch.bool))
        logits = torch.cat([c_e[0, 0], c_u[0, 0]]) @ model.emotion.weight.T
        assert memory.emotion is not None
        assert torch.allclose(memory.emotion[row], logits, atol=1e-5)
        both = memory.states[row][memory.seen[row]]
        assert torch.allclose(both, torch.cat([c_u[0], c_e[0]]), atol=1e-5)
        words = model.embedding(batch.shifted[row : row + 1])
        words = torch.cat([model.start(logits)[None, None], words[:, 1:]], dim=1)
        attended = torch.cat([c_u, c_e], dim=1)
        expected = model.decoder(words, attended, torch.ones(attended.shape[:2], dtype=torch.bool))
        found = model.states(memory, model.embedding(batch.shifted))[row : row + 1]
        assert torch.allclose(found, expected, atol=1e-5)


def test_a_lexicon_takes_the_place_of_labels(tmp_path: Path) -> None:
    vocabulary = build(["glad sad the dog"])
    (tmp_path / "plain.txt").write_text("Sad\nunheard\n")
    (tmp_path / "nrc.txt").write_text("sad\tjoy\t0\nsad\tsadness\t1\nglad\tjoy\t1\ndog\tfear\t0\n")
    named = {
        name: [vocabulary.words[i] for i in lexicon_words(tmp_path / name, vocabulary).nonzero()]
        for name in ("plain.txt", "nrc.txt")
    }
    assert named["plain.txt"] == ["sad"] and set(named["nrc.txt"]) == {"sad", "glad"}
    (tmp_path / "other.txt").write_text("unheard\n")
    with pytest.raises(DataError, match="none of its 1 words"):
        lexicon_words(tmp_path / "other.txt", vocabulary)
    with pytest.raises(DataError, match="no readable lexicon"):
        lexicon_words(tmp_path / "none.txt", vocabulary)


# --- critics


def talk(number: int, *texts: str) -> Example:
    turns = tuple(
        Turn(i, "speaker" if i % 2 == 0 else "listener", text) for i, text in enumerate(texts)
    )
    return Example(f"ed/train/d{number}/{len(texts)}", f"ed/train/d{number}", turns, "reply")


def test_feedback_is_what_the_speaker_said_next() -> None:
    first, second = talk(1, "a"), talk(1, "a", "b", "c")
    assert feedback_texts([first, second, talk(2, "x")]) == {first.id: "c"}


def with_feedback(count: int) -> list[Encoded]:
    made = rows(count, 5)
    return [replace(r, feedback=r.context[1:4]) if i % 3 else r for i, r in enumerate(made)]


def critical() -> tuple[EmpDG, Learner]:
    settings = Settings(
        kind="empdg-adversarial", width=16, heads=2, depth=8, filters=6, pointer=True,
        schedule="constant", rate=1e-2, adversarial=0.5, steps=600, critic_steps=0,
    )  # fmt: skip
    model = assemble(settings, vocabulary=V, labels=LABELS)
    assert isinstance(model, EmpDG)
    model.emotional[8:12] = True
    learner = Learner.of(model, settings, "cpu", World())
    # Words as far apart as trained ones are; fresh ones lie close together.
    vectors = torch.randn(V, 16, generator=torch.Generator().manual_seed(0))
    return model, replace(learner, vectors=vectors)


def test_fake_replies_are_expected_word_vectors() -> None:
    model, learner = critical()
    batch = collate(with_feedback(6))
    memory = model.encode(batch)
    scores, _ = word_scores(model, memory, batch)
    assert learner.vectors is not None
    pairs = evidence(model, learner.vectors, memory, batch, scores)
    assert pairs is not None
    answered = [1, 2, 4, 5]
    starts = [0, *torch.cumsum((batch.target != PAD).sum(1), 0).tolist()]
    for pair, vectors in zip(
        pairs, (learner.vectors, learner.vectors * model.emotional[:, None]), strict=True
    ):
        for place, row in enumerate(answered):
            length = starts[row + 1] - starts[row]
            chances = scores[starts[row] : starts[row + 1]].softmax(-1)
            assert torch.allclose(pair.fake[place, :length], chances @ vectors, atol=1e-5)
            assert torch.equal(pair.real[place, :length], vectors[batch.target[row, :length]])
            assert not pair.fake[place, length:].any() and not pair.real[place, length:].any()
    nobody = collate([replace(row, feedback=()) for row in rows(3)])
    memory = model.encode(nobody)
    assert (
        evidence(model, learner.vectors, memory, nobody, word_scores(model, memory, nobody)[0])
        is None
    )


def test_the_penalty_is_the_gradients_distance_from_one() -> None:
    class Sloped(torch.nn.Module):
        def forward(self, reply: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
            return 3.0 * reply[:, 0, 0]

    real, fake = torch.randn(4, 2, 3), torch.randn(4, 2, 3)
    found = penalty(Sloped(), real, fake, *[torch.zeros(4)] * 3)
    assert float(found) == pytest.approx((3.0 - 1.0) ** 2, rel=1e-5)


def test_critics_learn_to_tell_and_nothing_flows_to_the_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baselines.neural.updates._CRITIC_RATE", 3e-3)
    model, learner = critical()
    critics = learner.critics
    assert isinstance(critics, Critics) and learner.vectors is not None
    examples = with_feedback(12)
    batch = collate(examples)

    def told_apart() -> float:
        with torch.no_grad():
            memory = model.encode(batch)
            scores, _ = word_scores(model, memory, batch)
            pairs = evidence(model, learner.vectors, memory, batch, scores)  # type: ignore[arg-type]
            assert pairs is not None
            pair = pairs[0]
            fixed = (pair.feedback, pair.seen, pair.context)
            gap = critics.semantic(pair.real, *fixed) - critics.semantic(pair.fake, *fixed)
            return float(gap.mean())

    before, weights = told_apart(), {n: t.clone() for n, t in model.state_dict().items()}
    alone = replace(learner, settings=replace(learner.settings, critic_steps=200))
    for step in range(200):
        update(alone, examples, step, folder=tmp_path)
    assert told_apart() > before + 0.5
    assert all(torch.equal(weights[n], t) for n, t in model.state_dict().items())
    fooled = told_apart()
    for step in range(200, 215):
        update(learner, examples, step, folder=tmp_path)
    assert not torch.equal(weights["words.weight"], model.words.weight)
    assert math.isfinite(told_apart()) and told_apart() != fooled


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empdg") / "g"
    train(LEARN, STOP, folder, settings=replace(TINY, kind="empdg", pointer=True))
    return folder


STAGE = replace(
    TINY, kind="empdg-adversarial", pointer=True, schedule="constant", rate=1e-3,
    critic_steps=6, adversarial=0.1, steps=18,
)  # fmt: skip


def test_the_second_stage_goes_on_from_the_first_and_resumes(
    generator: Path, tmp_path: Path
) -> None:
    files = {"start": generator}
    whole = train(LEARN, STOP, tmp_path / "whole", settings=STAGE, files=files)
    assert whole.progress.best_step in (12, 18), "the critics' own steps change no reply"

    class Stop(Exception):
        pass

    def stop(step: checkpoint.Step) -> None:
        if step.done == 14:
            raise Stop

    with pytest.raises(Stop):
        train(LEARN, STOP, tmp_path / "cut", settings=STAGE, files=files, show=stop)
    train(LEARN, STOP, tmp_path / "cut", settings=STAGE, files=files, resume=True)
    one, other = (checkpoint.load(tmp_path / n / checkpoint.LAST)[0] for n in ("whole", "cut"))
    assert same(one, other)
    assert any(name.startswith("critic-model.") for name in one) and "vectors" in one
    with pytest.raises(DataError, match="other examples"):
        train(LEARN[:20], STOP, tmp_path / "less", settings=STAGE, files=files)


def test_the_second_stage_refuses_what_is_no_generator(generator: Path, tmp_path: Path) -> None:
    train(LEARN, STOP, tmp_path / "t", settings=replace(TINY, kind="transformer", steps=6))
    with pytest.raises(ModelError, match="another architecture"):
        train(LEARN, STOP, tmp_path / "x", settings=STAGE, files={"start": tmp_path / "t"})
    with pytest.raises(InputError, match="leave none"):
        train(LEARN, STOP, tmp_path / "y", settings=replace(STAGE, critic_steps=18),
              files={"start": generator})  # fmt: skip
    done = cli("train", "empdg-adversarial", *COMMAND, cwd=tmp_path)
    assert done.returncode == 2 and "give its folder as --start" in done.stderr
    done = cli("train", "moel", *COMMAND, "--lexicon", "words.txt", cwd=tmp_path)
    assert done.returncode == 2 and "--lexicon is for empdg" in done.stderr


# --- CEM


def with_relations(count: int, seed: int = 0) -> list[Encoded]:
    draw = torch.Generator().manual_seed(seed)
    made = []
    for row in rows(count, seed):
        told = tuple(
            (CLS, *torch.randint(len(SPECIAL), V, (n + 1,), generator=draw).tolist())
            for n in range(len(RELATIONS))
        )
        made.append(replace(row, relations=told))
    return made


def test_cem_refines_the_context_by_each_inference() -> None:
    model = small("cem", relations="comet.jsonl sha256:0")
    assert isinstance(model, CEM) and model.emotion is not None
    examples = with_relations(3)
    batch = collate(examples)
    memory = model.encode(batch)
    plain = Architecture.encode(model, batch)
    for row, example in enumerate(examples):
        n = len(example.context)
        h, seen = plain.states[[row], :n], torch.ones(1, n, dtype=torch.bool)

        def read(encoder: torch.nn.Module, words: tuple[int, ...]) -> torch.Tensor:
            numbers = torch.tensor([words])
            return encoder(model.embedding(numbers), torch.ones_like(numbers, dtype=torch.bool))[0]

        affect = model.refine_affect(
            h, read(model.affect, example.relations[4]).mean(0)[None], seen
        )
        thoughts = [
            model.refine_cognition(h, read(model.cognition, words)[:1], seen)
            for words in example.relations[:4]
        ]
        assert memory.emotion is not None
        assert torch.allclose(memory.emotion[row], model.emotion(affect[0, 0]), atol=1e-5)
        refined = torch.cat([*thoughts, affect], dim=-1)
        expected = model.mix(refined.sigmoid() * refined)
        assert torch.allclose(memory.states[[row], :n], expected, atol=1e-5)


def test_frequent_choices_weigh_less() -> None:
    assert torch.equal(diversity_weights(torch.zeros(3)), torch.ones(3))
    assert diversity_weights(torch.tensor([4.0, 2.0, 0.0])).tolist() == pytest.approx(
        [0.0, 1.0, 2.0]
    )


def test_the_diversity_loss_counts_what_the_model_chose() -> None:
    model = small("cem")
    assert isinstance(model, CEM)
    scores = torch.full((3, V), 0.0)
    scores[0, 9], scores[1, 9], scores[2, EOS] = 5.0, 5.0, 5.0
    target = torch.tensor([9, 10, EOS])
    loss, count = model.word_terms(scores, target)["diversity"]
    assert model.counts.nonzero()[:, 0].tolist() == [9] and float(model.counts[9]) == 2.0
    log_p = scores.log_softmax(-1)
    weight = V / (V - 1)
    expected = -1.5 * weight * (log_p[1, 10] + log_p[2, EOS])
    assert count == 3 and float(loss) == pytest.approx(float(expected), rel=1e-5)


def write_relations(path: Path, examples: Sequence[Example]) -> Path:
    lines = [
        json.dumps({"id": e.id} | {name: [" to cry", "none"] for name in RELATIONS})
        for e in examples
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_relations_come_from_a_file_and_go_with_the_model(tmp_path: Path) -> None:
    test = load_example_set("ed/test", "sample").examples
    comet = write_relations(tmp_path / "comet.jsonl", [*LEARN, *STOP, *test])
    arguments = ("train", "cem", *COMMAND, "--relations", "comet.jsonl", "-o", "cem")
    done = cli(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "cem" / "card.json").read_text())
    assert card["name"] == "CEM (seed 3)" and "comet.jsonl sha256:" in card["settings"]["relations"]
    comet.unlink()
    run = ("predict", "--data", "sample", "--task", "ed_response", "--limit", "3")
    done = cli(*run, "--model", "trained:cem", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    write_relations(tmp_path / "cem" / "relations.jsonl", [*LEARN, *STOP])
    done = cli(*run, "--model", "trained:cem", "--output", "other", cwd=tmp_path)
    assert done.returncode == 2 and "no relations for 3 examples" in done.stderr
    done = cli("train", "cem", *COMMAND, "-o", "reduced", cwd=tmp_path)
    assert "CEM (without COMET) (seed 3)" in done.stdout


def test_damaged_relations_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    for text, words in (
        ('{"id": "a"}', "r.jsonl:1: KeyError"),
        ("\n[1]", "r.jsonl:2: TypeError"),
        ("{", "r.jsonl:1: JSONDecodeError"),
        ("", "no relations for 1 of 1 examples, such as b"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_relations(path, RELATIONS, ["b"])
    path.write_text(json.dumps({"id": "b"} | {name: ["to go", "None"] for name in RELATIONS}))
    assert read_relations(path, RELATIONS, ["b"]) == {"b": ("to go",) * 5}


# --- word vectors


def test_word_vectors_fill_the_words_they_know(tmp_path: Path) -> None:
    vocabulary = build(["glad sad dog"])
    path = tmp_path / "v.txt"
    for head in ("", "4 3\n"):
        path.write_text(head + "dog 1 2 3\nglad .5 0 -1\ndog 9 9 9\nat e mail 4 5 6\n")
        weight = torch.nn.Parameter(torch.zeros(len(vocabulary), 3))
        assert fill_vectors(path, vocabulary, weight) == 2
        assert weight[vocabulary.encode("dog")[0]].tolist() == [1, 2, 3]
        assert not weight[vocabulary.encode("sad")[0]].any()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dog 1 2\n", "v.txt:1: a vector of 2 numbers, expected 3; give --width 2"),
        ("dog 1 2 3 4\n", "a vector of 4 numbers, expected 3; give --width 4"),
        ("the 1 2 3\nx 1 2 3\ndog 1\n", "v.txt:3: a vector of 1 numbers"),
        ("the 1 2 3\ndog 1 b 3\n", "v.txt:2: could not convert string to float: 'b'"),
        ("cat 1 2 3\n", "none of its words is in the vocabulary of"),
        ("", "none of its words"),
    ],
)
def test_word_vectors_that_do_not_fit_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        fill_vectors(path, build(["dog"]), torch.zeros(8, 3))


def test_a_run_begins_with_the_vectors_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("i " + " ".join(["0.25"] * 24) + "\n")
    done = cli("train", "transformer", *COMMAND, "--embeddings", "v.txt", "-o", "t", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "t" / "settings.json").read_text())
    assert settings["embeddings"].startswith("v.txt sha256:")
    done = cli("train", "transformer", *COMMAND, "--embeddings", "w.txt", "-o", "u", cwd=tmp_path)
    assert done.returncode == 2 and "w.txt: no such file" in done.stderr
    (tmp_path / "v.txt").write_text("i 1 2\n")
    done = cli("train", "transformer", *COMMAND, "--embeddings", "v.txt", "-o", "u", cwd=tmp_path)
    assert done.returncode == 2 and "expected 24; give --width 2" in done.stderr
