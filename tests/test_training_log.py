"""The curve and card of a training: nothing recorded is lost, nothing torn is believed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError, ModelError, StorageError
from harness.training_log import CARD, CURVE, PICTURE, README, TrainingLog, read_curve
from harness.training_plot import best_step, draw_curve
from tests.conftest import ROOT

NAMES = st.sampled_from(["train/loss", "valid/loss", "valid/ppl", "valid/accuracy", "rate"])
VALUES = st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False), min_size=1)
CURVES = st.lists(VALUES, min_size=1, max_size=8)


def written(folder: Path, curve: list[dict[str, float]]) -> list[dict[str, float]]:
    """Record `curve` at steps 10, 20, …; the rows that must come back."""
    log = TrainingLog(folder)
    rows = []
    for number, values in enumerate(curve, start=1):
        log.record(10 * number, values)
        rows.append({"step": 10 * number, **values})
    return rows


@given(curve=CURVES)
def test_what_was_recorded_comes_back_to_the_last_bit(
    curve: list[dict[str, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    assert read_curve(folder) == []
    assert written(folder, curve) == read_curve(folder)


@settings(deadline=None)
@given(curve=CURVES, data=st.data())
def test_a_file_torn_anywhere_keeps_its_whole_lines_and_can_be_written_on(
    curve: list[dict[str, float]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    rows = written(folder, curve)
    whole = (folder / CURVE).read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    (folder / CURVE).write_bytes(whole[:cut])
    kept = rows[: whole[:cut].count(b"\n")]
    assert read_curve(folder) == kept
    TrainingLog(folder).record(1000, {"train/loss": 0.5})
    assert read_curve(folder) == [*kept, {"step": 1000, "train/loss": 0.5}]


@given(curve=CURVES, step=st.integers(0, 100))
def test_rewinding_leaves_the_rows_up_to_a_step(
    curve: list[dict[str, float]], step: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    rows = written(folder, curve)
    log = TrainingLog(folder)
    log.rewind(step)
    kept = [row for row in rows if row["step"] <= step]
    assert read_curve(folder) == kept
    log.record(step + 1, {"rate": 0.25})
    assert read_curve(folder) == [*kept, {"step": step + 1, "rate": 0.25}]


def test_rewinding_nothing_makes_no_file(tmp_path: Path) -> None:
    TrainingLog(tmp_path).rewind(0)
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_training_that_forgets_to_rewind_is_told(tmp_path: Path) -> None:
    TrainingLog(tmp_path).record(20, {"train/loss": 1.0})
    with pytest.raises(InputError, match=r"curve\.jsonl: step 10 comes after step 20.*rewind"):
        TrainingLog(tmp_path).record(10, {"train/loss": 1.0})


def test_values_of_one_step_may_come_in_several_rows(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    log.record(10, {"train/loss": 2.0})
    log.record(10, {"valid/loss": 3.0}, rate=0.1)
    assert read_curve(tmp_path) == [{"step": 10, "train/loss": 2.0, "valid/loss": 3.0, "rate": 0.1}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_is_refused_and_leaves_no_trace(
    tmp_path: Path, value: float
) -> None:
    log = TrainingLog(tmp_path)
    log.record(1, {"train/loss": 1.0})
    with pytest.raises(ModelError, match="valid/ppl is -?(nan|inf) at step 2"):
        log.record(2, {"train/loss": 1.0, "valid/ppl": value})
    assert read_curve(tmp_path) == [{"step": 1, "train/loss": 1.0}]
    with pytest.raises(ModelError, match=r"card\.json"):
        log.finish({"name": "X", "validation": {"ppl": value}}, "# X\n")
    assert not (tmp_path / CARD).exists()


@pytest.mark.parametrize("values", [{}, {"": 1.0}, {"step": 1.0}, {"/": 1.0}])
def test_unusable_rows_are_refused(tmp_path: Path, values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="step 3|may not be called"):
        TrainingLog(tmp_path).record(3, values)


@pytest.mark.parametrize(
    "line", ["nonsense", "[1]", '{"step": 1.5}', '{"step": 2, "x": NaN}', '{"step": 2, "x": true}']
)
def test_a_damaged_line_inside_is_named(tmp_path: Path, line: str) -> None:
    good = '{"step": 1, "train/loss": 2.0}\n'
    (tmp_path / CURVE).write_text(good + line + "\n" + good)
    with pytest.raises(StorageError, match=r"curve\.jsonl:2: damaged row"):
        read_curve(tmp_path)


def test_a_killed_process_leaves_every_row_it_recorded(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from harness.training_log import TrainingLog\n"
        "log = TrainingLog(Path(sys.argv[1]))\n"
        "for step in range(1, 6):\n"
        "    log.record(step, {'train/loss': 1 / step})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert read_curve(tmp_path) == [{"step": s, "train/loss": 1 / s} for s in range(1, 6)]


def test_a_place_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write .*curve\.jsonl: a part of this path is"):
        TrainingLog(tmp_path / "file" / "model").record(1, {"train/loss": 1.0})


def test_the_mirror_sees_each_row_after_it_is_written_and_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, bool]] = []

    def mirror(folder: Path) -> None:
        seen.append((len(read_curve(folder)), (folder / CARD).exists()))

    log = TrainingLog(tmp_path, mirror=mirror)
    log.record(1, {"train/loss": 2.0})
    log.record(2, {"train/loss": 1.0})
    log.finish({"name": "MoEL (seed 0)"}, "# MoEL\n")
    assert seen == [(1, False), (2, False), (2, True)]


def test_finishing_leaves_card_readme_and_picture(tmp_path: Path) -> None:
    written(tmp_path, [{"train/loss": 3.0, "valid/ppl": 50.0}, {"train/loss": 2.0}])
    card = {"name": "Müller's model €5$ (seed 0)", "seed": 0}
    TrainingLog(tmp_path).finish(card, "# read me\n")
    assert json.loads((tmp_path / CARD).read_text()) == card
    assert (tmp_path / README).read_text() == "# read me\n"
    assert (tmp_path / PICTURE).read_bytes().startswith(b"\x89PNG\r\n")


def test_finishing_without_a_curve_leaves_no_picture(tmp_path: Path) -> None:
    TrainingLog(tmp_path).finish({"name": "X"}, "# X\n")
    assert (tmp_path / CARD).exists()
    assert not (tmp_path / PICTURE).exists()


def test_the_best_step_is_where_validation_is_lowest() -> None:
    rows = [
        {"step": 1, "train/loss": 3.0, "valid/loss": 1.0, "valid/ppl": 9.0},
        {"step": 2, "train/loss": 2.0, "valid/loss": 2.0, "valid/ppl": 8.0},
        {"step": 3, "train/loss": 1.0},
    ]
    assert best_step(rows) == 2
    without = [{k: v for k, v in row.items() if k != "valid/ppl"} for row in rows]
    assert best_step(without) == 1
    assert best_step([{"step": 1, "valid/accuracy": 3.0}]) is None


def test_the_picture_draws_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read back from the drawn axes: lines, their points, and the marked step."""
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig

    def spy(self: Figure, *arguments: object, **options: object) -> None:
        drawn.append(self)
        save(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", spy)
    rows = [
        {"step": 10, "train/loss": 3.0, "valid/loss": 4.0, "valid/ppl": 5000.0},
        {"step": 20, "train/loss": 2.0, "valid/loss": 3.5, "valid/ppl": 33.0},
        {"step": 30, "train/loss": 1.0},
    ]
    assert draw_curve(rows, title="A $ sign") == draw_curve(rows, title="A $ sign")
    panels = {axes.get_ylabel(): axes for axes in drawn[0].axes}
    assert list(panels) == ["loss", "perplexity"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in panels["loss"].get_lines()}
    assert lines["training"] == [[10, 3.0], [20, 2.0], [30, 1.0]]
    assert lines["validation"] == [[10, 4.0], [20, 3.5]]
    assert [x for x, _ in lines["best, step 20"]] == [20, 20]
    assert panels["perplexity"].get_yscale() == "log"
    assert panels["loss"].get_yscale() == "linear"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values", [[1e304, 30.0], [1.7e308, -1.7e308], [1.7e308], [5e-324, 1e308], [0.0, 0.0], [3.0]]
)
@pytest.mark.parametrize("name", ["valid/ppl", "train/loss", "F1 $ macro_$^{"])
def test_whatever_was_recorded_can_be_drawn(name: str, values: list[float]) -> None:
    rows = [{"step": step, name: value} for step, value in enumerate(values, start=1)]
    assert draw_curve(rows, title="$_^{").startswith(b"\x89PNG")
