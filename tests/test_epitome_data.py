"""EPITOME's annotation files: read, joined, split without leaks; damage is told with its place."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.epitome.data import (
    COLUMNS,
    FILES,
    MECHANISMS,
    Mechanism,
    Pair,
    read_epitome,
    split_pairs,
)
from harness.errors import DataError

Row = tuple[str, str, str, str]
ROWS: list[Row] = [
    ("s1", "r1", "I lost my job today.", "So sorry to hear that. What happened?"),
    ("s2", "r2", "Nobody\nlistens, to me.", 'He said "talk", so talk.'),
    ("s1", "r3", "I lost my job today.", "You must feel lost."),
]
LEVELS = {"er": (2, 0, 0), "ip": (0, 1, 2), "ex": (2, 0, 0)}


def write_files(
    folder: Path, rows: Sequence[Row] = ROWS, levels: Mapping[str, Sequence[int]] = LEVELS
) -> Path:
    """EPITOME's three files with these (sp_id, rp_id, seeker, response) rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MECHANISMS:
        with (folder / FILES[name]).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row, level in zip(rows, levels[name], strict=True):
                writer.writerow([*row, level, f"{row[3][:7]}|" if level else ""])
    return folder


def edit(folder: Path, mechanism: Mechanism, old: str, new: str) -> Path:
    path = folder / FILES[mechanism]
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())
    return path


def pair(post: str, levels: tuple[int, int, int] = (0, 0, 0), number: int = 0) -> Pair:
    return Pair(
        seeker_id=post,
        response_id=str(number),
        seeker=post,
        response=f"reply {number}",
        levels=levels,
        rationales=((), (), ()),
    )


def test_three_files_become_pairs_with_three_levels(tmp_path: Path) -> None:
    pairs = read_epitome(write_files(tmp_path))
    assert [p.levels for p in pairs] == [(2, 0, 2), (0, 1, 0), (0, 2, 0)]
    assert pairs[1].seeker == "Nobody\nlistens, to me."
    assert pairs[1].response == 'He said "talk", so talk.'
    assert pairs[0].rationales == (("So sorr",), (), ("So sorr",))


def test_folder_above_and_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "annotations" / "epitome")
    path = folder / FILES["ip"]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_epitome(tmp_path)) == 3


def test_files_in_another_order_join_by_pair_and_occurrence(tmp_path: Path) -> None:
    rows = [*ROWS, ROWS[0]]
    levels = {"er": (2, 0, 0, 1), "ip": (0, 1, 2, 2), "ex": (2, 0, 0, 0)}
    write_files(tmp_path, rows, levels)
    other = write_files(tmp_path / "other", rows[::-1], {k: v[::-1] for k, v in levels.items()})
    (tmp_path / FILES["ex"]).write_bytes((other / FILES["ex"]).read_bytes())
    # The pair s1 r1 is annotated twice; in the reversed file its first annotation is the other.
    assert [p.levels for p in read_epitome(tmp_path)] == [
        (2, 0, 0),
        (0, 1, 0),
        (0, 2, 0),
        (1, 2, 2),
    ]


def test_spacing_and_a_dropped_word_make_no_other_pair(tmp_path: Path) -> None:
    write_files(tmp_path)
    edit(tmp_path, "ip", "I lost my job today.", "I lost  my reddit job today.")
    assert read_epitome(tmp_path)[0].seeker == "I lost my job today."


@pytest.mark.parametrize(
    ("mechanism", "old", "new", "place", "words"),
    [
        ("er", "happened?,2", "happened?,3", ":2: ", "level is '3', expected 0, 1 or 2"),
        ("ip", "You must feel lost.,2", "You must feel lost.,", ":5: ", "level is ''"),
        ("ex", "s2,r2", "s2,", ":3: ", "rp_id is empty"),
        ("er", "You must feel lost.", "  ", ":5: ", "response_post is empty"),
        ("er", "level,", "grade,", ":1: ", "no column 'level'"),
        ("ip", "lost.,2", "lost.,2,2", ":5: ", "7 fields, expected 6"),
        ("ip", '"So', 'x"So', ":2: ", "fields"),
        ("ex", "s1,r3", "s1,r9", ":5: ", "s1 r3 is not in explorations-reddit.csv"),
        ("ex", "You must feel lost.", "Buy cheap watches", ":5: ", "another text"),
        ("ex", '""talk""', '"talk', "", "explorations-reddit.csv:"),
    ],
)
def test_damage_is_told_with_file_and_line(
    tmp_path: Path, mechanism: Mechanism, old: str, new: str, place: str, words: str
) -> None:
    write_files(tmp_path, ROWS)
    if mechanism == "ip" and old == '"So':
        rows = [("s1", "r1", "I lost my job today.", "So, sorry"), *ROWS[1:]]
        write_files(tmp_path, rows)
    edit(tmp_path, mechanism, old, new)
    with pytest.raises(DataError) as caught:
        read_epitome(tmp_path)
    message = str(caught.value)
    assert words in message
    assert f".csv{place}" in message if place else "explorations" in message
    assert "\n" not in message


def test_missing_empty_and_undecodable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_epitome(tmp_path / "nowhere")
    with pytest.raises(DataError, match="found none of emotional-reactions"):
        read_epitome(tmp_path)
    write_files(tmp_path)
    (tmp_path / FILES["ex"]).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="explorations-reddit.csv: byte 0 is not UTF-8"):
        read_epitome(tmp_path)
    (tmp_path / FILES["ex"]).write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(DataError, match="holds no rows"):
        read_epitome(tmp_path)
    (tmp_path / FILES["ex"]).unlink()
    with pytest.raises(DataError, match="explorations-reddit.csv: not there"):
        read_epitome(tmp_path)


def test_no_seeker_post_is_on_two_sides() -> None:
    # Every third post comes twice, the second time in other case and spacing.
    pairs = [pair(f"post {i}", (i % 3, 0, 0), i) for i in range(200)]
    pairs += [pair(f"Post  {i}", (0, 2, 0), 1000 + i) for i in range(0, 200, 3)]
    split = split_pairs(pairs, seed=3)
    sides = [
        {" ".join(p.seeker.lower().split()) for p in side}
        for side in (split.train, split.valid, split.test)
    ]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert sum(map(len, sides)) == 200
    assert [len(side) for side in sides] == [150, 10, 40]
    assert len(split.train) + len(split.valid) + len(split.test) == len(pairs)


def test_split_follows_the_seed_and_not_the_order() -> None:
    pairs = [pair(f"post {i}", (i % 3, 0, 0)) for i in range(60)]
    one = {p.seeker for p in split_pairs(pairs, seed=1).test}
    assert one == {p.seeker for p in split_pairs(pairs[::-1], seed=1).test}
    assert one != {p.seeker for p in split_pairs(pairs, seed=2).test}


def test_too_few_posts_are_refused() -> None:
    with pytest.raises(DataError, match="39 seeker posts are too few"):
        split_pairs([pair(f"post {i}") for i in range(39)], seed=0)


def test_real_files_hold_the_published_counts(real_data: Path) -> None:
    """Shares of the levels in per cent as printed by github.com/TayalarajanTR/empathy-detection."""
    pairs = read_epitome(real_data)
    counts = [Counter(p.levels[m] for p in pairs) for m in range(3)]
    assert len(pairs) == 3084
    assert [[round(100 * c[level] / 3084, 1) for level in range(3)] for c in counts] == [
        [66.1, 29.0, 4.9],
        [52.7, 3.7, 43.6],
        [84.4, 3.4, 12.2],
    ]
    assert len({(p.seeker_id, p.response_id) for p in pairs}) == 3023
    split = split_pairs(pairs, seed=0)
    shares = [len(side) / 3084 for side in (split.train, split.valid, split.test)]
    assert shares == pytest.approx([0.75, 0.05, 0.20], abs=0.005)
    # Stratified: each side has its share of the rarest level, weak explorations.
    assert sum(p.levels[2] == 1 for p in split.test) == pytest.approx(0.2 * 104, abs=4)
