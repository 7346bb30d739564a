"""Build the pages: python -m tools.site.build FOLDER PYTHON, with the Python that has Sphinx."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.site import glossary, links, source

MOST = 20_000_000  # bytes: it fits into a mail, and on any stick
OURS = "made-by-run.py"


class SiteError(Exception):
    """The pages cannot be built; the message says what to do."""


def build(out: Path, python: Path | str) -> list[str]:
    """Write the pages into a folder; what a reader of the log wants to know, a line each.

    Raises `SiteError` for a broken link, anchor or picture, for a word with two definitions, for a
    warning of Sphinx, for more than 20 MB, and for a folder that holds something else.
    """
    if out.exists() and not (out.is_dir() and ((out / OURS).exists() or not any(out.iterdir()))):
        raise SiteError(f"{out} holds something else: remove it, or choose another with --out.")
    with tempfile.TemporaryDirectory() as folder:
        made, pages = Path(folder) / "source", Path(folder) / "pages"
        made.mkdir()
        try:
            stills = source.write_source(made)
        except (glossary.GlossaryError, ValueError) as error:
            raise SiteError(str(error)) from None
        _generate(made, pages, python)
        broken, outside = links.check(pages)
        if broken:
            raise SiteError("Broken links:\n  " + "\n  ".join(broken))
        size = sum(path.stat().st_size for path in pages.rglob("*") if path.is_file())
        if size > MOST:
            raise SiteError(
                f"The pages have {size / 1e6:.1f} MB, and {MOST / 1e6:.0f} is the most."
            )
        (pages / OURS).touch()
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(pages, out)
    return [
        *(f"A still, run the chapter to store its state: {where}" for where in stills),
        f"Links that leave the pages, not followed ({len(outside)}):",
        *(f"  {link}" for link in outside),
        f"{out}: {len(list(out.rglob('*.html')))} pages, {size / 1e6:.1f} MB. Open index.html.",
    ]


def _generate(made: Path, pages: Path, python: Path | str) -> None:
    """Run Sphinx; a warning is an error, and all of them are shown."""
    command = [str(python), "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-d", str(made.parent / "doctrees"), str(made), str(pages)]
    # Its theme and extensions are in that Python; the slugs are in this folder.
    environ = {**os.environ, "PYTHONPATH": str(source.ROOT)}
    done = subprocess.run(
        command, cwd=made, env=environ, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        raise SiteError(f"Sphinx says:\n{done.stderr[-6000:]}")
    for extra in (".buildinfo", "objects.inv"):
        (pages / extra).unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        print("\n".join(build(Path(sys.argv[1]), sys.argv[2])))
    except SiteError as error:
        sys.exit(f"\nNo pages were written. {error}")
