"""verl's launch, as overrides of its own configuration, with the paper's values.

Paper: the released scripts of STRIDE-ED (ACL 2026), written for an earlier verl; keys here are
those of VERL. What its scripts do not set is verl's default, but for what is marked "ours".
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "PPO_MODULE",
    "SFT_MODULE",
    "VERL",
    "Overrides",
    "ppo_overrides",
    "script",
    "sft_overrides",
]

VERL = "0.9.1"
SFT_MODULE, PPO_MODULE = "verl.trainer.sft_trainer", "verl.trainer.main_ppo"
Overrides = Mapping[str, str | int | float | bool]


def sft_overrides(base: str, *, gpus: int) -> Overrides:
    """Supervised fine-tuning; global batch 16 over `gpus`, each taking up to 4 rows at once."""
    return {
        "model.path": base,
        "model.enable_gradient_checkpointing": True,
        "data.train_files": "sft_train.parquet",
        "data.val_files": "sft_valid.parquet",
        "data.messages_key": "messages",
        "data.custom_cls.path": "last_turn.py",
        "data.custom_cls.name": "LastTurnDataset",
        "data.train_batch_size": 16,  # paper
        "data.micro_batch_size_per_gpu": 4,  # paper
        "data.use_dynamic_bsz": False,
        "data.max_length": 2048,  # paper
        "data.truncation": "left",  # ours: a trace cut off at its end would teach no end
        "optim.lr": 1e-4,  # paper
        "trainer.total_epochs": 1,  # paper
        "trainer.save_freq": 143,  # paper
        "trainer.test_freq": 143,
        "trainer.n_gpus_per_node": gpus,
        "trainer.project_name": "stride-ed",
        "trainer.experiment_name": "sft",
        "trainer.logger": "[console]",
        "checkpoint.save_contents": "[model,optimizer,extra,hf_model]",
    }


def ppo_overrides(*, gpus: int) -> Overrides:
    """PPO with a value critic; $MODEL is the SFT model in Hugging Face form."""
    return {
        "algorithm.adv_estimator": "gae",
        "algorithm.use_kl_in_reward": True,
        "algorithm.kl_penalty": "kl",
        "algorithm.kl_ctrl.kl_coef": 0.001,  # paper
        "data.train_files": "ppo_train.parquet",
        "data.val_files": "ppo_valid.parquet",
        "data.train_batch_size": 64,  # paper
        "data.max_prompt_length": 1024,  # paper
        "data.max_response_length": 1024,  # paper
        "data.filter_overlong_prompts": True,
        "actor_rollout_ref.model.path": "$MODEL",
        "actor_rollout_ref.model.enable_gradient_checkpointing": True,
        "actor_rollout_ref.actor.optim.lr": 1e-6,  # paper
        "actor_rollout_ref.actor.ppo_mini_batch_size": 64,  # paper
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": 16,  # paper
        "actor_rollout_ref.rollout.name": "vllm",  # paper
        "actor_rollout_ref.rollout.tensor_model_parallel_size": gpus,  # paper: 4
        "actor_rollout_ref.rollout.temperature": 1.0,
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": 16,
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": 16,
        "critic.model.path": "$MODEL",
        "critic.model.enable_gradient_checkpointing": True,
        "critic.optim.lr": 1e-5,  # paper
        "critic.ppo_micro_batch_size_per_gpu": 16,
        "reward.custom_reward_function.path": "reward.py",
        "reward.custom_reward_function.name": "compute_score",
        "trainer.critic_warmup": 0,  # paper
        "trainer.total_epochs": 2,  # paper
        "trainer.n_gpus_per_node": gpus,  # paper: 4
        "trainer.nnodes": 1,
        "trainer.project_name": "stride-ed",
        "trainer.experiment_name": "ppo",
        "trainer.logger": "[console]",
        "trainer.save_freq": 20,
        "trainer.test_freq": 20,
    }


def script(command: str, overrides: Overrides, *, needs: str = "") -> str:
    """A shell script that starts verl in its own folder; more overrides may be given to it."""
    lines = [f"  {key}={_value(value)} \\" for key, value in overrides.items()]
    check = [f': "${{{needs.partition("=")[0]}:?{needs.partition("=")[2]}}}"'] if needs else []
    return "\n".join(
        [
            "#!/bin/sh",
            "set -eu",
            'cd "$(dirname "$0")"',
            *check,
            f"exec {command} \\",
            *lines,
            '  "$@"',
            "",
        ]
    )


def _value(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str) else str(value)
