"""Training from scratch: Noam-scheduled Adam, validation perplexity, early stop, exact resume.

    examples ─▶ vocabulary, batches ─▶ steps of (encode → word loss + terms → Adam)
             ─▶ every `validate_every` steps: perplexity, accuracy, both checkpoints

What a step draws (order of examples, dropout, oracle) follows from the seed and the step's number
alone, and last.safetensors holds weights and optimiser: a run that was killed and resumed ends in
the weights of one that was not (same kind of machine, same number of threads).

The word loss is the mean over tokens, and perplexity is exp of the summed loss over all tokens of
the validation set, EOS included: never a mean of batch means.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.neural.adversarial import feedback_texts
from baselines.neural.batches import Encoded, encode, shuffled
from baselines.neural.cem import RELATIONS
from baselines.neural.files import fill_vectors, read_relations, signature
from baselines.neural.settings import Settings, assemble, check
from baselines.neural.updates import Learner, learning_rate, update, validate
from baselines.neural.vocabulary import Vocabulary, build
from harness import checkpoint
from harness.checkpoint import Step
from harness.errors import DataError, ModelError
from harness.files import canonical_json, disk_errors, sha256_text
from harness.parallel import join
from harness.training_log import TrainingLog

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from baselines.neural.architecture import Architecture
    from harness.dialogue import Example

__all__ = ["RELATIONS_FILE", "VOCABULARY", "Trained", "train"]

VOCABULARY = "vocabulary.json"
RELATIONS_FILE = "relations.jsonl"
# What a second stage keeps of the run that it starts from.
_OF_THE_START = (
    *("label", "min_count", "max_context", "max_target", "pointer", "lexicon"),
    *("width", "heads", "depth", "filters", "layers", "dropout"),
)


@dataclass(slots=True)
class Progress:
    """What a resumed run must know beside weights and optimiser."""

    step: int = 0
    best: float = sys.float_info.max  # infinity has no JSON
    best_step: int = 0
    since_best: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` leaves: the folder, how it went, and what the model knows."""

    folder: Path
    settings: Settings
    progress: Progress
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    parameters: int
    finished: bool


@dataclass(frozen=True, slots=True)
class _Run:
    """The things that stay while steps go by."""

    folder: Path
    learner: Learner
    train: Sequence[Encoded]
    valid: Sequence[Encoded]
    show: Callable[[Step], None]
    log: TrainingLog | None


def train(
    examples: Sequence[Example],
    held_out: Sequence[Example],
    output: Path,
    *,
    settings: Settings,
    files: Mapping[str, Path] | None = None,
    resume: bool = False,
    device: str = "cpu",
    mirror: Callable[[Path], None] | None = None,
    show: Callable[[Step], None] = lambda step: None,
) -> Trained:
    """Train on `examples`, stop by `held_out`; model.safetensors holds the best weights.

    `files`: embeddings, lexicon or relations; start, the folder of a finished run to go on from.
    `mirror` is told of every row of the curve (harness.training_log).

    Raises:
        DataError: there is no example, a dialogue stands on both sides, or a file does not fit.
        InputError: settings that cannot work, or `output` holds another run.
        ModelError: the loss is no number any more; the last good checkpoint stays.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    files = dict(files or {})
    settings = _with_files(settings, files)
    check(settings)
    _check_split(examples, held_out)
    labels = tuple(sorted({gold for e in examples if (gold := _gold(e, settings))}))
    texts = [text for e in examples for text in (*(t.text for t in e.context), e.reference)]
    vocabulary = build(texts, min_count=settings.min_count)
    data = sha256_text(canonical_json([[e.id for e in examples], [e.id for e in held_out]]))[:16]
    world = join()
    with checkpoint.locked(output) if world.first else nullcontext():
        if world.first:
            wanted = {**asdict(settings), "data": data}
            checkpoint.prepare(output, wanted, resume=resume, may_grow=("steps", "patience"))
            vocabulary.save(output / VOCABULARY)
            if "relations" in files:
                _copy(files["relations"], output / RELATIONS_FILE)
        world.wait()
        rows, valid = _encoded([examples, held_out], vocabulary, labels, settings, files)
        model = _begun(settings, vocabulary, labels, rows, files).to(device)
        learner = Learner.of(model, settings, device, world)
        log = TrainingLog(output, mirror=mirror) if world.first else None
        progress = _loop(_Run(output, learner, rows, valid, show, log))
    return Trained(
        folder=output,
        settings=settings,
        progress=progress,
        vocabulary=vocabulary,
        labels=labels,
        parameters=sum(weights.numel() for weights in model.parameters()),
        finished=_finished(progress, settings),
    )


def _with_files(settings: Settings, files: Mapping[str, Path]) -> Settings:
    """The settings with each file's name and hash; with the sizes of the run to start from."""
    given: dict[str, Any] = {}
    for name, path in files.items():
        given[name] = signature(path / checkpoint.BEST if name == "start" else path)
    if "start" in files:
        begun = checkpoint.settings_of(files["start"])
        given |= {name: begun[name] for name in _OF_THE_START if name in begun}
    return replace(settings, **given)


def _copy(source: Path, target: Path) -> None:
    """Once, whole or not at all."""
    if not target.is_file():
        with disk_errors(target):
            part = target.with_suffix(".part")
            shutil.copyfile(source, part)
            part.replace(target)


def _begun(
    settings: Settings,
    vocabulary: Vocabulary,
    labels: Sequence[str],
    rows: Sequence[Encoded],
    files: Mapping[str, Path],
) -> Architecture:
    """The model as it is before the first step."""
    model = assemble(settings, vocabulary=len(vocabulary), labels=labels)
    model.learn_from(rows, vocabulary, files)
    if "embeddings" in files:
        fill_vectors(files["embeddings"], vocabulary, model.embedding.words.weight)
    if "start" in files:
        _take_over(model, files["start"], vocabulary)
    return model


def _take_over(model: Architecture, folder: Path, vocabulary: Vocabulary) -> None:
    """The best weights of a finished run.

    Raises:
        DataError: it was trained on other words.
        ModelError: it is another architecture.
    """
    if Vocabulary.load(folder / VOCABULARY) != vocabulary:
        raise DataError(f"{folder}: was trained on other examples; give the --data of that run")
    tensors, _ = checkpoint.load(folder / checkpoint.BEST)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{folder}: holds another architecture or other sizes") from error


def _check_split(examples: Sequence[Example], held_out: Sequence[Example]) -> None:
    if not examples or not held_out:
        raise DataError("training needs examples to learn from and others to stop by; found none")
    both = {e.dialogue_id for e in examples} & {e.dialogue_id for e in held_out}
    if both:
        raise DataError(f"{len(both)} dialogues are on both sides, such as {min(both)}")


def _gold(example: Example, settings: Settings) -> str | None:
    return example.emotion if settings.label == "emotion" else example.strategy


def _encoded(
    sides: Sequence[Sequence[Example]],
    vocabulary: Vocabulary,
    labels: Sequence[str],
    settings: Settings,
    files: Mapping[str, Path],
) -> list[list[Encoded]]:
    """Each side's examples as numbers, with feedback and relations where they are wanted."""
    ids = [example.id for side in sides for example in side]
    told = read_relations(files["relations"], RELATIONS, ids) if "relations" in files else {}
    return [
        [
            encode(
                example,
                vocabulary,
                labels,
                label=_gold(example, settings),
                max_context=settings.max_context,
                max_target=settings.max_target,
                feedback=answers.get(example.id, ""),
                relations=told.get(example.id, ()),
            )
            for example in side
        ]
        for side in sides
        for answers in [feedback_texts(side) if settings.adversarial else {}]
    ]


def _finished(progress: Progress, settings: Settings) -> bool:
    return progress.step >= settings.steps or progress.since_best >= settings.patience


def _loop(run: _Run) -> Progress:
    """Steps until the end or until validation stops getting better."""
    settings, progress = run.learner.settings, _restore(run)
    if run.log:
        run.log.rewind(progress.step)
    per_epoch = math.ceil(len(run.train) / settings.batch_size)
    batches: list[list[int]] = []
    epoch = -1
    losses: list[float] = []
    while not _finished(progress, settings):
        started = time.monotonic()
        if progress.step // per_epoch != epoch:
            epoch = progress.step // per_epoch
            batches = shuffled(run.train, size=settings.batch_size, seed=settings.seed, epoch=epoch)
        chosen = [run.train[i] for i in batches[progress.step % per_epoch]]
        losses.append(update(run.learner, chosen, progress.step, folder=run.folder))
        progress.step += 1
        run.show(
            Step(
                stage=f"epoch {epoch + 1}",
                done=progress.step,
                total=settings.steps,
                loss=sum(losses[-100:]) / len(losses[-100:]),
                best=f"PPL {progress.best:.2f}" if progress.best_step else "",
            )
        )
        progress.seconds += time.monotonic() - started
        if progress.step % settings.validate_every == 0 or progress.step == settings.steps:
            _validated(run, progress, losses)
            losses = []
    return progress


def _validated(run: _Run, progress: Progress, losses: Sequence[float]) -> None:
    """Measure on the held-out side and keep the state; `losses` are those since the last time."""
    learner, started = run.learner, time.monotonic()
    found = validate(learner.model, run.valid, device=learner.device, world=learner.world)
    progress.seconds += time.monotonic() - started
    if run.log:
        rate = learning_rate(progress.step, learner.settings)
        values = {"train/loss": sum(losses) / len(losses), "rate": rate}
        values |= {f"valid/{name}": value for name, value in found.items()}
        run.log.record(progress.step, values)
    if progress.step > learner.settings.critic_steps:  # before, the model has not changed
        progress.since_best += 1
        if found["ppl"] < progress.best:
            progress.best, progress.best_step, progress.since_best = found["ppl"], progress.step, 0
            if learner.world.first:
                weights = learner.model.state_dict()
                checkpoint.save(run.folder / checkpoint.BEST, weights, {"step": progress.step})
    if learner.world.first:
        checkpoint.save(run.folder / checkpoint.LAST, _tensors(learner), asdict(progress))
    learner.world.wait()


def _parts(learner: Learner) -> dict[str, tuple[nn.Module, Optimizer]]:
    """What learns, by the names of its tensors in a checkpoint: its own, its optimiser's."""
    parts: dict[str, tuple[nn.Module, Optimizer]] = {"": (learner.model, learner.optimizer)}
    if learner.critics is not None and learner.critic_optimizer is not None:
        parts["critic-"] = (learner.critics, learner.critic_optimizer)
    return parts


def _tensors(learner: Learner) -> dict[str, Tensor]:
    """Everything that a resumed run needs, by name."""
    tensors = {} if learner.vectors is None else {"vectors": learner.vectors}
    for part, (module, optimizer) in _parts(learner).items():
        tensors |= {f"{part}model.{name}": value for name, value in module.state_dict().items()}
        tensors |= {
            f"{part}optimizer.{index}.{key}": value
            for index, moments in optimizer.state_dict()["state"].items()
            for key, value in moments.items()
        }
    return tensors


def _restore(run: _Run) -> Progress:
    """The state of last.safetensors, with the learner set to it; else the beginning."""
    path = run.folder / checkpoint.LAST
    if not path.is_file():
        return Progress()
    tensors, state = checkpoint.load(path)
    if run.learner.vectors is not None:
        run.learner.vectors.copy_(tensors["vectors"])
    for part, (module, optimizer) in _parts(run.learner).items():
        module.load_state_dict(_below(tensors, f"{part}model."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, f"{part}optimizer.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return Progress(**state)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
