"""The sandbox: bubblewrap with no network, a read-only system, a small disk of its own, and nothing else.

What is visible inside is Python, its packages, this package and the system's libraries. The exercises, their
solutions and hidden tests, the submissions and the results are not there.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from dltwice.grading import confine

DISK = 16 * 2**20  # bytes
SCRATCH = Path("/scratch")  # the small disk's place inside
HOW = (
    "On Debian or Ubuntu: apt install bubblewrap libseccomp2. In a container, allow user namespaces (Docker: "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined). On Ubuntu 24.04 and newer: "
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0."
)
PACKAGE = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "agg",
    "JOBLIB_MULTIPROCESSING": "0",
} | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@lru_cache(maxsize=1)
def why_not() -> str | None:
    """None if the sandbox works here, else a sentence that says why not and how to get it."""
    if sys.platform != "linux":
        return f"The sandbox needs Linux, this is {sys.platform}."
    if shutil.which("bwrap") is None:
        return f"The sandbox needs the program bubblewrap (bwrap), which is not installed. {HOW}"
    if reason := confine.check_filter():
        return f"The sandbox does not work here: {reason}"
    try:
        done = subprocess.run(
            [*command(), sys.executable, "-I", "-c", "pass"], capture_output=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The sandbox does not start: {error}. {HOW}"
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return f"The sandbox does not start: {said[-1] if said else f'exit code {done.returncode}'}. {HOW}"
    return None


def command(hide: tuple[Path, ...] = ()) -> list[str]:
    """The command line of bubblewrap up to the program; folders in `hide` are empty inside."""
    line = ["bwrap", "--unshare-all", "--new-session", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"]
    for name, value in (
        ENVIRONMENT | dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), str(SCRATCH))
    ).items():
        line += ["--setenv", name, value]
    folders = visible()
    for folder in folders:
        line += ["--symlink" if folder.is_symlink() else "--ro-bind", *_source(folder), str(folder)]
    for file in ("/etc/ld.so.cache", "/etc/alternatives", "/proc/cpuinfo", "/sys/devices/system/cpu"):
        line += ["--ro-bind-try", file, file]
    for device in ("null", "zero", "urandom", "random"):
        line += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for folder in (*hide, *(PACKAGE.parent / name for name in ("solutions", "exercises", "tests"))):
        for other in folders:
            if folder.resolve().is_relative_to(other.resolve()) and folder.is_dir():
                inside = str(other / folder.resolve().relative_to(other.resolve()))
                line += ["--tmpfs", inside, "--remount-ro", inside]
    if not any(folder.is_relative_to("/tmp") for folder in folders):
        line += ["--symlink", str(SCRATCH), "/tmp"]
    disk = ["--size", str(DISK), "--tmpfs", str(SCRATCH), "--chdir", str(SCRATCH)]
    return [*line, *disk, "--remount-ro", "/", "--"]


def visible() -> list[Path]:
    """Folders of the system and of Python that the sandbox shows, read-only."""
    system = [Path(name) for name in ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")]
    paths = sysconfig.get_paths()
    python = [
        sys.prefix,
        sys.exec_prefix,
        sys.base_prefix,
        sys.base_exec_prefix,
        paths["purelib"],
        paths["platlib"],
    ]
    folders = {Path(name) for name in python} | {Path(sys.executable).resolve().parent, PACKAGE}
    found = [folder for folder in system if folder.exists()]
    for folder in sorted(folders):
        if not any(folder.is_relative_to(other) for other in found):
            found.append(folder)
    return found


def _source(folder: Path) -> list[str]:
    return [os.readlink(folder)] if folder.is_symlink() else [str(folder)]


def environment() -> dict[str, str]:
    """The environment of a process without the sandbox: the user's own, but for Python's settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return own | {name: value for name, value in ENVIRONMENT.items() if name != "PATH"}


def process_id(info: int) -> int:
    """The sandbox's process number, which bubblewrap writes to the file `info`; 0 if it has not yet."""
    try:
        return int(json.loads(os.pread(info, 4096, 0))["child-pid"])
    except (ValueError, KeyError):
        return 0


def clear(folder: Path) -> None:
    """Delete everything in a folder, also what was made unreadable."""

    def unlock(function: Callable, path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
            os.unlink(path) if function is os.unlink else shutil.rmtree(path)

    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            shutil.rmtree(
                entry, onerror=unlock
            ) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def remove(folder: Path) -> None:
    """Delete a folder and everything in it, as far as that is possible."""
    with contextlib.suppress(OSError):
        clear(folder)
        folder.rmdir()
