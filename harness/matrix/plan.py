"""The file of a matrix, and the cells that it asks for.

    models: [constant, smollm2, {model: "hf:./mine", max_tokens: 64}]
    tasks: [ed_response, esconv_response]
    seeds: [1, 2, 3]
    data: sample
    limit: 200
    options: {temperature: 0.7, few_shot: 2}
    judges:
      - {protocol: ed-absolute, judge: "openai:http://127.0.0.1:8000/v1#name", items: 100}

`options`, and what stands beside a `model`, are options of `empathy-bench run`; what stands beside
a `judge` those of `judge run`. Each cell is one such command, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.errors import InputError, UnknownNameError
from harness.files import canonical_json, sha256_text
from harness.jsonl import brief

__all__ = ["Cell", "Judging", "Matrix", "cells", "read_matrix"]

Options = Mapping[str, str | int | float | bool]
_KEYS = ("models", "tasks", "seeds", "data", "limit", "options", "judges")
# What the matrix itself gives to each command.
_OWN = ("model", "task", "seed", "output", "resume", "json", "mlflow", "data", "limit")


@dataclass(frozen=True, slots=True)
class Judging:
    """A judge of every task's runs that its protocol fits."""

    protocol: str
    judge: str
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """What the file asks for; `models` pairs names with options of their own."""

    models: tuple[tuple[str, Options], ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...] = (1234,)
    data: str | None = None
    limit: int | None = None
    options: Options = field(default_factory=dict)
    judges: tuple[Judging, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One command. `after` names the cells whose runs a judge reads; their folders are added.

    `folder` is its --output. `id` changes with anything that the command says.
    """

    kind: Literal["run", "judge"]
    name: str
    folder: Path
    arguments: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return sha256_text(canonical_json([self.kind, self.name, *self.arguments]))[:12]


def read_matrix(path: Path) -> Matrix:
    """Read and check the file.

    Raises:
        InputError: no such file, no YAML, or a part of another form than the module's head shows.
        UnknownNameError: there is no such key, task or protocol.
    """
    import yaml

    if not path.is_file():
        raise InputError(f"{path}: no such file; `empathy-bench matrix --help` shows one")
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError) as bad:
        raise InputError(f"{path}: is no YAML: {brief(str(bad), 200)}") from bad
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected keys such as models and tasks, found {brief(found)}")
    for key in found:
        if key not in _KEYS:
            raise UnknownNameError(f"key of {path}", str(key), _KEYS)
    return Matrix(
        models=tuple(_model(path, row) for row in _list(path, found, "models")),
        tasks=_tasks(path, _list(path, found, "tasks")),
        seeds=tuple(_seed(path, seed) for seed in found.get("seeds") or [1234]),
        data=_scalar(path, found, "data", str),
        limit=_scalar(path, found, "limit", int),
        options=_options(path, found.get("options") or {}, "options"),
        judges=tuple(_judging(path, row) for row in found.get("judges") or []),
    )


def cells(matrix: Matrix, output: Path, *, mlflow: str | None = None) -> list[Cell]:
    """The cells in the order they run: task by task, seed by seed, model by model, judges last."""
    found: list[Cell] = []
    for task in matrix.tasks:
        for seed in matrix.seeds:
            place = output / f"seed-{seed}" if len(matrix.seeds) > 1 else output
            made = [
                Cell(
                    kind="run",
                    name=f"{task} · {model} · seed {seed}",
                    folder=place,
                    arguments=(
                        "run", "--model", model, "--task", task, "--seed", str(seed),
                        *_shared(matrix, place, mlflow), *_flags({**matrix.options, **own}),
                        "--resume",
                    ),
                )
                for model, own in matrix.models
            ]  # fmt: skip
            found += made
            found += _judges(matrix, task, seed, place, made, mlflow)
    return found


def _judges(
    matrix: Matrix, task: str, seed: int, place: Path, runs: Sequence[Cell], mlflow: str | None
) -> Iterator[Cell]:
    from harness.judges.protocols import get_protocol
    from harness.tasks import TASKS

    for judging in matrix.judges:
        dataset = get_protocol(judging.protocol).dataset
        if TASKS[task].kind != "response" or dataset not in (None, TASKS[task].dataset):
            continue
        folder = place / "judged" / task
        shared = _shared(matrix, folder, mlflow, limit=False)
        yield Cell(
            kind="judge",
            name=f"{task} · {judging.protocol} by {judging.judge} · seed {seed}",
            folder=folder,
            arguments=(
                "judge", "run", judging.protocol, "--judge", judging.judge, "--seed", str(seed),
                *shared, *_flags(judging.options),
            ),
            after=tuple(run.name for run in runs),
        )  # fmt: skip


def _shared(
    matrix: Matrix, folder: Path, mlflow: str | None, *, limit: bool = True
) -> tuple[str, ...]:
    return (
        "--output", str(folder), "--json",
        *(("--data", matrix.data) if matrix.data is not None else ()),
        *(("--limit", str(matrix.limit)) if limit and matrix.limit is not None else ()),
        *(("--mlflow", mlflow) if mlflow is not None else ()),
    )  # fmt: skip


def _flags(options: Options) -> Iterator[str]:
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            yield flag if value else f"--no-{flag[2:]}"
        else:
            yield from (flag, str(value))


def _list(path: Path, found: Mapping[str, Any], key: str) -> list[Any]:
    value = found.get(key)
    if not isinstance(value, list) or not value:
        raise InputError(f"{path}: {key}: expected a list with something in it, found {value!r}")
    return value


def _model(path: Path, row: object) -> tuple[str, Options]:
    if isinstance(row, str):
        return row, {}
    if isinstance(row, dict) and isinstance(row.get("model"), str):
        own = {key: value for key, value in row.items() if key != "model"}
        return row["model"], _options(path, own, f"models: {row['model']}")
    raise InputError(f"{path}: models: expected a name or {{model: NAME, …}}, found {brief(row)}")


def _judging(path: Path, row: object) -> Judging:
    from harness.judges.protocols import get_protocol

    known = isinstance(row, dict) and all(
        isinstance(row.get(k), str) for k in ("protocol", "judge")
    )
    if not known or not isinstance(row, dict):
        raise InputError(
            f"{path}: judges: expected {{protocol: NAME, judge: SPEC, …}}, found {brief(row)}"
        )
    get_protocol(row["protocol"])
    own = {key: value for key, value in row.items() if key not in ("protocol", "judge")}
    return Judging(row["protocol"], row["judge"], _options(path, own, "judges"))


def _tasks(path: Path, names: Sequence[object]) -> tuple[str, ...]:
    from harness.tasks import get_tasks

    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: tasks: expected names, found {brief(names)}")
    return tuple(task.name for task in get_tasks(",".join(map(str, names))))


def _seed(path: Path, seed: object) -> int:
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError(f"{path}: seeds: expected whole numbers, found {seed!r}")
    return seed


def _scalar(path: Path, found: Mapping[str, Any], key: str, kind: type) -> Any:
    value = found.get(key)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise InputError(f"{path}: {key}: expected {kind.__name__}, found {value!r}")
    return value


def _options(path: Path, found: object, where: str) -> Options:
    good = isinstance(found, dict) and all(
        isinstance(key, str) and isinstance(value, str | int | float | bool)
        for key, value in found.items()
    )
    if not good or not isinstance(found, dict):
        raise InputError(f"{path}: {where}: expected NAME: VALUE pairs, found {brief(found)}")
    for key in found:
        if key.replace("-", "_") in _OWN:
            raise InputError(f"{path}: {where}: {key} is given by the matrix itself; leave it out")
    return found
