"""verl's launch, as overrides of its own configuration, with the paper's values.

Paper: the released scripts of STRIDE-ED (ACL 2026), written for an earlier verl; keys here are
those of VERL. What is neither in SFT_PAPER nor in PPO_PAPER is verl's default, or ours.

`$PWD` is the exported folder and `$MODEL` the SFT model; Ray's workers may run elsewhere, so that
every path is absolute when verl reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = [
    "GPUS",
    "PPO_CONFIG",
    "PPO_MODULE",
    "PPO_PAPER",
    "SFT_CONFIG",
    "SFT_MODULE",
    "SFT_PAPER",
    "VERL",
    "Overrides",
    "Value",
    "grpo_overrides",
    "ppo_overrides",
    "recipe",
    "script",
    "sft_overrides",
]

VERL = "0.9.1"
SFT_MODULE, PPO_MODULE = "verl.trainer.sft_trainer", "verl.trainer.main_ppo"
SFT_CONFIG, PPO_CONFIG = "sft_trainer_engine", "ppo_trainer"
GPUS = 4  # paper
# Batches of a step, and what one GPU takes of it at once, in the paper.
_SFT_BATCH, _SFT_MICRO, _PPO_BATCH, _PPO_MICRO = 16, 4, 64, 16
Value = str | int | float | bool | tuple[str, ...]
Overrides = Mapping[str, Value]

SFT_PAPER = frozenset(
    {
        "data.train_batch_size",
        "data.micro_batch_size_per_gpu",
        "data.max_length",
        "optim.lr",
        "trainer.total_epochs",
        "trainer.save_freq",
        "trainer.n_gpus_per_node",
    }
)
PPO_PAPER = frozenset(
    {
        "algorithm.adv_estimator",
        "algorithm.kl_ctrl.kl_coef",
        "data.train_batch_size",
        "data.max_prompt_length",
        "data.max_response_length",
        "actor_rollout_ref.actor.optim.lr",
        "actor_rollout_ref.actor.ppo_mini_batch_size",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu",
        "actor_rollout_ref.rollout.name",
        "actor_rollout_ref.rollout.tensor_model_parallel_size",
        "critic.optim.lr",
        "trainer.critic_warmup",
        "trainer.total_epochs",
        "trainer.n_gpus_per_node",
    }
)


def sft_overrides(base: str, *, gpus: int) -> Overrides:
    """Supervised fine-tuning; global batch 16 over `gpus`, each taking up to 4 rows at once."""
    return {
        "model.path": base,
        "model.enable_gradient_checkpointing": True,
        "data.train_files": "$PWD/sft_train.parquet",
        "data.val_files": "$PWD/sft_valid.parquet",
        "data.messages_key": "messages",
        "data.custom_cls.path": "$PWD/last_turn.py",
        "data.custom_cls.name": "LastTurnDataset",
        "data.train_batch_size": _SFT_BATCH,
        # verl stops where a GPU's share of the batch is no multiple of this.
        "data.micro_batch_size_per_gpu": min(_SFT_MICRO, _SFT_BATCH // gpus),
        "data.use_dynamic_bsz": False,
        "data.pad_mode": "no_padding",
        "data.max_length": 2048,
        # Any but "error"; without padding verl cuts ends off, which last_turn.py prevents.
        "data.truncation": "left",
        "optim.lr": 1e-4,
        "trainer.total_epochs": 1,
        "trainer.save_freq": 143,
        "trainer.test_freq": 143,
        "trainer.n_gpus_per_node": gpus,
        "trainer.project_name": "stride-ed",
        "trainer.experiment_name": "sft",
        "trainer.logger": ("console",),
        "checkpoint.save_contents": ("model", "optimizer", "extra", "hf_model"),
    }


def ppo_overrides(*, gpus: int) -> Overrides:
    """PPO with a value critic; $MODEL is the SFT model in Hugging Face form."""
    return {
        "algorithm.adv_estimator": "gae",
        "algorithm.use_kl_in_reward": True,
        "algorithm.kl_penalty": "kl",
        "algorithm.kl_ctrl.kl_coef": 0.001,
        **_reinforcement(gpus=gpus, name="ppo"),
        "critic.model.path": "$MODEL",
        "critic.model.enable_gradient_checkpointing": True,
        "critic.optim.lr": 1e-5,
        "critic.ppo_micro_batch_size_per_gpu": _ppo_micro(gpus),
        "trainer.critic_warmup": 0,
    }


def grpo_overrides(*, gpus: int, group: int = 8) -> Overrides:
    """The same without a critic: `group` answers a prompt are each other's baseline (ours)."""
    return {
        "algorithm.adv_estimator": "grpo",
        "algorithm.use_kl_in_reward": False,
        **_reinforcement(gpus=gpus, name="grpo"),
        "actor_rollout_ref.rollout.n": group,
        "actor_rollout_ref.actor.use_kl_loss": True,
        "actor_rollout_ref.actor.kl_loss_coef": 0.001,
        "actor_rollout_ref.actor.kl_loss_type": "low_var_kl",
    }


def _reinforcement(*, gpus: int, name: str) -> Overrides:
    return {
        "data.train_files": "$PWD/ppo_train.parquet",
        "data.val_files": "$PWD/ppo_valid.parquet",
        "data.train_batch_size": _PPO_BATCH,
        "data.max_prompt_length": 1024,
        "data.max_response_length": 1024,
        "data.filter_overlong_prompts": True,
        "actor_rollout_ref.model.path": "$MODEL",
        "actor_rollout_ref.model.enable_gradient_checkpointing": True,
        "actor_rollout_ref.actor.optim.lr": 1e-6,
        "actor_rollout_ref.actor.ppo_mini_batch_size": _PPO_BATCH,
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": _ppo_micro(gpus),
        "actor_rollout_ref.actor.checkpoint.save_contents": (
            "model", "optimizer", "extra", "hf_model",
        ),
        "actor_rollout_ref.rollout.name": "vllm",
        "actor_rollout_ref.rollout.tensor_model_parallel_size": gpus,
        "actor_rollout_ref.rollout.temperature": 1.0,
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": _ppo_micro(gpus),
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": _ppo_micro(gpus),
        "reward.custom_reward_function.path": "$PWD/reward.py",
        "reward.custom_reward_function.name": "compute_score",
        "trainer.total_epochs": 2,
        "trainer.n_gpus_per_node": gpus,
        "trainer.nnodes": 1,
        "trainer.project_name": "stride-ed",
        "trainer.experiment_name": name,
        "trainer.default_local_dir": f"$PWD/checkpoints/stride-ed/{name}",
        "trainer.logger": ("console",),
        "trainer.save_freq": 20,
        "trainer.test_freq": 20,
    }  # fmt: skip


def _ppo_micro(gpus: int) -> int:
    return min(_PPO_MICRO, _PPO_BATCH // gpus)


def script(command: str, overrides: Overrides, *, model: bool = False) -> str:
    """A shell script that starts verl in its own folder; more overrides may be given to it.

    `model`: it needs $MODEL, a folder (relative to where it is called) or a hub id.
    """
    check = [
        ': "${MODEL:?MODEL=folder of the SFT model in Hugging Face form}"',
        'if [ -d "$MODEL" ]; then MODEL="$(cd "$MODEL" && pwd)"; fi',
    ]
    return "\n".join(
        [
            "#!/bin/sh",
            "set -eu",
            *(check if model else []),
            'cd "$(dirname "$0")"',
            f"exec {command} \\",
            *(f"  {key}={_word(value)} \\" for key, value in overrides.items()),
            '  "$@"',
            "",
        ]
    )


def _word(value: Value) -> str:
    """As a shell hands it to Hydra, which takes quoted values as they are."""
    if isinstance(value, tuple):
        return f'"[{",".join(value)}]"'
    if isinstance(value, str):
        return f"\"'{value}'\"" if value.startswith("$") else f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def recipe(name: str, overrides: Overrides) -> str:
    """The same overrides as a Hydra configuration on top of verl's `name`; the paper's marked."""
    tree: dict[str, Any] = {}
    papers = _papers(name)
    for key, value in overrides.items():
        *parents, last = key.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = _scalar(value) + ("  # paper" if papers.get(key) == value else "")
    head = ["hydra:", "  searchpath:", "    - pkg://verl.trainer.config"]
    return "\n".join([*head, "defaults:", f"  - {name}", "  - _self_", *_nested(tree, 0), ""])


def _papers(name: str) -> Overrides:
    """What the paper sets itself, on its own number of GPUs."""
    supervised = name == SFT_CONFIG
    whole = sft_overrides("", gpus=GPUS) if supervised else ppo_overrides(gpus=GPUS)
    keys = SFT_PAPER if supervised else PPO_PAPER
    return {key: value for key, value in whole.items() if key in keys}


def _nested(tree: Mapping[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += [f"{'  ' * depth}{key}:", *_nested(value, depth + 1)]
        else:
            lines.append(f"{'  ' * depth}{key}: {value}")
    return lines


def _scalar(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    if isinstance(value, str):
        return json.dumps(
            value.replace("$PWD", "${oc.env:PWD}").replace("$MODEL", "${oc.env:MODEL}")
        )
    # YAML 1.1 takes 1e-06 for a string.
    text = json.dumps(value)
    return text.replace("e-", ".0e-") if "e-" in text and "." not in text else text
