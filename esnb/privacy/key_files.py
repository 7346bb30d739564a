"""The keys of a vault in files: one small file a person, which can be overwritten and removed.

A database would keep deleted keys in its free pages. One process at a time uses a folder: two would
make two keys for one person, and what was sealed with the first could never be opened again.
"""

from __future__ import annotations

import base64
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from esnb.errors import EsnbError
from esnb.store.file_lock import hold_lock_beside


class VaultError(EsnbError):
    """Personal data cannot be sealed or opened: a forgotten person, a changed value, a bad file."""


@dataclass(frozen=True, slots=True)
class Key:
    """The key of one person; `replaces`: an earlier one was lost, and what it sealed with it."""

    secret: bytes
    replaces: bool = False


class KeyFiles:
    """The folder of a vault, locked until `close`, or until nobody uses it any more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.close = hold_lock_beside(folder.resolve(), self)
            paths = sorted(folder.iterdir())
        except OSError as error:
            raise VaultError(
                f"The folder of the keys, {folder.name!r}, cannot be used: {error.strerror}."
            ) from None
        self.keys: dict[str, Key] = {}
        self.forgotten: dict[str, str] = {}
        for path in paths:
            if path.suffix in (".key", ".forgotten"):
                self._read(path)

    def find(self, person: str) -> Key | None:
        """A key that was put into the folder since it was read; None if there is none."""
        path = self._path(person, "key")
        if path.exists():
            self._read(path)
        return self.keys.get(person)

    def keep(self, person: str, key: Key) -> None:
        """Write a key; it is on the disk when this returns."""
        content = {"person": person, "key": base64.b64encode(key.secret).decode()}
        text = json.dumps(content | ({"replaces": True} if key.replaces else {}))
        try:
            _write(self._path(person, "key"), text)
        except OSError as error:
            raise VaultError(
                f"The key of {person!r} cannot be written to {self.folder.name!r} "
                f"({error.strerror}), so nothing of theirs was stored."
            ) from None

    def note_forgotten(self, person: str, when: str) -> None:
        """Write down that a person was forgotten."""
        text = json.dumps({"person": person, "forgotten": when})
        _write(self._path(person, "forgotten"), text)

    def destroy(self, person: str) -> bool:
        """Overwrite the key of a person and remove it; False when there is none."""
        return _destroy(self._path(person, "key"))

    def _path(self, person: str, suffix: str) -> Path:
        return self.folder / f"{sha256(person.encode()).hexdigest()[:32]}.{suffix}"

    def _read(self, path: Path) -> None:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            person = content["person"]
            if path.suffix == ".forgotten":
                self.forgotten[person] = content["forgotten"]
            else:
                secret = base64.b64decode(content["key"], validate=True)
                AESGCM(secret)
                self.keys[person] = Key(secret, bool(content.get("replaces")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VaultError(
                f"{path.name!r} in the vault {self.folder.name!r} is damaged ({error!s:.60}). "
                f"Take it from a backup of the keys, or remove it: what it sealed is then lost."
            ) from None


def _write(path: Path, text: str) -> None:
    """Write a small file, whole and on the disk when this returns."""
    part = path.with_name(path.name + ".part")
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    _flush_folder(path.parent)


def _destroy(path: Path) -> bool:
    """Overwrite a file in its place on the disk, then remove it; False when there is none."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    with path.open("r+b", buffering=0) as file:
        file.write(bytes(size))
        os.fsync(file.fileno())
    path.unlink()
    _flush_folder(path.parent)
    return True


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system can
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
