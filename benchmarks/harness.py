"""What all benchmarks share: a pinned environment, interleaved timing, a table, a JSON file.

Timings differ from machine to machine, ratios less so. They are printed and written, never tested.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# Without these, glibc gives every large array back to the system, and page faults decide who is faster.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
PINNED = "DLTWICE_BENCH_THREADS"
BUSY = 0.1  # a round counts when other processes used less than this part of one core


def run(script, bench, name):
    """Run `bench(rounds, threads)` once per thread count, each in a fresh pinned process; write the JSON."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="rounds that count (default 30)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default 1 2)")
    parser.add_argument("--json", type=Path, default=Path(f"_build/bench/{name}.json"), help="where to write")
    options = parser.parse_args()
    if threads := os.environ.get(PINNED):
        options.json.write_text(json.dumps(bench(options.rounds, int(threads))))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = [
            _run_pinned(script, options.rounds, n, Path(folder) / f"{n}.json") for n in options.threads
        ]
    options.json.parent.mkdir(parents=True, exist_ok=True)
    partial = options.json.with_suffix(".partial")
    partial.write_text(
        json.dumps(
            {"environment": environment(), "results": [row for rows in results for row in rows]}, indent=2
        )
        + "\n"
    )
    partial.replace(options.json)
    print(f"\nwritten: {options.json}")


def _run_pinned(script, rounds, threads, path):
    env = os.environ | MALLOC | dict.fromkeys(THREADS, str(threads)) | {PINNED: str(threads)}
    command = [sys.executable, script, "--rounds", str(rounds), "--json", str(path)]
    subprocess.run(command, env=env, check=True)
    return json.loads(path.read_text())


def measure(candidates, rounds, attempts=2):
    """Time the candidates in turns, round by round, and return the median of each in seconds.

    Rounds in which other processes were busy are repeated, up to `attempts` · `rounds` in all; then the
    quietest rounds count. The second value says how many of those were not quiet.
    """
    for function in candidates.values():
        function()
    timed = []
    while len(timed) < attempts * rounds and sum(busy < BUSY for busy, _ in timed) < rounds:
        timed.append(_round(candidates))
    timed.sort(key=lambda one: one[0])
    kept = timed[:rounds]
    medians = {name: statistics.median(times[name] for _, times in kept) for name in candidates}
    return medians, sum(busy >= BUSY for busy, _ in kept)


def _round(candidates):
    """Return how busy other processes were, and the median time of each candidate."""
    start, own, others = time.perf_counter(), time.process_time(), _all_processes()
    medians = {name: _median_time(function) for name, function in candidates.items()}
    busy = _all_processes() - others - (time.process_time() - own)
    return busy / (time.perf_counter() - start), medians


def _median_time(function, least=0.03):
    """Run `function` several times in a row, as training does, so that caches are as warm as there."""
    times = []
    while sum(times) < least or len(times) < 3:
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _all_processes():
    """Return the processor time in seconds that all processes have used, 0 where the system does not say."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def environment():
    """Return what a reader needs to compare two runs."""
    import numpy
    import torch

    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
