"""What a training run depends on beside its data, and what each architecture is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from baselines.neural.architecture import Architecture
    from baselines.neural.layers import Sizes

__all__ = ["KINDS", "QUIRKS", "Kind", "Settings", "assemble", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One architecture: its public name, whether it learns labels, where its class is.

    `defaults` are settings in which it differs from the family; `options` names the settings that
    its class takes; `quirks` those of `QUIRKS` that concern it alone.
    """

    title: str
    description: str
    labels: bool
    module: str
    class_name: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "transformer": Kind(
        title="Transformer",
        description="Encoder and decoder, words only.",
        labels=False,
        module="baselines.neural.transformer",
        class_name="Transformer",
    ),
    "multi-trs": Kind(
        title="Multi-TRS",
        description="The Transformer that also names the label.",
        labels=True,
        module="baselines.neural.transformer",
        class_name="Transformer",
    ),
    "emoprepend": Kind(
        title="EmoPrepend-1",
        description="The Transformer that reads a predicted label before the context.",
        labels=True,
        module="baselines.neural.transformer",
        class_name="EmoPrepend",
    ),
    "moel": Kind(
        title="MoEL",
        description="Mixture of empathetic listeners: a decoder per label (Lin et al. 2019).",
        labels=True,
        module="baselines.neural.moel",
        class_name="MoEL",
        quirks=("keep-oracle",),
    ),
    "mime": Kind(
        title="MIME",
        description="Mimicking and contrary emotions, drawn by a VAE (Majumder et al. 2020).",
        labels=True,
        module="baselines.neural.mime",
        class_name="MIME",
        quirks=("gold-side", "shared-variance"),
    ),
    "empdg": Kind(
        title="EmpDG (generator)",
        description="Emotional words read apart, words copied (Li et al. 2020).",
        labels=True,
        module="baselines.neural.empdg",
        class_name="EmpDG",
        defaults={"pointer": True},
    ),
    "empdg-adversarial": Kind(
        title="EmpDG",
        description="EmpDG's generator, taught on by critics that read the speaker's next turn.",
        labels=True,
        module="baselines.neural.empdg",
        class_name="EmpDG",
        defaults={
            "pointer": True,
            "schedule": "constant",
            "rate": 1e-4,
            "critic_steps": 2_000,
            "adversarial": 0.1,
            "steps": 10_000,
            "validate_every": 1_000,
        },
    ),
    "cem": Kind(
        title="CEM",
        description="The context refined by commonsense about the speaker (Sabour et al. 2022).",
        labels=True,
        module="baselines.neural.cem",
        class_name="CEM",
        defaults={"smoothing": 0.0},
        options=("relations",),
    ),
}

# What the published code does otherwise than its paper or than is sound; each can be restored.
QUIRKS: Mapping[str, str] = {
    "no-clipping": "gradients are never clipped",
    "batch-mean-ppl": "validation perplexity is the mean over batches of 16 of their perplexities",
    "summed-label-loss": "the label loss is a sum over the batch, not a mean (EmpDG, KEMP)",
    "keep-oracle": "MoEL validates with the gold label if the last training step drew it",
    "gold-side": "MIME validates with the side of the gold emotion",
    "shared-variance": "MIME's negative latent has the positive one's variance",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Defaults are what the published repositories share.

    `label` is what the label head learns. `warm_up` and `rate` are Noam's: lr = rate · d^-0.5 ·
    min(t^-0.5, t · w^-1.5). `smoothing` of the word targets; `clip` bounds the gradient's norm
    (declared as 2.0 everywhere, and applied nowhere in the published code). `patience` validations
    without a lower perplexity end the run. `min_count`: rarer training words are unknown.
    `pointer`: words can be copied from the context. `embeddings`, `lexicon`, `relations`, `start`:
    name and hash of a file that the run was given. `critic_steps` and `adversarial` (the weight λ)
    belong to EmpDG's second stage.
    """

    kind: str
    label: Literal["emotion", "strategy"] = "emotion"
    batch_size: int = 16
    steps: int = 40_000
    validate_every: int = 2_000
    patience: int = 3
    warm_up: int = 8_000
    rate: float = 1.0
    schedule: Literal["noam", "constant"] = "noam"
    smoothing: float = 0.1
    clip: float = 2.0
    max_context: int = 256
    max_target: int = 51
    min_count: int = 1
    width: int = 300
    heads: int = 2
    depth: int = 40
    filters: int = 50
    layers: int = 1
    dropout: float = 0.0
    pointer: bool = False
    embeddings: str | None = None
    lexicon: str | None = None
    relations: str | None = None
    start: str | None = None
    critic_steps: int = 0
    adversarial: float = 0.0
    quirks: tuple[str, ...] = ()
    seed: int = 0

    def sizes(self) -> Sizes:
        from baselines.neural.layers import Sizes

        return Sizes(
            width=self.width,
            heads=self.heads,
            depth=self.depth,
            filters=self.filters,
            layers=self.layers,
            dropout=self.dropout,
        )


def assemble(settings: Settings, *, vocabulary: int, labels: Sequence[str]) -> Architecture:
    """The architecture with freshly drawn weights, by the settings' seed.

    Raises:
        InputError: the architecture cannot work with these labels.
    """
    from importlib import import_module

    import torch

    from baselines.neural.pointer import Pointer

    kind = KINDS[settings.kind]
    make: Callable[..., Architecture] = getattr(import_module(kind.module), kind.class_name)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = make(
            vocabulary=vocabulary,
            labels=tuple(labels) if kind.labels else (),
            sizes=settings.sizes(),
            **{name: getattr(settings, name) is not None for name in kind.options},
        )
        if settings.pointer:
            model.pointer = Pointer(settings.width)
    model.quirks = frozenset(settings.quirks)
    return model


def check(settings: Settings) -> None:
    """Refuse settings that cannot work.

    Raises:
        InputError: the first that cannot.
    """
    if settings.kind not in KINDS:
        raise InputError(f"no architecture {settings.kind!r}; known: {', '.join(KINDS)}")
    least = {"max_context": 2, "max_target": 2}
    names = ("batch_size", "steps", "validate_every", "patience", "warm_up", "max_context")
    for name in (*names, "max_target", "min_count", "width", "heads", "depth", "filters", "layers"):
        if getattr(settings, name) < least.get(name, 1):
            value = getattr(settings, name)
            raise InputError(f"{name} is {value}, expected at least {least.get(name, 1)}")
    if settings.critic_steps >= settings.steps:
        raise InputError(
            f"{settings.critic_steps} steps of the critics alone leave none of {settings.steps}; "
            "give more --steps or fewer --critic-steps"
        )
    if settings.depth % settings.heads:
        raise InputError(f"depth {settings.depth} cannot be shared by {settings.heads} heads")
    for name in ("smoothing", "dropout"):
        if not 0 <= getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}, expected 0 up to below 1")
    for quirk in settings.quirks:
        if quirk not in QUIRKS:
            raise UnknownNameError("quirk", quirk, QUIRKS)
        owners = [name for name, kind in KINDS.items() if quirk in kind.quirks]
        if owners and settings.kind not in owners:
            raise InputError(
                f"the quirk {quirk} is one of {', '.join(owners)}, not {settings.kind}"
            )
    for name in ("rate", "clip"):
        if not getattr(settings, name) > 0:
            raise InputError(f"{name} is {getattr(settings, name)}, expected above 0")
