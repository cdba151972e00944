"""Pooling forward and backward in float32: NumPy against PyTorch, its best path, and a bare copy."""

import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from harness import measure, run

from dltwice import nn
from dltwice.twin import compare


@dataclass(frozen=True)
class Case:
    """One pooling layer; `target` is the ratio to PyTorch on one thread that the project aims at, if any."""

    kind: str
    K: int
    S: int
    N: int
    C: int
    size: int
    target: float | None = None

    def __str__(self):
        name = {"MaxPool2d": "max", "AvgPool2d": "average"}[self.kind]
        stride = f" stride {self.S}" if self.S != self.K else ""
        return f"{name} {self.K}×{self.K}{stride}, {self.C}×{self.size}×{self.size}, N {self.N}"


CASES = [
    Case("MaxPool2d", K=2, S=2, N=32, C=64, size=32, target=0.6),
    Case("MaxPool2d", K=3, S=2, N=32, C=64, size=32, target=0.9),
    Case("MaxPool2d", K=2, S=2, N=64, C=8, size=8),
    Case("AvgPool2d", K=2, S=2, N=32, C=64, size=32),
    Case("AvgPool2d", K=3, S=2, N=32, C=64, size=32),
    Case("AvgPool2d", K=2, S=2, N=64, C=8, size=8),
]


def bench(rounds, threads):
    """Measure all cases, print a line for each, return them as plain data."""
    torch.set_num_threads(threads)
    print(f"\n{threads} thread{'s' * (threads > 1)}: forward + backward, ms and ratios, medians of {rounds}")
    print(
        f"{'':36}{'NumPy':>8}{'torch':>8}{'ch. last':>10}{'/torch':>8}{'target':>8}{'/best':>8}{'/bound':>8}"
        f"{'loops':>10}"
    )
    results = []
    for case in CASES:
        candidates = make_candidates(case)
        seconds, busy = measure(candidates, rounds)
        seconds["loops"] = time_loops(case)
        ours, default, last = seconds["numpy"], seconds["torch"], seconds["torch channels_last"]
        ratios = {
            "torch": ours / default,
            "torch best": ours / min(default, last),
            "bound": ours / seconds["bound"],
        }
        target = f"{case.target:.2f}" if threads == 1 and case.target else ""
        print(
            f"{case!s:36}{1e3 * ours:8.2f}{1e3 * default:8.2f}{1e3 * last:10.2f}"
            f"{ratios['torch']:8.2f}{target:>8}{ratios['torch best']:8.2f}{ratios['bound']:8.2f}"
            f"{seconds['loops']:8.2f} s" + (f"   {busy} of {rounds} rounds not quiet" if busy else ""),
            flush=True,
        )
        results.append(
            {
                "case": asdict(case),
                "threads": threads,
                "seconds": seconds,
                "ratios": ratios,
                "busy rounds": busy,
            }
        )
    return results


def make_candidates(case):
    """Return the functions to time; both libraries' results have been compared before."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.N, case.C, case.size, case.size), dtype=np.float32)
    ours = getattr(nn, case.kind)(case.K, case.S)
    theirs = getattr(torch.nn, case.kind)(case.K, case.S)
    compare(ours, theirs, x)
    dy = rng.standard_normal(ours(x).shape, dtype=np.float32)

    def numpy_step():
        ours(x)
        ours.backward(dy)

    return {
        "numpy": numpy_step,
        "torch": torch_step(theirs, x, dy, torch.contiguous_format),
        "torch channels_last": torch_step(theirs, x, dy, torch.channels_last),
        "bound": copy_of_the_bytes(x, dy),
    }


def torch_step(layer, x, dy, memory_format):
    """Return a function that runs forward and backward in PyTorch."""
    x = torch.as_tensor(x).to(memory_format=memory_format).requires_grad_()
    dy = torch.as_tensor(dy).to(memory_format=memory_format)

    def step():
        x.grad = None
        layer(x).backward(dy)

    return step


def copy_of_the_bytes(x, dy):
    """Return copies of x and dy, as large as dx and y: no formulation reads or writes less."""

    def copies():
        x.copy()
        dy.copy()

    return copies


def time_loops(case):
    """Return the seconds that plain loops would take: measured on one channel of one picture, times N·C."""
    rng = np.random.default_rng(0)
    out = (case.size - case.K) // case.S + 1
    x, dy = rng.standard_normal((case.size, case.size)), rng.standard_normal((out, out))
    loops = {"MaxPool2d": max_loops, "AvgPool2d": average_loops}[case.kind]
    start = time.perf_counter()
    loops(x.tolist(), dy.tolist(), case)
    return (time.perf_counter() - start) * case.N * case.C


def max_loops(x, dy, case):
    """Forward and backward of the maximum on one channel, number by number."""
    out = len(dy)
    y, dx = [[0.0] * out for _ in range(out)], [[0.0] * len(x) for _ in x]
    for h in range(out):
        for w in range(out):
            best = (h * case.S, w * case.S)
            for i in range(case.K):
                for j in range(case.K):
                    row, column = h * case.S + i, w * case.S + j
                    if x[row][column] > x[best[0]][best[1]]:
                        best = (row, column)
            y[h][w] = x[best[0]][best[1]]
            dx[best[0]][best[1]] += dy[h][w]
    return y, dx


def average_loops(x, dy, case):
    """Forward and backward of the average on one channel, number by number."""
    out, cells = len(dy), case.K * case.K
    y, dx = [[0.0] * out for _ in range(out)], [[0.0] * len(x) for _ in x]
    for h in range(out):
        for w in range(out):
            for i in range(case.K):
                for j in range(case.K):
                    row, column = h * case.S + i, w * case.S + j
                    y[h][w] += x[row][column] / cells
                    dx[row][column] += dy[h][w] / cells
    return y, dx


if __name__ == "__main__":
    run(__file__, bench, "pool")
