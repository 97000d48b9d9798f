"""A fine-tuned folder as a model: `--model tuned:FOLDER[,oracle]`.

causal, without label tokens      harness.models.LanguageModel, as every other language model
joint, or encoder–decoder         baselines.pretrained.tuned
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.pretrained.models import label_ids
from baselines.pretrained.settings import Settings as Training
from baselines.pretrained.tuned import BATCH, Tuned
from harness.errors import ModelError
from harness.models import Model, Settings
from harness.training_log import CARD
from harness.tuning.bases import find_base
from harness.tuning.kept import MODEL, load_kept, weights_hash
from harness.tuning.passes import start_token
from harness.tuning.tokens import end_of_turn

__all__ = ["load"]


def load(argument: str, settings: Settings) -> Model:
    """`tuned:FOLDER` or `tuned:FOLDER,oracle`.

    Raises:
        ModelError: FOLDER holds no finished fine-tuning, weights of another model, or its base is
            gone or has changed; or an oracle is asked of a model without label tokens.
    """
    import torch

    place, _, option = argument.partition(",")
    if not place or option not in ("", "oracle"):
        raise ModelError(
            f"--model tuned:{argument}: write tuned:FOLDER, or tuned:FOLDER,oracle for gold labels"
        )
    folder = Path(place)
    card, training = _read_card(folder)
    if option and not training.joint:
        raise ModelError(f"{folder}: has no label tokens to give; train it with --joint")
    if weights_hash(folder) != card["weights"]:
        raise ModelError(
            f"{folder / MODEL}: weights are not those of card.json ({card['weights']}); train again"
        )
    base = None
    if training.lora:
        base = find_base(training.base)
        if base.revision != card["base"]["revision"]:
            raise ModelError(
                f"{folder}: was trained on {base.name} {card['base']['revision']}, "
                f"but {training.base} is {base.revision} now; bring that base back"
            )
    device = settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = settings.dtype or ("float32" if device == "cpu" else "auto")
    model, tokenizer = load_kept(folder, training.kind, base, dtype=dtype)
    _check_labels(folder, training, tokenizer)
    _decode_plainly(model, tokenizer, training)
    name = f"{card['name']}, oracle label" if option else card["name"]
    shown = {"name": name, "kind": "baseline", "family": "fine-tuned"} | {
        key: card[key]
        for key in ("base", "method", "parameters", "seed", "weights", "trained_on", "task")
    }
    shown |= {"dtype": dtype, "device": device.split(":")[0]}
    model = model.to(device).eval()
    if training.kind == "causal" and not training.joint:
        return _language_model(model, tokenizer, shown, settings)
    return Tuned(shown, training, settings, bool(option), model, tokenizer)


def _read_card(folder: Path) -> tuple[dict[str, Any], Training]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        training = Training(**card["settings"])
        hash_and_base = card["weights"], card["base"]["revision"]
        if not all(isinstance(x, str) for x in hash_and_base):
            raise TypeError("card.json names no weights or base")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: no finished fine-tuning ({error}); make one with `empathy-bench train sft` "
            "or `train seq2seq`"
        ) from error
    return card, training


def _check_labels(folder: Path, training: Training, tokenizer: Any) -> None:
    ids = label_ids(training, tokenizer)
    if len(set(ids)) != len(training.labels) or tokenizer.unk_token_id in ids:
        raise ModelError(f"{folder}: its tokenizer lacks label tokens; train it again")


def _decode_plainly(model: Any, tokenizer: Any, training: Training) -> None:
    """Greedy and unbounded below, whatever beams and lengths the base's authors preferred."""
    from transformers import GenerationConfig

    known = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(known if isinstance(known, list) else [known])} - {None}
    if training.kind == "causal":
        chat = bool(tokenizer.chat_template)
        end = tokenizer(end_of_turn(tokenizer, chat=chat), add_special_tokens=False)["input_ids"]
        ends |= set(end) if len(end) == 1 else set()
    model.generation_config = GenerationConfig(
        eos_token_id=sorted(ends),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        decoder_start_token_id=start_token(model) if training.kind == "seq2seq" else None,
    )


def _language_model(
    model: Any, tokenizer: Any, card: Mapping[str, Any], settings: Settings
) -> Model:
    import logging

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from harness.models.language_model import LanguageModel
    from harness.models.shared_prefix import SharedPrefixHFLM

    size = settings.batch_size or BATCH
    lm = SharedPrefixHFLM(pretrained=model, tokenizer=tokenizer, backend="causal", batch_size=size)
    template = bool(tokenizer.chat_template)
    if settings.chat_template and not template:
        raise ModelError("this model's tokenizer has no chat template; use --no-chat-template")
    chat = template and settings.chat_template is not False
    return LanguageModel(lm, card, settings, size, chat, likelihood=True)
