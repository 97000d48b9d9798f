"""What SFT and PPO are asked to do, with the paper's values and small ones for the bundled model.

Values marked "paper" are those of the released scripts (STRIDE-ED, ACL 2026; verl 0.3-era
`fsdp_sft_trainer` and `main_ppo`); all others are ours, or verl's defaults where they say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import InputError

__all__ = ["PPO_PRESETS", "SFT_PRESETS", "Algorithm", "PpoSettings", "SftSettings", "check_sft"]

Algorithm = Literal["ppo", "grpo", "rloo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSettings:
    """One supervised run.

    `base`: "smollm2", an absolute folder or a hub id. `mix`: response-only examples per traced one.
    `batch_size` × `accumulate` × processes is the batch of a step. `rate` falls linearly to 0 after
    `warm_up` (a share of all steps). `max_len`: tokens of prompt and answer; longer rows are left
    out and counted. `grouped`: batches of like lengths.
    """

    base: str = "smollm2"
    variant: str = "full"
    mix: float = 7.0  # ours: the paper's 5k traced of 40k turns, the rest response-only
    lora: bool = False
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    epochs: float = 1.0  # paper
    steps: int | None = None
    rate: float = 1e-4  # paper
    warm_up: float = 0.1  # verl's default
    batch_size: int = 4  # paper, per GPU
    accumulate: int = 1  # paper: four GPUs × 4 = 16
    max_len: int = 2048  # paper
    validate_every: int = 143  # paper: "save every 143"
    patience: int = 1000
    grouped: bool = True
    gradient_checkpointing: bool = True
    seed: int = 0


SFT_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "small": {
        "mix": 0.25,
        "rate": 3e-4,
        "epochs": 2.0,
        "batch_size": 8,
        "max_len": 512,
        "validate_every": 25,
        "gradient_checkpointing": False,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoSettings:
    """One run of PPO.

    `sft`: the folder of the SFT model, from which actor, critic and reference begin. `batch_size`
    prompts are answered per step, and each `mini_batch` of them is one update of actor and critic;
    `micro_batch` rows pass at once and change nothing but memory. `ppo_epochs`: passes over the
    answers of a step. `epochs`: passes over the prompts.

    KL: `kl` is β of the penalty β·(ln π − ln π_ref) per token; with `kl_target` (nats per token) it
    is steered (Ziegler et al. 2019, Section 2.2) over `kl_horizon` answers. `kl_stop`: an update
    whose policy has moved further than this from the one that answered (nats per token) is the
    step's last. `kl_bound`: nats per token from the reference beyond which training ends.
    """

    sft: str
    variant: str = "full"
    lora: bool = True
    rank: int = 16
    alpha: int = 32
    rate: float = 1e-6  # paper
    critic_rate: float = 1e-5  # paper
    critic_warm_up: int = 0  # paper
    kl: float = 0.001  # paper
    kl_target: float | None = None
    kl_horizon: int = 10_000
    kl_stop: float = 0.1
    kl_bound: float = 5.0
    batch_size: int = 64  # paper
    mini_batch: int = 64  # paper
    micro_batch: int = 16  # paper, per GPU
    ppo_epochs: int = 1  # verl's default
    epochs: float = 2.0  # paper
    steps: int | None = None
    max_prompt: int = 1024  # paper
    max_response: int = 1024  # paper
    temperature: float = 1.0  # verl's default
    gamma: float = 1.0  # verl's default
    lam: float = 1.0  # verl's default
    clip: float = 0.2  # verl's default
    value_clip: float = 0.5  # verl's default
    max_grad_norm: float = 1.0  # verl's default
    validate_every: int = 10
    validate_size: int = 64
    save_every: int = 10
    patience: int = 1000
    gradient_checkpointing: bool = False
    seed: int = 0


PPO_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    # Few steps, so each must move: adapters bear a far higher rate than whole weights. At 2e-4 the
    # bundled model hardly moves in 20 steps, at 1e-3 it leaves the format after 16.
    "small": {
        "rate": 5e-4,
        "critic_rate": 1e-3,
        "kl": 0.02,
        "batch_size": 32,
        "mini_batch": 8,
        "micro_batch": 8,
        "kl_stop": 0.02,
        "max_prompt": 384,
        "max_response": 160,
        "epochs": 1.0,
        "validate_every": 10,
        "validate_size": 48,
        "save_every": 1,
    },
}


def check_sft(settings: SftSettings) -> None:
    """Refuse what cannot work.

    Raises:
        InputError: naming the option, what it is and what it must be.
    """
    if not 0 < settings.rate < 1:
        raise InputError(f"--rate must be between 0 and 1, found {settings.rate}")
    if not settings.steps and settings.epochs <= 0:
        raise InputError(f"--epochs must be above 0, found {settings.epochs}")
    if settings.mix < 0:
        raise InputError(f"--mix must be 0 or more, found {settings.mix}")
