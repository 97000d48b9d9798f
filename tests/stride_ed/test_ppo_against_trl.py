"""Our equations against the very lines of TRL 1.12's PPOTrainer, the last that had one.

That release is fetched apart and nothing of it is installed: its functions and the two stretches of
its training loop that compute advantages and losses run here on the same tensors.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
import zipfile
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.parallel import World
from stride_ed.training.ppo.losses import gae, policy_loss, value_loss, whiten

VERSION = "1.12.0"
GAMMA, LAM, CLIP, VALUE_CLIP = 0.97, 0.9, 0.2, 0.3


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("trl")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", f"trl=={VERSION}", "--no-deps", "-q", "-d",
         folder],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        pytest.skip(f"TRL {VERSION} cannot be fetched here")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return wheel.read("trl/experimental/ppo/ppo_trainer.py").decode()


def stretch(source: str, first: str, behind: str) -> str:
    """The lines from the one that begins with `first` to before the next with `behind`."""
    lines = source.splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip().startswith(first))
    end = next(n for n in range(start + 1, len(lines)) if lines[n].strip().startswith(behind))
    return textwrap.dedent("\n".join(lines[start:end]))


def functions(source: str) -> dict[str, Any]:
    wanted = {"masked_mean", "masked_var", "masked_whiten"}
    nodes = [n for n in ast.parse(source).body
             if isinstance(n, ast.FunctionDef) and n.name in wanted]  # fmt: skip
    space: dict[str, Any] = {"torch": torch}
    exec(compile(ast.Module(nodes, []), "trl", "exec"), space)
    return space


def drawn(seed: int, lengths: list[int]) -> dict[str, torch.Tensor]:
    """Rows that end at different places, padded on the right as TRL has them."""
    torch.manual_seed(seed)
    shape = (len(lengths), max(lengths))
    mask = torch.arange(shape[1])[None, :] < torch.tensor(lengths)[:, None]
    found = {
        name: torch.randn(shape, dtype=torch.float64) * mask
        for name in ("rewards", "values", "logprobs", "new", "new_values")
    }
    return {**found, "mask": mask}


def left(tensor: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """The same rows with their ends aligned, as ours are."""
    found = torch.zeros_like(tensor)
    for row, size in enumerate(lengths):
        found[row, tensor.shape[1] - size :] = tensor[row, :size]
    return found


LENGTHS = [[5, 5, 5], [6, 2, 4, 1]]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_advantages_and_returns_are_those_of_trl(source: str, lengths: list[int]) -> None:
    given = drawn(1, lengths)
    space = functions(source) | {
        "rewards": given["rewards"], "values": given["values"], "responses": given["rewards"],
        "args": SimpleNamespace(gamma=GAMMA, lam=LAM), "padding_mask": ~given["mask"],
    }  # fmt: skip
    exec(stretch(source, "# 6. compute advantages", "empty_cache()"), space)
    mask = left(given["mask"].double(), lengths)
    advantages, returns = gae(
        left(given["rewards"], lengths), left(given["values"], lengths), mask, gamma=GAMMA, lam=LAM
    )
    white = whiten(advantages, mask, world=World())
    # TRL adds 1e-8 to the variance, ours to the deviation.
    assert torch.allclose(white, left(space["advantages"], lengths) * mask, atol=1e-6)
    assert torch.allclose(returns, left(space["returns"], lengths) * mask, atol=1e-12)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_losses_are_those_of_trl(source: str, lengths: list[int]) -> None:
    given = drawn(2, lengths)
    padding = ~given["mask"]
    space = functions(source) | {
        "vpred": given["new_values"], "mb_values": given["values"], "mb_return": given["rewards"],
        "mb_advantage": given["rewards"], "new_logprobs": given["new"],
        "mb_logprobs": given["logprobs"], "padding_mask": padding, "padding_mask_p1": padding,
        "micro_batch_inds": slice(None),
        "args": SimpleNamespace(cliprange=CLIP, cliprange_value=VALUE_CLIP),
    }  # fmt: skip
    exec(stretch(source, "vpredclipped = torch.clamp(", "loss = pg_loss"), space)
    rows = {name: left(x.double(), lengths) for name, x in given.items()}
    count = rows["mask"].sum()
    policy = policy_loss(rows["new"], rows["logprobs"], rows["rewards"], rows["mask"], clip=CLIP)
    value = value_loss(
        rows["new_values"], rows["values"], rows["rewards"], rows["mask"], clip=VALUE_CLIP
    )
    assert float(policy.loss / count) == pytest.approx(float(space["pg_loss"]), rel=1e-9)
    assert float(value / count) == pytest.approx(float(space["vf_loss"]), rel=1e-9)


def test_kl_rewards_are_those_of_trl(source: str) -> None:
    from stride_ed.training.ppo.losses import token_rewards

    given = drawn(3, [4, 4])
    lines = stretch(source, "# 4. compute rewards", "# 5.")
    kl = next(line for line in lines.splitlines() if line.strip().startswith("non_score_reward ="))
    logr = given["new"] - given["logprobs"]
    space = {"args": SimpleNamespace(kl_coef=0.3), "kl": -logr}
    exec(kl.strip(), space)
    scores = torch.tensor([1.0, 2.0], dtype=torch.float64)
    expected = space["non_score_reward"].clone()  # type: ignore[attr-defined]
    expected[:, -1] += scores
    found = token_rewards(scores, given["logprobs"], given["new"], torch.ones(2, 4), beta=0.3)
    assert torch.allclose(found, expected)
