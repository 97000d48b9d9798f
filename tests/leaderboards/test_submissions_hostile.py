"""Submissions that mean harm: nothing leaves its folder, fills memory, waits, or runs."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import struct
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from submitted import NAME, REVISION, SIZE, edit, own_reply, reseal, submission
from typer.testing import CliRunner

from harness.errors import InputError
from leaderboards.command import app
from leaderboards.submissions.limits import Limits, Refused
from leaderboards.submissions.opening import opened, safe_parts
from leaderboards.submissions.pack import write_archive
from leaderboards.submissions.validate import Options, Report, validate

QUICK = Options(data="sample", rescore=False)
MIB = 1 << 20


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings if finding.level == "error"}


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unpacking happens below this folder, and nothing may be left in it or appear beside it."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    yield
    assert not list(scratch.iterdir())
    assert not (tmp_path / "evil").exists() and not (tmp_path.parent / "evil").exists()


@pytest.fixture
def quick_and_small() -> Iterator[None]:
    """What runs under it allocates less than 80 MiB of Python memory and takes less than 20 s."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 * MIB
    assert time.monotonic() - started < 20


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


NAMES = [
    "../evil",
    "a/../../evil",
    "/tmp/evil",
    "a\\..\\..\\evil",
    "C:evil",
    "a//evil",
    "./.ssh/evil",
    "a/\x1b[2Jevil",
    "a/e\u0301vil",
    "-rf",
    "a/b/c/d/e/f/evil",
    "a/" + "x" * 300,
    "a/<script>alert(1)</script>",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_leads_elsewhere_is_refused_in_either_format(tmp_path: Path, name: str) -> None:
    make_tar(tmp_path / "x.tar.gz", (member(name), b"x"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, b"x")
    for path in (tmp_path / "x.tar.gz", tmp_path / "x.zip"):
        report = validate([path], QUICK)
        assert codes(report) == {"unsafe-path"}
        assert "\x1b" not in str(report.findings[0])
    with pytest.raises(Refused):
        safe_parts(name)


def test_a_name_cut_by_a_null_byte_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/cardX.json", b"x")
    data = (tmp_path / "x.zip").read_bytes().replace(b"cardX", b"card\0")
    (tmp_path / "x.zip").write_bytes(data)
    assert codes(validate([tmp_path / "x.zip"], QUICK)) == {"unsafe-path"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_a_tar_of_links_and_devices_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = make_tar(
        tmp_path / "x.tar.gz",
        (member("a", kind, "../.."), b""),
        (member("a/evil"), b"written through the link"),
    )
    assert codes(validate([path], QUICK)) == {"not-a-file"}


def test_a_zip_of_links_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "../..")
    assert codes(validate([tmp_path / "x.zip"], QUICK)) == {"not-a-file"}


def test_links_and_pipes_in_a_folder_are_never_followed(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    secret = tmp_path / "secret.jsonl"
    secret.write_text("do not print me\n")
    path = folder / "ed_response" / "predictions.jsonl"
    path.unlink()
    path.symlink_to(secret)
    os.mkfifo(folder / "ed_response" / "claims.json")
    (folder / "loop").symlink_to(folder)
    report = validate([tmp_path / "store"], QUICK)
    assert {"symlink", "not-a-file", "missing-file"} <= codes(report)
    assert "do not print me" not in json.dumps(report.to_json())


def test_a_link_in_place_of_the_manifest_or_a_model_is_not_followed(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    (folder / "manifest.json").rename(tmp_path / "manifest.json")
    (folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    (tmp_path / "store" / "a__b").symlink_to(tmp_path)
    assert {"symlink", "unreadable", "stray-file"} <= codes(validate([tmp_path / "store"], QUICK))


def zeros(count: int) -> Iterator[bytes]:
    block = bytes(MIB)
    for _ in range(count):
        yield block


def test_a_zip_bomb_is_left_when_it_swells(tmp_path: Path, quick_and_small: None) -> None:
    path = tmp_path / "x.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{NAME}/{REVISION}/ed_response/predictions.jsonl", "w") as file,
    ):
        for block in zeros(300):
            file.write(block)
    assert path.stat().st_size < 3 * MIB
    assert codes(validate([path], QUICK)) == {"bomb"}


def test_a_bomb_in_many_small_pieces_is_left_too(tmp_path: Path, quick_and_small: None) -> None:
    """No member is suspicious alone; only what they come to is."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(200):
            archive.writestr(f"f{number}", bytes(MIB))
    assert codes(validate([path], QUICK)) == {"bomb"}


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path: Path, quick_and_small: None) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(40 * MIB))
    size, lie = struct.pack("<L", 40 * MIB), struct.pack("<L", 10)
    path.write_bytes(path.read_bytes().replace(size, lie))
    assert codes(validate([path], QUICK)) == {"damaged-archive"}


def test_a_tar_bomb_is_left_when_it_swells(tmp_path: Path, quick_and_small: None) -> None:
    path = tmp_path / "x.tar.gz"
    info = member(f"{NAME}/{REVISION}/ed_response/predictions.jsonl")
    info.size = 1 << 30
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for block in zeros(300):
            file.write(block)
    assert codes(validate([path], QUICK)) == {"bomb"}


def test_an_extended_header_of_a_gigabyte_is_not_read(
    tmp_path: Path, quick_and_small: None
) -> None:
    """tarfile reads a pax header whole: its size must be refused before."""
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, 1 << 30
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        file.write(head.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(200 * MIB)
    assert codes(validate([path], QUICK)) == {"bomb"}


def test_headers_that_point_backwards_end_the_reading(
    tmp_path: Path, quick_and_small: None
) -> None:
    head = bytearray(member("a/b").tobuf(tarfile.GNU_FORMAT))
    head[124:136] = b"\xff" + (-1024 & ((1 << 88) - 1)).to_bytes(11, "big")
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    (tmp_path / "x.tar").write_bytes(bytes(head) * 4 + bytes(1024))
    assert codes(validate([tmp_path / "x.tar"], QUICK)) <= {"damaged-archive", "twice"}
    assert codes(validate([tmp_path / "x.tar"], QUICK))


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_too_many_members_are_not_unpacked(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(40):
                archive.writestr(f"f{number}", b"")
    else:
        make_tar(path, *((member(f"f{number}"), b"") for number in range(40)))
    few = Options(data="sample", rescore=False, limits=Limits(members=30))
    assert codes(validate([path], few)) == {"too-many-files"}
    short = Options(data="sample", rescore=False, limits=Limits(directory=500))
    assert ("too-many-files" in codes(validate([path], short))) is (ending == "zip")


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    """One reader would check the first and another use the second."""
    path = make_tar(tmp_path / "x.tar.gz", (member("a/b"), b"1"), (member("A/B"), b"2"))
    assert codes(validate([path], QUICK)) == {"twice"}
    path = make_tar(tmp_path / "y.tar.gz", (member("a"), b"1"), (member("a/b"), b"2"))
    assert codes(validate([path], QUICK)) == {"twice"}


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"whole.{ending}"
    write_archive(submission(tmp_path), path)
    data = path.read_bytes()
    assert validate([path], QUICK).ok
    for share in range(1, 20):
        cut = tmp_path / f"cut.{ending}"
        cut.write_bytes(data[: len(data) * share // 20])
        assert codes(validate([cut], QUICK)) == {"damaged-archive"}, share


def test_a_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_archive(submission(tmp_path), path)
    with tarfile.open(path) as tar:
        starts = [info.offset for info in tar.getmembers()]
    plain = gzip.decompress(path.read_bytes())
    for start in starts[1:]:
        (tmp_path / "cut.tar").write_bytes(plain[:start])
        assert codes(validate([tmp_path / "cut.tar"], QUICK)) == {"damaged-archive"}


def test_bytes_turned_in_an_archive_never_crash(tmp_path: Path) -> None:
    import numpy as np

    folder = submission(tmp_path)
    rng = np.random.default_rng(7)
    for ending in ("zip", "tar.gz"):
        path = tmp_path / f"whole.{ending}"
        write_archive(folder, path)
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        for _ in range(60):
            bad = data.copy()
            where = rng.integers(4, len(bad), size=3)
            bad[where] ^= rng.integers(1, 256, size=3).astype(np.uint8)
            (tmp_path / f"bad.{ending}").write_bytes(bad.tobytes())
            validate([tmp_path / f"bad.{ending}"], QUICK)


def test_a_file_of_one_line_of_a_gigabyte_costs_nothing(
    tmp_path: Path, quick_and_small: None
) -> None:
    folder = submission(tmp_path)
    path = folder / "ed_response" / "predictions.jsonl"
    with path.open("r+b") as file:
        file.truncate(1 << 30)
    report = validate([folder], QUICK)
    assert "too-large" in codes(report)


def test_a_long_line_within_the_file_limit_is_refused_where_it_stands(
    tmp_path: Path, quick_and_small: None
) -> None:
    folder = submission(tmp_path)
    path = folder / "ed_response" / "predictions.jsonl"
    with path.open("r+b") as file:
        file.truncate(60 * MIB)
    reseal(folder)
    report = validate([folder], QUICK)
    (found,) = [f for f in report.findings if f.code == "long-line"]
    assert found.line == 14


@pytest.mark.parametrize("name", ["card.json", "manifest.json", "ed_response/protocol.json"])
def test_small_files_stay_small(tmp_path: Path, name: str, quick_and_small: None) -> None:
    folder = submission(tmp_path)
    with (folder / name).open("r+b") as file:
        file.truncate(1 << 30)
    assert "too-large" in codes(validate([folder], QUICK))


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"id": "x", "response": "x", "trace": ' + '{"a":' * 800 + "1" + "}" * 801,
        '{"id": "x", "response": "\\ud800"}',
        '{"id": "x", "reference_nll": NaN, "response": ""}',
        '{"id": "x", "emotion_scores": {"sad": -1e999}, "response": "x"}',
        '{"id": "x", "reference_tokens": ' + "9" * 5_000 + "}",
        '{"id": "x", "response": "a", "response": "b"}',
        '{"id": "x", "response": 3}',
        '{"id": ["x"], "response": "b"}',
        "\ufeff{}",
        "null",
        "\x00",
    ],
)
def test_odd_lines_are_findings_with_their_number(tmp_path: Path, line: str) -> None:
    folder = submission(tmp_path)
    path = folder / "ed_response" / "predictions.jsonl"
    with path.open("a") as file:
        file.write(line + "\n")
    reseal(folder)
    report = validate([folder], QUICK)
    assert [f.line for f in report.findings if f.level == "error"] == [14]


def test_bytes_that_are_no_text_are_a_finding(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    for name in ("ed_response/predictions.jsonl", "card.json", "manifest.json"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xff\xfe" + data)
        assert "not-json" in codes(validate([folder], QUICK)) or name == "card.json"
        assert not validate([folder], QUICK).ok
        (folder / name).write_bytes(data)


def test_a_header_as_large_as_a_book_is_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    edit(folder, lambda rows: rows[0].update(prompt={"hash": "x" * 100_000}))
    assert "long-line" in codes(validate([folder], QUICK))


def test_a_header_nested_deeply_is_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    path = folder / "ed_response" / "predictions.jsonl"
    deep = '"prompt": {"a": ' + "[" * 930 + "]" * 930 + "}"
    path.write_text(path.read_text().replace('"prompt": {}', deep, 1))
    reseal(folder)
    report = validate([folder], Options(data="sample"))
    assert codes(report) == {"not-json"}


def test_findings_print_no_control_characters(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    evil = "\x1b]0;owned\x07\u202e\r\n::error::"
    edit(folder, lambda rows: [row.update(id=evil + str(i)) for i, row in enumerate(rows[1:])])
    ran = CliRunner().invoke(app, ["validate", str(folder), "--no-rescore", "--data", "sample"])
    assert ran.exit_code == 1
    assert all(character.isprintable() or character == "\n" for character in ran.output)
    assert not any(line.startswith("::") for line in ran.output.splitlines())


def test_a_model_cannot_pass_for_a_floor_or_a_person(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    edit(folder, lambda rows: rows[0].update(model={"name": "Human reference", "kind": "human"}))
    (result,) = validate([folder], Options(data="sample")).results
    assert (result.model["name"], result.model["kind"]) == ("my-lab/warm-7b", "model")
    assert result.provenance == "re-scored"


def test_markup_in_cards_and_replies_stays_text_on_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    evil = "x</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    folder = submission(tmp_path, lambda i, e: own_reply(i, e) + evil, family=evil, notes=evil)
    edit(folder, lambda rows: rows[0].update(prompt={"name": evil}))
    page = tmp_path / "board.html"
    command = ["build", str(tmp_path / "store"), "-o", str(page), "--data", "sample"]
    ran = CliRunner().invoke(app, [*command, "--no-reported"])
    assert ran.exit_code == 0, ran.output
    text = page.read_text()
    assert "my-lab/warm-7b" in text and "alert(1)" in text
    assert "<script>alert" not in text and "<img src=x" not in text


def test_a_result_file_laid_into_the_store_is_no_result_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from board_results import metric, result

    from harness.results import write_result
    from leaderboards.collect import collect

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    submission(tmp_path)
    fake = result("Best ever", metric("bleu_4", 99.0))
    write_result(tmp_path / "store" / "a__b" / "r1" / "result.json", fake)
    found = collect([tmp_path / "store"], data="sample")
    assert [r.model["name"] for r in found] == ["my-lab/warm-7b"]
    write_result(tmp_path / "store" / NAME / REVISION / "ed_response" / "result.json", fake)
    with pytest.raises(InputError, match="stray-file"):
        collect([tmp_path / "store"], data="sample")


def test_something_else_than_a_submission_is_told_from_one(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"\x7fELF" + bytes(2000))
    for path in (tmp_path / "x.zip", tmp_path / "nowhere"):
        with pytest.raises(InputError), opened(path):
            pass


def test_the_whole_process_stays_small(tmp_path: Path) -> None:
    """Address space for Python and no more: one reading without bound ends in MemoryError."""
    folder = submission(tmp_path)
    with (folder / "ed_response" / "predictions.jsonl").open("r+b") as file:
        file.truncate(2 << 30)
    bomb = tmp_path / "bomb.tar.gz"
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, 1 << 30
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        file.write(head.tobuf(tarfile.USTAR_FORMAT))
        for block in zeros(100):
            file.write(block)

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1200 * MIB, 1200 * MIB))

    code = "from leaderboards.command import app; app()"
    arguments = ["validate", str(folder), str(bomb), "--no-rescore", "--data", "sample"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=bound, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "[too-large]" in done.stdout and "[bomb]" in done.stdout
    assert "MemoryError" not in done.stderr


def test_what_a_submission_says_is_text_in_a_browser(chromium: str, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    script = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    submission(
        tmp_path,
        lambda i, example: f"{own_reply(i, example)} {script}",
        family=f"fam {script}",
        training_data=[f"data {script}"],
        notes=f"note {script}",
        licence=f"lic {script}",
    )
    submission(tmp_path, lambda i, e: own_reply(i + 3, e), name="other-lab__cool-1b")
    board = tmp_path / "board.html"
    command = ["build", str(tmp_path / "store"), "-o", str(board), "--data", "sample", "--examples"]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    (examples,) = (tmp_path / "board-examples").glob("*.html")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page, asked, complaints = running.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(board.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        page.locator("select[data-facet=family]").select_option(index=1)
        assert script in page.locator("body").text_content()
        page.goto(examples.as_uri())
        page.locator("#where", has_text="page").wait_for()
        page.locator("#find").fill("onerror")
        page.locator("#status", has_text=f"{SIZE} of {SIZE}").wait_for()
        assert script in page.locator("article").first.text_content()
        assert page.evaluate("window.hacked") is None
        running.close()
    assert complaints == []
    assert set(asked) == {board.as_uri(), examples.as_uri()}
