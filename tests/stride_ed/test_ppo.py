"""PPO learns what it should, keeps still where there is nothing to learn, and agrees with itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import ModelError
from harness.tuning.passes import padded
from stride_ed.rewards import format_reward
from stride_ed.training.ppo.policy import Batch, batched, make_policy
from stride_ed.training.ppo.rollout import ending, uniforms, write
from stride_ed.training.ppo.step import take_step
from tests.stride_ed.ppo_toys import DIGITS, PROMPTS, Words, learner, model, rewards, settings


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


# --- toy problems with a known optimum


def bandit(_: int, text: str) -> Mapping[str, float]:
    return {"reward": float(text[0] == "3")}


def two_steps(_: int, text: str) -> Mapping[str, float]:
    """The best answer is 5 then 6; a first 4 is worth something at once, and a dead end."""
    return {"reward": 1.0 if text == "56" else 0.3 * (text[0] == "5") + 0.1 * (text[0] == "4")}


@pytest.mark.parametrize("seed", range(10))
def test_the_bandit_is_solved(seed: int) -> None:
    found = rewards(learner(bandit, settings(seed, max_response=1)), 40)
    assert found[0] < 0.4
    assert np.mean(found[-5:]) > 0.95


@pytest.mark.parametrize("seed", range(10))
def test_the_two_step_game_is_solved(seed: int) -> None:
    found = rewards(learner(two_steps, settings(seed, rate=2e-3)), 70)
    assert found[0] < 0.4
    assert np.mean(found[-5:]) > 0.95


def test_adapters_learn_as_well() -> None:
    wanted = settings(1, lora=True, max_response=1)
    one = learner(bandit, wanted, begun=model(1, spread=0.5))
    frozen = {n: w.clone() for n, w in one.policy.model.named_parameters() if "lora" not in n}
    found = rewards(one, 40)
    assert np.mean(found[-5:]) > found[0] + 0.5
    now = dict(one.policy.model.named_parameters())
    assert all(torch.equal(now[name], weights) for name, weights in frozen.items())


@pytest.mark.parametrize("lora", [True, False])
def test_without_reward_nothing_moves(lora: bool) -> None:
    one = learner(lambda n, text: {"reward": 0.0}, settings(0, lora=lora, kl=0.05))
    before = {n: w.clone() for n, w in one.policy.actor_weights().items()}
    for number in range(4):
        found = take_step(one, [PROMPTS[n % 3] for n in range(64)], number, 0.05)
        assert found["kl"] == pytest.approx(0, abs=1e-6)
        assert found["gradient/policy"] == 0
    assert all(torch.equal(w, before[n]) for n, w in one.policy.actor_weights().items())


def test_a_high_price_of_kl_holds_the_actor_near_the_reference() -> None:
    free = learner(bandit, settings(2, max_response=1))
    held = learner(bandit, settings(2, max_response=1, kl=2.0))
    rewards(free, 30), rewards(held, 30)
    chosen = [PROMPTS[n % 3] for n in range(64)]
    loose, tight = (take_step(one, chosen, 30, one.settings.kl) for one in (free, held))
    # At β = 2 the best policy is π_ref·e^{R/2}: .125 → .19, a KL of .02.
    assert loose["kl"] > 1.5
    assert abs(tight["kl"]) < 0.15
    assert 0.1 < tight["reward"] < 0.35


TAGS = Words(["_", "<thinking>", "</thinking>", "<answer>", "</answer>", "a", "b"])
GOOD, BAD = [1, 5, 2, 3, 6, 4], [1, 5, 2, 3, 6, 5]


def taught(seed: int) -> Any:
    """A model that keeps the format about half of the time."""
    one = model(seed, TAGS, width=24)
    optimiser = torch.optim.AdamW(one.parameters(), lr=1e-2)
    rows = torch.tensor([[5, *GOOD], [5, *BAD]])
    labels = rows.clone()
    labels[:, 0] = -100
    for _ in range(60):
        optimiser.zero_grad()
        one(input_ids=rows, labels=labels).loss.backward()
        optimiser.step()
    return one


def test_rewarded_for_the_format_alone_it_keeps_the_format() -> None:
    wanted = settings(0, max_response=6, batch_size=64, mini_batch=32, rate=3e-3)
    one = learner(lambda n, text: {"reward": format_reward(text)}, wanted, words=TAGS,
                  begun=taught(0))  # fmt: skip
    prompts = [(0, [5])] * 64
    found = [take_step(one, prompts, n, 0.0)["reward"] for n in range(25)]
    assert 0.3 < found[0] < 0.75
    assert np.mean(found[-5:]) > 0.95


# --- the same log-probabilities everywhere


def right_padded(prompts: list[list[int]], answers: list[list[int]]) -> Batch:
    """The same rows with all padding behind them; answers moved to the right edge as ever."""
    rows = [p + a for p, a in zip(prompts, answers, strict=True)]
    tokens, attention = padded(rows, 0, left=False)
    said, mask = padded(answers, 0, left=True)
    return Batch(tokens, attention, said, mask.float())


def plain_log_p(one: Any, prompt: list[int], answer: list[int], temperature: float) -> list[float]:
    """One row, no padding, no cache."""
    logits = one(input_ids=torch.tensor([prompt + answer])).logits[0] / temperature
    log_p = logits.log_softmax(-1)
    return [float(log_p[len(prompt) + t - 1, token]) for t, token in enumerate(answer)]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_agree_at_rollout_and_at_update(temperature: float) -> None:
    begun = model(4, spread=0.4)
    policy = make_policy(begun, DIGITS, lora=True, rank=4, alpha=8)
    for name, weights in policy.actor_weights().items():
        torch.manual_seed(len(name))
        torch.nn.init.normal_(weights, std=0.1)
    prompts = [[1, 2, 3, 4, 5, 6, 7], [2], [1, 1, 2], [7, 7]]
    drawn = [uniforms((n,), 9) for n in range(4)]
    ended = lambda tokens: tokens[-1] == 6  # noqa: E731
    with policy.acting() as actor, torch.no_grad():
        answers = write(actor, prompts, pad=0, most=9, ended=ended, temperature=temperature,
                        drawn=drawn)  # fmt: skip
        lengths = {len(answer.tokens) for answer in answers}
        assert len(lengths) > 1  # rows ended at different times
        batch = batched(prompts, [a.tokens for a in answers], pad=0, device="cpu")
        found, entropy = policy.log_probabilities(batch, actor, temperature=temperature)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            expected = plain_log_p(actor, prompt, answer.tokens, temperature)
            size = len(answer.tokens)
            assert answer.log_p == pytest.approx(expected, abs=1e-4)
            assert found[row, -size:].tolist() == pytest.approx(expected, abs=1e-4)
            assert found[row, :-size].abs().sum() == 0
    assert 0 < float(entropy.max()) <= math.log(8) + 1e-5


def test_what_a_row_draws_depends_on_its_own_numbers_alone() -> None:
    one = model(5, spread=0.4)
    prompts = [[1, 2, 3, 4, 5], [2], [3, 1]]
    drawn = [uniforms((7, n), 12) for n in range(3)]
    ended = lambda tokens: tokens[-1] == 3  # noqa: E731
    options: dict[str, Any] = {"pad": 0, "most": 12, "ended": ended, "temperature": 1.0}
    together = write(one, prompts, drawn=drawn, **options)
    for n, prompt in enumerate(prompts):
        (alone,) = write(one, [prompt], drawn=[drawn[n]], **options)
        assert alone.tokens == together[n].tokens
        assert alone.ended == together[n].ended


def test_draws_follow_the_probabilities() -> None:
    one = model(6, spread=0.5)
    with torch.no_grad():
        p = one(input_ids=torch.tensor([[1, 2]])).logits[0, -1].softmax(-1).numpy()
    drawn = [uniforms((n,), 1) for n in range(4000)]
    answers = write(one, [[1, 2]] * 4000, pad=0, most=1, ended=lambda t: True, temperature=1.0,
                    drawn=drawn)  # fmt: skip
    counts = np.bincount([a.tokens[0] for a in answers], minlength=8)
    error = (counts - 4000 * p) / np.sqrt(4000 * p * (1 - p))
    assert np.abs(error).max() < 4


def test_greedy_answers_are_those_of_transformers() -> None:
    one = model(8, spread=0.4)
    prompts = [[1, 2, 3, 4, 5], [2], [3, 1]]
    answers = write(one, prompts, pad=0, most=10, ended=lambda t: False)
    for prompt, answer in zip(prompts, answers, strict=True):
        theirs = one.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=10, do_sample=False, pad_token_id=0, eos_token_id=None,
        )  # fmt: skip
        assert answer.tokens == theirs[0, len(prompt) :].tolist()
        assert not answer.ended


def test_an_answer_ends_at_its_tag_or_at_the_end_of_turn() -> None:
    ended = ending(TAGS, [6])
    assert ended([1, 5, 2, 3, 5, 4])
    assert ended([5, 6])
    assert not ended([1, 5, 2, 3, 5])


@pytest.mark.parametrize("lora", [True, False])
def test_the_critic_begins_from_the_sft_model_at_zero(lora: bool) -> None:
    begun = model(3, spread=0.3)
    hidden = begun.model(input_ids=torch.tensor([[1, 2, 4, 5]])).last_hidden_state
    policy = make_policy(begun, DIGITS, lora=lora, rank=4, alpha=8)
    batch = batched([[1, 2]], [[4, 5]], pad=0, device="cpu")
    assert policy.values(batch).abs().sum() == 0
    torch.nn.init.ones_(policy.head.weight)
    # The value at an answer's token is of the state before it: places 1 and 2 of the row.
    expected = hidden[0, 1:3].sum(-1)
    assert policy.values(batch)[0].tolist() == pytest.approx(expected.tolist(), rel=1e-4)


def test_micro_batches_change_nothing() -> None:
    weights = []
    for size in (64, 5):
        one = learner(two_steps, settings(3, micro_batch=size))
        rewards(one, 2)
        weights.append({n: w.detach().clone() for n, w in one.policy.actor_weights().items()})
    for name, one_way in weights[0].items():
        assert torch.allclose(one_way, weights[1][name], atol=2e-5), name


def test_updates_stop_once_the_policy_has_moved_enough() -> None:
    one = learner(bandit, settings(0, max_response=1, rate=0.5, ppo_epochs=4, kl_stop=1e-3))
    found = take_step(one, [PROMPTS[n % 3] for n in range(64)], 0, 0.0)
    assert found["updates"] < 8


def test_the_critic_may_learn_first() -> None:
    one = learner(bandit, settings(0, max_response=1, critic_warm_up=2))
    before = {n: w.clone() for n, w in one.policy.actor_weights().items()}
    found = rewards(one, 2)
    assert all(torch.equal(w, before[n]) for n, w in one.policy.actor_weights().items())
    assert float(one.policy.head.weight.abs().sum()) > 0
    rewards_after = take_step(one, [PROMPTS[n % 3] for n in range(64)], 2, 0.0)
    assert rewards_after["updates"] == 4
    assert len(found) == 2


def test_a_number_that_is_none_is_an_error() -> None:
    one = learner(lambda n, text: {"reward": float("nan")}, settings(0))
    with pytest.raises(ModelError, match="is nan"):
        rewards(one, 1)
