"""`stride export-verl`: data, reward and launch files for verl, the paper's own engine.

sft_train.parquet, sft_valid.parquet    conversations; the last turn is learnt   (last_turn.py)
ppo_train.parquet, ppo_valid.parquet    prompts and gold labels                  (reward.py)
{sft,ppo,grpo}.{sh,yaml}                the launch, with the paper's values
export.json, README.md                  what this is of

reward.py is the source of `stride_ed.rewards`, with the function that verl calls behind it: the
machine that trains needs nothing of ours.
"""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.dialogue import Example
from harness.errors import InputError
from harness.files import write_atomic
from harness.tasks.prompts import Message
from stride_ed import rewards
from stride_ed.offline.evaluators import Item
from stride_ed.outputs import Row, verl_parquet
from stride_ed.prompts import model_messages
from stride_ed.scale_out.launch import (
    PPO_CONFIG,
    PPO_MODULE,
    SFT_CONFIG,
    SFT_MODULE,
    VERL,
    grpo_overrides,
    ppo_overrides,
    recipe,
    script,
    sft_overrides,
)
from stride_ed.training.data import Lessons
from stride_ed.training.rows import completion
from stride_ed.training.variants import Variant

__all__ = ["export_verl"]

_ADAPTER = '''

# --- what verl calls -------------------------------------------------------------------------

REWARDED = {parts!r}


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **_):
    """The reward of one answer and its parts.

    Raises:
        KeyError: the data lack a gold label that is rewarded.
    """
    gold = dict(extra_info or {{}})
    for part in REWARDED:
        if not gold.get(part):
            raise KeyError(f"extra_info has no {{part!r}} for {{gold.get('id')}}: export again")
    found = reward(solution_str, emotion=gold.get("emotion"), strategy=gold.get("strategy"))
    parts = {{part: getattr(found, part) for part in REWARDED}}
    return {{"score": found.of(REWARDED), "format": found.format, **parts}}
'''

_LAST_TURN = '''"""verl learns every turn of the assistant; STRIDE-ED learns the last one alone."""

from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset


class LastTurnDataset(MultiTurnSFTDataset):
    """Conversations of which only the last message is learnt.

    Where a row is too long its beginning goes: without padding verl would cut the end off, which
    is what is learnt.
    """

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        if self.pad_mode != "no_padding":
            raise ValueError(f"data.pad_mode must be no_padding, found {self.pad_mode}")
        self.longest, self.max_length = self.max_length, 2**62

    def __getitem__(self, item):
        row = super().__getitem__(item)
        for name in ("input_ids", "loss_mask"):
            row[name] = row[name][-self.longest :]
        row["position_ids"] = row["position_ids"][..., : self.longest]
        return row

    def _process_single_message(self, index, message, full_message, *arguments, **named):
        ids, loss, attention, more = super()._process_single_message(
            index, message, full_message, *arguments, **named
        )
        return ids, loss * (index == len(full_message) - 1), attention, more
'''


def export_verl(
    learnt: Lessons, output: Path, *, variant: Variant, base: str, gpus: int
) -> dict[str, Any]:
    """Write the folder; what stands in export.json.

    Raises:
        InputError: the variant has no PPO, or `gpus` cannot share the paper's batches.
        StorageError: the disk refuses.
    """
    if not variant.ppo:
        raise InputError(f"--variant {variant.name} has no PPO to launch")
    if gpus < 1 or 16 % gpus:
        raise InputError(f"--gpus must divide the paper's batch of 16, found {gpus}")
    files: dict[str, str | bytes] = {
        "sft_train.parquet": _conversations(learnt.traced, learnt.plain, variant),
        "sft_valid.parquet": _conversations(learnt.valid, (), variant),
        "ppo_train.parquet": _prompts(learnt.traced, learnt, variant),
        "ppo_valid.parquet": _prompts(learnt.valid, learnt, variant),
        "reward.py": inspect.getsource(rewards).rstrip() + _ADAPTER.format(parts=variant.parts),
        "last_turn.py": _LAST_TURN,
        **_launch(base, gpus=gpus),
    }
    card = {
        "verl": VERL,
        "variant": variant.name,
        "base": base,
        "gpus": gpus,
        "data": learnt.digest,
        "source": learnt.source.name,
        "traced": len(learnt.traced),
        "response_only": len(learnt.plain),
        "valid": len(learnt.valid),
        "warnings": _warnings(learnt),
    }
    files["README.md"] = _readme(card)
    files["export.json"] = json.dumps(card, indent=2) + "\n"
    for name, content in files.items():
        write_atomic(output / name, content)
        if name.endswith(".sh"):
            (output / name).chmod(0o755)
    return card


def _launch(base: str, *, gpus: int) -> dict[str, str | bytes]:
    sft = sft_overrides(base, gpus=gpus)
    ppo, grpo = ppo_overrides(gpus=gpus), grpo_overrides(gpus=gpus)
    torchrun = f"torchrun --standalone --nnodes=1 --nproc_per_node={gpus} -m {SFT_MODULE}"
    return {
        "sft.sh": script(torchrun, sft),
        "sft.yaml": recipe(SFT_CONFIG, sft),
        "ppo.sh": script(f"python3 -m {PPO_MODULE}", ppo, model=True),
        "ppo.yaml": recipe(PPO_CONFIG, ppo),
        "grpo.sh": script(f"python3 -m {PPO_MODULE}", grpo, model=True),
        "grpo.yaml": recipe(PPO_CONFIG, grpo),
    }


def _warnings(learnt: Lessons) -> list[str]:
    """verl drops batches that are not full, without a word."""
    batches = {
        "SFT would learn nothing": (len(learnt.traced) + len(learnt.plain), 16),
        "SFT would validate nothing": (len(learnt.valid), 16),
        "PPO would learn nothing": (len(learnt.traced), 64),
    }
    return [
        f"{found} examples fill no batch of {least}: {what}"
        for what, (found, least) in batches.items()
        if found < least
    ]


def _conversations(items: Sequence[Item], plain: Sequence[Example], variant: Variant) -> bytes:
    """Rows {"messages"} whose last message is to be learnt."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = [(model_messages(item[0], variant.stages), completion(item, variant.stages))
            for item in items]  # fmt: skip
    said += [(model_messages(e, ()), " ".join(e.reference.split())) for e in plain]
    rows = [{"messages": [*asked, _assistant(answer)]} for asked, answer in said]
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema([("messages", pa.list_(message))])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()


def _assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


def _prompts(items: Sequence[Item], learnt: Lessons, variant: Variant) -> bytes:
    rows = [Row(example, trace, None, "") for example, trace in items]
    return verl_parquet(rows, source=learnt.source.name, stages=variant.stages)


def _readme(card: Mapping[str, Any]) -> str:
    warned = "".join(f"**{warning}.**\n\n" for warning in card["warnings"])
    return (
        "# STRIDE-ED for verl\n\n"
        f"{card['traced']:,} traced and {card['response_only']:,} response-only examples of "
        f"{card['source']}, {card['valid']:,} held out, no dialogue on both sides; variant "
        f"{card['variant']}. Keys were checked against verl {card['verl']}; for another version "
        "compare them first.\n\n"
        f"{warned}"
        "    ./sft.sh\n"
        "    MODEL=checkpoints/stride-ed/sft/global_step_N/huggingface ./ppo.sh\n\n"
        "More overrides may follow, as in `./ppo.sh trainer.total_epochs=1`. The same values stand "
        'in `sft.yaml` and `ppo.yaml`, for `--config-path "$PWD" --config-name ppo`; there '
        "`# paper` marks what the paper's released scripts set (ACL 2026). All else is verl's "
        "default or ours, above all:\n\n"
        "- the KL penalty is part of the reward (`use_kl_in_reward`): verl's default ignores the "
        "coefficient;\n"
        "- `last_turn.py` learns the last message alone, and cuts a row that is too long at its "
        "beginning: verl learns every message of the assistant and cuts at the end;\n"
        f"- one GPU takes at most its share of a batch at once: {card['gpus']} GPUs here, 4 in the "
        "paper;\n"
        "- `grpo.sh`: the same rewards without a critic.\n\n"
        "Rewards are computed by `reward.py`, the file that `empathy-bench stride ppo` rewards by; "
        "gold labels stand in `extra_info`, and a missing one stops the training.\n\n"
        "EmpatheticDialogues is CC BY-NC 4.0.\n"
    )
