"""A path from outside → a folder that is safe to walk, or the reason why not.

An archive is unpacked into a folder of ours, one plain file at a time, each byte counted. Its tar
is first unpacked to disk: `tarfile` reads extended headers whole, and gzip makes a gigabyte of them
out of a megabyte, so that nobody may hand it an unbounded read.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from harness.errors import InputError
from leaderboards.submissions.limits import LIMITS, Limits, Refused

__all__ = ["opened", "safe_parts"]

_CHUNK = 1 << 16
_HEADER = 1 << 20  # tarfile may ask for this much at once
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")
_END, _LOCATOR = b"PK\x05\x06", b"PK\x06\x07"


@contextlib.contextmanager
def opened(path: Path, limits: Limits = LIMITS) -> Iterator[Path]:
    """A folder with what `path` (a folder, .zip, .tar, .tar.gz) holds; gone when the block ends.

    Raises:
        InputError: `path` is neither.
        Refused: the archive is damaged, too large, or holds what has no place in one.
    """
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise InputError(f"{path}: no such folder or archive")
    with path.open("rb") as file:
        start = file.read(4)
    with tempfile.TemporaryDirectory(prefix="empathy-bench-submission-") as temporary:
        folder = Path(temporary) / "unpacked"
        folder.mkdir()
        if path.stat().st_size > limits.archive:
            raise Refused(
                "too-large", f"an archive of more than {limits.archive:,} bytes",
                fix="submit fewer tasks at once", value=path.stat().st_size,
            )  # fmt: skip
        if start[:2] == b"\x1f\x8b":
            _unpack_tar(_inflate(path, Path(temporary) / "tar", limits), folder, limits)
        elif start[:2] == b"PK":
            _unpack_zip(path, folder, limits)
        elif _is_tar(path):
            _unpack_tar(path, folder, limits)
        else:
            raise InputError(f"{path}: neither a folder nor a .zip, .tar or .tar.gz archive")
        yield folder


def safe_parts(name: str, limits: Limits = LIMITS) -> tuple[str, ...]:
    """The parts of an archive member's name; () for the archive's own root.

    Raises:
        Refused: absolute, climbing (`..`), hidden, too deep, or spelled with other characters than
            letters, digits and . _ + -, which no file system reads in two ways.
    """
    parts = name.removeprefix("./").rstrip("/").split("/")
    if parts in ([""], ["."]):
        return ()
    for part in parts:
        if not part or part[0] in ".+-" or not _LETTERS.issuperset(part) or len(part) > 140:
            raise Refused(
                "unsafe-path",
                "a path that could lead out of its folder or be read in two ways",
                fix="name files by letters, digits and . _ - below <org__model>/<revision>/",
                value=name,
            )
    if len(parts) > limits.depth:
        raise Refused("unsafe-path", f"more than {limits.depth} folders deep", value=name)
    return tuple(parts)


class _Budget:
    """Counts what comes out of an archive of `packed` bytes."""

    def __init__(self, packed: int, limits: Limits) -> None:
        self.packed, self.limits = max(packed, 1), limits
        self.bytes = self.members = 0
        self._names: set[str] = set()

    def spend(self, count: int) -> None:
        """Refuse the bytes that are too many, or too many for the archive's own size."""
        self.bytes += count
        if self.bytes > self.limits.unpacked:
            raise Refused("bomb", f"unpacks to more than {self.limits.unpacked:,} bytes")
        if self.bytes > max(self.limits.ratio_from, self.packed * self.limits.ratio):
            raise Refused(
                "bomb",
                f"unpacks to more than {self.limits.ratio:g} times its size",
                fix="leave out padding and repeated text",
            )

    def name(self, name: str) -> tuple[str, ...]:
        """The safe parts of a member's name that no other has, in any case of letters."""
        self.members += 1
        if self.members > self.limits.members:
            raise Refused("too-many-files", f"more than {self.limits.members:,} members")
        parts = safe_parts(name, self.limits)
        folded = "/".join(parts).casefold()
        if parts and folded in self._names:
            raise Refused("twice", "two members of one name", value=name)
        self._names.add(folded)
        return parts

    def copy(self, source: IO[bytes], target: Path) -> None:
        """Write a member to disk, counting."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                while chunk := source.read(_CHUNK):
                    self.spend(len(chunk))
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError) as error:
            raise Refused("twice", "a file and a folder of one name", value=target.name) from error


def _inflate(path: Path, target: Path, limits: Limits) -> Path:
    """The tar inside a .tar.gz."""
    budget = _Budget(path.stat().st_size, limits)
    with path.open("rb") as packed, target.open("wb") as file:
        engine = zlib.decompressobj(wbits=31)
        data = packed.read(_CHUNK)
        try:
            while data:
                chunk = engine.decompress(data, _CHUNK)
                budget.spend(len(chunk))
                file.write(chunk)
                data = engine.unconsumed_tail
                if engine.eof:
                    break
                data = data or packed.read(_CHUNK)
        except zlib.error as error:
            raise _damaged(error) from error
        if not engine.eof:
            raise _damaged("it ends before its time")
    return target


def _unpack_tar(path: Path, folder: Path, limits: Limits) -> None:
    budget = _Budget(path.stat().st_size, limits)
    with path.open("rb") as raw:
        try:
            _each_member(_Guarded(raw), folder, budget)
        except (tarfile.TarError, ValueError, OSError, EOFError, OverflowError) as error:
            raise _damaged(error) from error
        except RecursionError as error:
            raise _damaged("headers within headers") from error


def _each_member(raw: _Guarded, folder: Path, budget: _Budget) -> None:
    with tarfile.open(fileobj=cast("BinaryIO", raw), mode="r:", errorlevel=2) as tar:
        last = -1
        while (member := tar.next()) is not None:
            # A size below zero makes tarfile walk backwards, for ever (CVE-2025-8194).
            if member.offset <= last or member.size < 0:
                raise _damaged("its headers point backwards")
            last = member.offset
            parts = budget.name(member.name)
            if member.isdir():
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                raise Refused(
                    "not-a-file", "a link, device or other thing that is no plain file",
                    fix="pack the file itself", value=member.name,
                )  # fmt: skip
            source = tar.extractfile(member)
            if source is None or not parts:
                raise _damaged("a file without a name")
            target = folder.joinpath(*parts)
            budget.copy(source, target)
            if target.stat().st_size != member.size:
                raise _damaged("it ends before its time")
        if not _ends(raw, tar.offset):
            raise _damaged("it ends before its time")


def _ends(raw: _Guarded, offset: int) -> bool:
    """Whether a tar has its end mark: a cut one can stop between two members, looking whole."""
    raw.seek(offset)
    return raw.read(tarfile.BLOCKSIZE) == tarfile.NUL * tarfile.BLOCKSIZE


def _unpack_zip(path: Path, folder: Path, limits: Limits) -> None:
    _check_directory(path, limits)
    budget = _Budget(path.stat().st_size, limits)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                parts = budget.name(member.orig_filename)
                kind = stat.S_IFMT(member.external_attr >> 16)
                if member.is_dir():
                    continue
                if kind not in (0, stat.S_IFREG) or member.flag_bits & 1 or not parts:
                    raise Refused(
                        "not-a-file", "a link, device or encrypted file",
                        fix="pack the file itself, without a password", value=member.filename,
                    )  # fmt: skip
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise Refused("not-a-file", "packed by another method than deflate")
                with archive.open(member) as source:
                    budget.copy(source, folder.joinpath(*parts))
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError) as error:
        raise _damaged(error) from error
    except (NotImplementedError, RuntimeError, struct.error) as error:
        raise _damaged(error) from error


def _check_directory(path: Path, limits: Limits) -> None:
    """Bound the list of members, of which zipfile makes an object each before anyone can count."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 22))
        tail = file.read()
    at = len(tail) - 22 if tail[-22:].startswith(_END) and tail[-2:] == b"\0\0" else -1
    at = at if at >= 0 else tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise _damaged("it ends before its time")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if size > limits.directory or tail[max(0, at - 20) : at].startswith(_LOCATOR):
        raise Refused("too-many-files", f"more than {limits.members:,} members")


class _Guarded(io.RawIOBase):
    """A file that refuses to be read in large pieces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER:
            raise Refused("bomb", f"a header of more than {_HEADER:,} bytes", value=size)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _is_tar(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(512)[257:262] == b"ustar"


def _damaged(reason: object) -> Refused:
    return Refused(
        "damaged-archive", f"the archive is damaged ({reason})", fix="pack and send it again"
    )
