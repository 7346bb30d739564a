"""Where the committed data sets are: `data/` of a checkout, `esnb/_data/` of an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_FOLDER = next((f for f in (_PACKAGE / "_data", _PACKAGE.parent / "data") if f.is_dir()), None)


def data_file(*parts: str) -> Path:
    """The path of a committed data file or folder, named by its parts below `data/`.

    The path is returned whether or not the file exists: the caller knows what it is for and says
    what to do when it is missing.
    """
    return (_FOLDER or _PACKAGE.parent / "data").joinpath(*parts)
