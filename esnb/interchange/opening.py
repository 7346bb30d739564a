"""Files on their way in and out: unpacked within a limit, and replaced only when complete."""

from __future__ import annotations

import gzip
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from esnb.errors import InvalidEventError

from .mapping import InterchangeError, PathLike, usable

#: How many bytes a file may have, unpacked, unless the reader is told another `max_bytes`.
MAX_BYTES = 1_000_000_000
# A packed file that unpacks to more than this many times its size is made to fill a memory: logs of
# all kinds stay far below.
_MAX_RATIO = 200
_RATIO_COUNTS_FROM = 50_000_000


class Unpacked:
    """The bytes of an open file, counted: a reader that gets too many stops with an error."""

    def __init__(self, file: Any, packed: Any, name: str, max_bytes: int) -> None:
        self._file, self._packed = file, packed
        self._name, self._max = name, max_bytes
        self._count = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`."""
        return self._counted(self._file.read(size))

    def read_all(self) -> bytes:
        """The rest of the file."""
        parts = list(iter(lambda: self.read(1 << 20), b""))
        return b"".join(parts)

    def lines(self, longest: int) -> Iterator[bytes]:
        """Line by line; one of more than `longest` bytes is an error."""
        number = 0
        while line := self._counted(self._file.readline(longest + 1)):
            number += 1
            if len(line) > longest:
                raise InterchangeError(
                    f"{self._name}: line {number} has more than {longest:,} bytes. An event is a "
                    f"line: is this another format?"
                )
            yield line

    def tell(self) -> int:
        """How many bytes of the packed file have been read."""
        return int(self._packed.tell())

    def _counted(self, found: bytes) -> bytes:
        self._count += len(found)
        if self._count > self._max:
            raise InterchangeError(
                f"{self._name}: has more than {self._max:,} bytes (unpacked), so it was not read. "
                f"If you trust it, say max_bytes=..."
            )
        if self._count > _RATIO_COUNTS_FROM and self._count > _MAX_RATIO * self.tell():
            raise InterchangeError(
                f"{self._name}: unpacks to more than {_MAX_RATIO} times its size, as no log does. "
                f"It was not read. If you trust it, unpack it first."
            )
        return found


@contextmanager
def opened(path: PathLike, max_bytes: int | None = None) -> Iterator[Unpacked]:
    """The bytes of a file, unpacked; what goes wrong with the file is an `InterchangeError`."""
    name = usable(path).name
    limit = MAX_BYTES if max_bytes is None else max_bytes
    if not isinstance(limit, int) or limit < 1:
        raise InvalidEventError(f"max_bytes counts from 1, found {max_bytes!r:.40}.")
    try:
        with open(path, "rb") as packed:
            if Path(path).suffix == ".gz":
                with gzip.GzipFile(fileobj=packed) as file:
                    yield Unpacked(file, packed, name, limit)
            else:
                yield Unpacked(packed, packed, name, limit)
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        reason = "not enough memory" if isinstance(error, MemoryError) else error
        raise InterchangeError(f"{name}: cannot be read ({reason}).") from None


@contextmanager
def whole(target: PathLike) -> Iterator[Path]:
    """A name to write to, which becomes `target` when all went well, and vanishes otherwise.

    A database is never replaced, be it the store that is written or another one.
    """
    path = usable(target)
    _refuse_database(path)
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise InterchangeError(f"{path.name}: cannot be written ({error.strerror}).") from None
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def new_file(path: PathLike) -> Iterator[IO[bytes]]:
    """A file to write, packed when its name ends in .gz."""
    with whole(path) as part, open(part, "wb") as file:
        if Path(path).suffix != ".gz":
            yield file
            return
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield packed  # type: ignore[misc]


def _refuse_database(path: Path) -> None:
    """A store, a read model, or a file that belongs to one is not the target of an export."""
    for ending in ("", ".head", ".wal"):
        database = path.with_name(path.name.removesuffix(ending)) if ending else path
        if (not ending or path.name.endswith(ending)) and _is_database(database):
            belongs = "is a DuckDB database" if not ending else f"belongs to {database.name!r}"
            raise InterchangeError(
                f"{path.name}: {belongs}, and an export never replaces one. Nothing was written. "
                f"Give the export a name of its own, such as 'log.jsonl'."
            )
        real = path.resolve()
        if ending and real != path and real.name.endswith(ending):  # a link to a companion
            _refuse_database(real)


def _is_database(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(12)[8:] == b"DUCK"
    except (OSError, ValueError):
        return False


def literal(path: PathLike) -> str:
    """A path as the engine takes it: its signs of a pattern stand for themselves."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(Path(path).resolve()))
