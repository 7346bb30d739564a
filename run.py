"""Set up and run the course. Needs Python 3.11 or newer and nothing else.

    python run.py lab                 install, then open JupyterLab at the first chapter
    python run.py test [...]          install, then run every test; the rest goes to pytest
    python run.py notebooks [NAME..]  run chapters from top to bottom and store their outputs
    python run.py exercises           derive notebooks/exercises from notebooks/solutions
    python run.py site [--out FOLDER] the course as pages that need no network and no kernel
    python run.py handout [NN ..]     a sheet of paper for each chapter, in the folder handouts
    python run.py class WHAT NN       for teachers: release or grade the exercises of a chapter
    python run.py bench [NAME]        run the benchmarks, or one of them
    python run.py campaign [...]      kill, damage and race the store: --minutes N
    python run.py lock [--upgrade]    write the lock files again, from pyproject.toml

lab takes --no-browser and --port N. Everything is installed into the folder .venv (for the
benchmarks .venv-bench, for the site .venv-site), once: nothing is repeated until the lock file or
Python changes.
"""

import sys

# Before anything else, in words that an old Python can still say.
if sys.version_info < (3, 11):
    sys.exit(
        "This course needs Python 3.11 or newer; this is Python %d.%d (%s).\n"
        "Install a newer one, then call it by name, for example: python3.12 run.py lab"
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
BENCH_LOCK = ROOT / "benchmarks" / "requirements.lock"
SITE_LOCK = ROOT / "tools" / "site" / "requirements.lock"
LAB_ENV = ROOT / ".venv"
BENCH_ENV = ROOT / ".venv-bench"
SITE_ENV = ROOT / ".venv-site"
FIRST_CHAPTER = "notebooks/00_start_here.ipynb"
# Raise it when `install` does something new, so that old folders are made again.
RECIPE = "2"


# --- words ------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def give_up(text: str) -> NoReturn:
    """End with what is missing and what to do about it."""
    sys.exit("\n" + text)


# --- environments -----------------------------------------------------------------------------


def python_in(env: Path) -> Path:
    """The interpreter of an environment."""
    return env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def packages_in(env: Path) -> Path:
    """The site-packages folder of an environment."""
    if os.name == "nt":
        return env / "Lib" / "site-packages"
    return env / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"


# Where packages come from is the user's to say; what is installed, and where to, is not.
SOURCE = re.compile(
    r"^(PIP|UV)_(.*INDEX.*|FIND_LINKS|.*CERT.*|.*PROXY|.*TIMEOUT|RETRIES|.*RETRIES|CACHE_DIR"
    r"|TRUSTED_HOST|INSECURE_HOST|KEYRING_PROVIDER|NATIVE_TLS|SYSTEM_CERTS|CONFIG_FILE|OFFLINE)$"
)


def clean_environ(env: Path) -> dict[str, str]:
    """The caller's variables without those that would bend the installation or a test."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PYTHON", "PYTEST_", "PIP_", "UV_", "CONDA_", "VIRTUAL_"))
        or SOURCE.match(name.upper())
    }
    environ.update(
        PATH=str(python_in(env).parent) + os.pathsep + os.environ.get("PATH", ""),
        VIRTUAL_ENV=str(env),
        PYTHONNOUSERSITE="1",
        PIP_USER="0",  # wins over `user = true` in a configuration file
        PIP_REQUIRE_VIRTUALENV="0",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        JUPYTER_PREFER_ENV_PATH="1",  # the kernel of this environment, not one of the user
        PYDEVD_DISABLE_FILE_VALIDATION="1",  # a warning of the debugger about frozen modules
    )
    return environ


def fingerprint(locks: list[Path]) -> str:
    """What an environment depends on: the locks, this Python, this folder, the recipe."""
    # Comments do not count: the lock says in them which package asked for which.
    parts = [re.sub(rb"(?m)^ *#.*\n", b"", path.read_bytes()) for path in locks]
    parts += [text.encode() for text in (sys.version, str(ROOT), RECIPE)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold off a second set-up of this checkout; the system lets go when the process ends."""
    with open(__file__, "rb") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                file.seek(2**30)  # past the end: the text itself stays readable
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            give_up("Another set-up of this folder is running. Wait until it has ended.")
        except OSError:
            pass  # a file system without locks: the set-up works, only unguarded
        yield


def set_up(env: Path, locks: list[Path]) -> None:
    """Make the environment, unless a complete one for these locks is there."""
    stamp = env / "esnb-complete"
    wanted = fingerprint(locks)
    if python_in(env).exists() and stamp.is_file() and stamp.read_text() == wanted:
        return
    with only_one():
        check_tools()
        ours = env / "esnb-made-by-run.py"
        if env.exists() and not (env.is_dir() and (ours.exists() or not any(env.iterdir()))):
            give_up(
                f"The folder {env} is there already and run.py did not make it.\n"
                "Rename it or remove it, then run this again."
            )
        if stamp.exists():
            say(f"Set-up: {env.name} is for another Python, folder or lock file; making it again.")
        elif ours.exists():
            say(f"Set-up: the last installation into {env.name} did not finish; making it again.")
        else:
            size = 700 if LOCK in locks else 200
            say(f"Set-up into {env} (once; one to three minutes, about {size} MB).")
        started = time.monotonic()
        install(env, locks, ours)
        # The stamp comes last and at once: a set-up that was stopped has none.
        stamp.with_suffix(".new").write_text(wanted)
        stamp.with_suffix(".new").replace(stamp)
        say(f"Set-up is complete ({time.monotonic() - started:.0f} s).")


def check_tools() -> None:
    """Say in words which part of Python is missing."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        give_up(
            f"This Python ({sys.executable}) lacks the module {' and '.join(missing)},\n"
            "so it cannot make an environment.\n"
            "On Debian and Ubuntu: sudo apt install python3-venv.\n"
            "Elsewhere: install Python from your system's store or with its own installer."
        )


def install(env: Path, locks: list[Path], ours: Path) -> None:
    """Fill the folder: Python, the locked packages, esnb by a path, Jupyter's settings."""
    if Path(sys.prefix).resolve() == env:
        give_up(
            f"This Python is the one in {env.name}, and {env.name} must be made again.\n"
            "Leave it first (deactivate), then use the Python that it was made with."
        )
    try:
        # Out of the way in one step: a folder that is half removed is never taken for whole.
        old = env.with_name(env.name + "-old")
        shutil.rmtree(old, ignore_errors=True)
        if env.exists():
            env.rename(old)
        env.mkdir()
        ours.touch()
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        give_up(
            f"Cannot write to {env}: {error.strerror}.\n"
            "Put the course into a folder of your own, close programs that use it, and run again."
        )
    log = env / "set-up.log"
    say("  1/3 making an environment")
    # --upgrade-deps is not asked for: pip as it comes with Python is new enough for the lock.
    run_logged([sys.executable, "-m", "venv", str(env)], env, log)
    count = len(set().union(*map(pins, locks)))
    say(f"  2/3 downloading and installing up to {count} packages (details: {log})")
    command = [str(python_in(env)), "-m", "pip", "install", "--no-input", "--no-deps"]
    command += ["--require-hashes", "--no-compile", "--progress-bar", "off"]
    run_logged(
        command + [part for lock in locks for part in ("-r", str(lock))],
        env,
        log,
        lambda text: progress_of(text, env, count),
    )
    say("  3/3 checking")
    run_logged([str(python_in(env)), "-m", "pip", "check"], env, log)
    # A path relative to site-packages: any letter or space in the folder's name will do.
    packages = packages_in(env)
    (packages / "esnb.pth").write_text(os.path.relpath(ROOT, packages) + "\n")
    jupyter_settings(env)


# What nbgrader adds to JupyterLab, for a teacher: menus that only confuse a reader. Its commands
# and `run.py class` work without. (One list of the server's extensions, one of JupyterLab's.)
TEACHERS = ["formgrader", "validate_assignment", "assignment_list", "course_list"]


def jupyter_settings(env: Path) -> None:
    """JupyterLab asks the network for no news, and shows what a reader needs."""
    notifications = {"fetchNews": "false", "checkForUpdates": False}
    extensions = {f"nbgrader.server_extensions.{name}": False for name in TEACHERS}
    files: dict[str, Any] = {
        "share/jupyter/lab/settings/overrides.json": {
            "@jupyterlab/apputils-extension:notification": notifications
        },
        "etc/jupyter/labconfig/page_config.json": {
            "disabledExtensions": {"@jupyter/nbgrader": True}
        },
        # Read in the order of their names: this one comes after nbgrader's own.
        "etc/jupyter/jupyter_server_config.d/zz_course.json": {
            "ServerApp": {"jpserver_extensions": extensions}
        },
    }
    for name, content in files.items():
        file = env / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))


def pins(lock: Path) -> set[str]:
    """The packages that a lock file names."""
    return set(re.findall(r"^([a-z0-9][^ \n]*)==", lock.read_text(encoding="utf-8"), re.M))


def progress_of(log: str, env: Path, count: int) -> str:
    """How far pip is, read from its log and from the folder it fills."""
    # pip itself is there before the first package of the lock.
    done = max(0, sum(1 for _ in packages_in(env).glob("*.dist-info")) - 1)
    return f"found {log.count('Collecting ')}, installed {done} of {count}"


def run_logged(
    command: list[str], env: Path, log: Path, progress: Callable[[str], str] | None = None
) -> None:
    """Run a step of the set-up with its output in the log; show progress; explain a failure."""
    with log.open("a+", encoding="utf-8", errors="replace") as file:
        start = file.tell()
        began = shown = time.monotonic()
        process = subprocess.Popen(
            command, env=clean_environ(env), stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                now = time.monotonic()
                if progress and now - shown > (1 if sys.stdout.isatty() else 15):
                    shown = now
                    text = f"      {progress(read_from(file, start))}, {now - began:.0f} s"
                    print(f"\r{text:<70}" if sys.stdout.isatty() else text, end="", flush=True)
                    print("" if sys.stdout.isatty() else "\n", end="", flush=True)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if progress and sys.stdout.isatty():
            print(f"\r{'':<70}\r", end="", flush=True)
        if process.returncode:
            explain(read_from(file, start), log)


def read_from(file: IO[str], start: int) -> str:
    """The text that a step has written so far."""
    file.seek(start)
    return file.read()


NETWORK = "NewConnectionError|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|ConnectionReset"
CAUSES = [
    ("No space left|Errno 28", "The disk is full. The course needs about 700 MB."),
    (
        "DO NOT MATCH THE HASHES",
        "A downloaded package is not the one that was tested. A mirror or a proxy\n"
        "may have changed it. Try another network; do not install it by hand.",
    ),
    (
        "SSLError|CERTIFICATE_VERIFY_FAILED",
        "The package index did not show a certificate that this Python trusts. Behind a\n"
        "company proxy, set PIP_CERT to its certificate file.",
    ),
    (
        NETWORK + "|Temporary failure|No matching distribution",
        "A package could not be fetched. Is there a network? Behind a proxy, set\n"
        "HTTPS_PROXY; with a mirror, set PIP_INDEX_URL. A package that is missing for\n"
        "this system or this Python is named above.",
    ),
    (
        "Permission denied|Access is denied",
        "A file could not be written. Close programs that use this folder.",
    ),
]


def explain(text: str, log: Path) -> NoReturn:
    """End a failed step: the last lines of its log, then the likely cause in words."""
    say("\n".join("      " + line for line in text.strip().splitlines()[-8:]))
    for pattern, cause in CAUSES:
        if re.search(pattern, text):
            give_up(f"{cause}\nThe whole story is in {log}. Then run the same command again.")
    give_up(f"The set-up failed; the whole story is in {log}. Then run the same command again.")


def call(env: Path, arguments: list[str], **extra: str) -> int:
    """Run the environment's Python in the checkout until it ends; pass Ctrl-C and SIGTERM on."""
    process = subprocess.Popen(
        [str(python_in(env)), *arguments], cwd=ROOT, env={**clean_environ(env), **extra}
    )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the child has got it too, and tidies up by itself


# --- commands ---------------------------------------------------------------------------------


def lab(arguments: list[str]) -> int:
    """Open JupyterLab on this machine only, with its token, at the first chapter."""
    parser = argparse.ArgumentParser(prog="run.py lab")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--port", type=int, help="use this port (else a free one from 8888)")
    options = parser.parse_args(arguments)
    set_up(LAB_ENV, [LOCK])
    port = free_port(options.port)
    first = FIRST_CHAPTER if (ROOT / FIRST_CHAPTER).exists() else ""
    say(f"JupyterLab starts on port {port}. To stop it: Ctrl-C here, twice.")
    command = ["-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/{first}" if first else "--LabApp.default_url=/lab"]
    command += ["--ServerApp.log_level=WARN"] + ["--no-browser"] * options.no_browser
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container; the server listens on this machine only
    return call(LAB_ENV, command)


def free_port(wanted: int | None) -> int:
    """The wanted port, or the first free one from 8888 on; a taken one is said in words."""
    for port in [wanted] if wanted else range(8888, 8908):
        with socket.socket() as probe:
            if os.name != "nt":  # a server that has ended a moment ago does not count
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except (OSError, OverflowError):
                if not wanted:
                    say(f"Port {port} is taken (another JupyterLab?), trying the next.")
    if wanted:
        give_up(
            f"Port {wanted} cannot be used: taken, or not allowed. Leave --port out, or\n"
            "choose another number between 1024 and 65535."
        )
    give_up("The ports 8888 to 8907 are all taken. Stop a JupyterLab, or choose: --port N")


def test(arguments: list[str]) -> int:
    """Run pytest: the tests, then every notebook. Its plugins are named in pyproject.toml."""
    set_up(LAB_ENV, [LOCK])
    if not arguments:
        # All of them side by side, a file to a process: the cells of a notebook stay together. One
        # process more than cores: while a test waits for a browser, another has its core.
        count = min(4, (os.cpu_count() or 1) + 1)
        # The order is the one of tests/conftest.py, the longest first.
        arguments = [f"--numprocesses={count}", "--dist=loadfile", "--no-loadscope-reorder"]
    return call(LAB_ENV, ["-m", "pytest", *arguments])


def notebooks(arguments: list[str]) -> int:
    """Run notebooks from a new kernel, top to bottom, and store them with their outputs."""
    set_up(LAB_ENV, [LOCK])
    folder = ROOT / "notebooks"
    found = sorted(folder.glob("[0-9]*.ipynb")) + sorted(folder.glob("solutions/*.ipynb"))
    for name in arguments:
        if not any(names(path, name) for path in found):
            give_up(f"No notebook {name!r}. There are: {', '.join(p.stem for p in found)}")
    chosen = [p for p in found if not arguments or any(names(p, name) for name in arguments)]
    # A user's start-up files and figure style have no place in a stored output.
    settings = {
        "IPYTHONDIR": str(LAB_ENV / "ipython"),
        "MATPLOTLIBRC": str(matplotlibrc()),
        "PYTHONSTARTUP": str(ROOT / "tools" / "site" / "record_states.py"),
    }
    failed = []
    for path in chosen:
        started = time.monotonic()
        command = ["-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace"]
        command += ["--ExecutePreprocessor.kernel_name=python3", "--log-level=WARN", str(path)]
        with tempfile.TemporaryDirectory() as scratch:
            noted = Path(scratch) / "widgets"
            if call(LAB_ENV, command, **settings, ESNB_WIDGET_STATES=str(noted)):
                failed.append(path.stem)
                continue
            tidy(path)
            call(LAB_ENV, ["-m", "tools.site.states", str(path), str(noted)])
        say(f"{path.relative_to(ROOT)}: {time.monotonic() - started:.1f} s")
    if failed:
        give_up("Stopped at an error, left as before: " + ", ".join(failed))
    return 0


def exercises(arguments: list[str]) -> int:
    """Write the notebooks of the exercises again: the solutions without answers and outputs."""
    if arguments:
        give_up("python run.py exercises takes no arguments: it writes all notebooks.")
    set_up(LAB_ENV, [LOCK])
    return call(LAB_ENV, ["-m", "tools.build_notebooks", str(ROOT / "notebooks")])


def names(path: Path, text: str) -> bool:
    """Whether a reader who types `text` (06, 06_time_travel, a path) means this notebook."""
    return path == Path.cwd() / text or path.stem == text or path.stem.startswith(text + "_")


def matplotlibrc() -> Path:
    """The style that matplotlib comes with."""
    return packages_in(LAB_ENV) / "matplotlib" / "mpl-data" / "matplotlibrc"


def tidy(path: Path) -> None:
    """Keep what repeats: no widget state, no run times, one version, one stream a stretch."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook["cells"]:
        cell.get("metadata", {}).pop("execution", None)
        outputs: list[dict[str, Any]] = []
        for output in cell.get("outputs", []):
            before = outputs[-1] if outputs else {}
            if output["output_type"] == "stream" and before.get("name") == output["name"]:
                before["text"] = [*before["text"], *output["text"]]
                before["text"] = "".join(before["text"]).splitlines(keepends=True)
            else:
                outputs.append(output)
            if "traceback" in output:  # it names files; a stored one names them from here
                prefix = str(ROOT) + os.sep
                output["traceback"] = [line.replace(prefix, "") for line in output["traceback"]]
        if "outputs" in cell:
            cell["outputs"] = outputs
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def site(arguments: list[str]) -> int:
    """Write the course as pages for any browser, without network, server and kernel."""
    parser = argparse.ArgumentParser(prog="run.py site")
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="the folder (site)")
    out = parser.parse_args(arguments).out.absolute()
    set_up(LAB_ENV, [LOCK])
    set_up(SITE_ENV, [SITE_LOCK])
    return call(LAB_ENV, ["-m", "tools.site.build", str(out), str(python_in(SITE_ENV))])


def handout(arguments: list[str]) -> int:
    """Make the printable sheets of chapters: HTML, and PDF where there is a Chromium."""
    set_up(LAB_ENV, [LOCK])
    return call(LAB_ENV, ["-m", "tools.handout", *arguments])


def teach(arguments: list[str]) -> int:
    """Hand out and grade exercises with nbgrader, in a course folder named class."""
    set_up(LAB_ENV, [LOCK])
    return call(LAB_ENV, ["-m", "esnb.course.classroom.teaching", *arguments])


def bench(arguments: list[str]) -> int:
    """Run benchmarks/NAME.py, or all of them, beside the peers that they compare with."""
    found = sorted(p for p in (ROOT / "benchmarks").glob("*.py") if not p.name.startswith("_"))
    chosen = [p for p in found if not arguments or p.stem == arguments[0]]
    if not chosen:
        give_up(f"No such benchmark. There are: {', '.join(p.stem for p in found) or 'none yet'}")
    set_up(BENCH_ENV, [LOCK, BENCH_LOCK])
    return max(call(BENCH_ENV, [str(path), *arguments[1:]]) for path in chosen)


def campaign(arguments: list[str]) -> int:
    """Kill, damage, race and fill up the store, and write benchmarks/campaign.md."""
    set_up(LAB_ENV, [LOCK])
    return call(LAB_ENV, ["-m", "tests.campaign", *arguments])


def lock(arguments: list[str]) -> int:
    """Write the lock files: exact versions and hashes for every system, and no address."""
    set_up(LAB_ENV, [LOCK])
    write_lock(LOCK, ["pyproject.toml", "--group=dev", *arguments])
    for target, group in ((BENCH_LOCK, "bench"), (SITE_LOCK, "site")):
        write_lock(target, [f"--group={group}", f"--constraints={LOCK.name}", *arguments])
    return 0


def write_lock(target: Path, what: list[str]) -> None:
    """Resolve anew; versions that the file has already are kept where they still fit."""
    new = target.with_suffix(".new")
    if target.exists():
        shutil.copyfile(target, new)
    command = ["-m", "uv", "pip", "compile", *what, "--universal", "--python-version=3.11"]
    command += ["--fork-strategy=fewest", "--generate-hashes", "--quiet"]
    command += ["--custom-compile-command=python run.py lock", f"--output-file={new}"]
    try:
        if call(LAB_ENV, command):
            give_up(f"{target.name} stays as it was: see the resolver's words above.")
        if "://" in new.read_text():
            give_up(f"{target.name} would hold an address. Leave addresses out of pyproject.toml.")
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    say(f"{target.relative_to(ROOT)}: {len(pins(target))} packages")


COMMANDS = {
    "lab": lab,
    "test": test,
    "notebooks": notebooks,
    "exercises": exercises,
    "site": site,
    "handout": handout,
    "class": teach,
    "bench": bench,
    "campaign": campaign,
    "lock": lock,
}


def main(arguments: list[str]) -> int:
    """Do what the first word says."""
    if not arguments or arguments[0] not in COMMANDS:
        say(str(__doc__))
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to go on.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
