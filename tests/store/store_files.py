"""The files of a store, looked at from outside."""

from __future__ import annotations

from pathlib import Path


def files(path: Path) -> dict[str, bytes]:
    """Every file of a store by name, with its bytes."""
    return {p.name: p.read_bytes() for p in path.parent.iterdir() if p.name.startswith(path.stem)}


def noted(path: Path) -> int:
    """The position that is beside a store."""
    return int(path.with_name(path.name + ".head").read_bytes().split()[0])
