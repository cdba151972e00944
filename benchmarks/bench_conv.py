"""Conv2d forward and backward in float32: NumPy against PyTorch, its best path, and bare matrix products."""

import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from harness import measure, run

from dltwice import nn
from dltwice.twin import compare, copy_weights


@dataclass(frozen=True)
class Case:
    """One convolution; `target` is the ratio to PyTorch on one thread that the project aims at."""

    N: int
    C: int
    F: int
    size: int
    K: int
    S: int
    P: int
    target: float

    def __str__(self):
        stride = f" stride {self.S}" if self.S > 1 else ""
        return f"{self.C}→{self.F}, {self.K}×{self.K}{stride}, {self.size}×{self.size}, N {self.N}"


CASES = [
    Case(N=32, C=3, F=64, size=32, K=3, S=1, P=1, target=0.9),
    Case(N=32, C=64, F=64, size=16, K=3, S=1, P=1, target=1.9),
    Case(N=64, C=1, F=32, size=28, K=5, S=2, P=0, target=0.4),
]


def bench(rounds, threads):
    """Measure all cases, print a line for each, return them as plain data."""
    torch.set_num_threads(threads)
    print(f"\n{threads} thread{'s' * (threads > 1)}: forward + backward, ms and ratios, medians of {rounds}")
    print(f"{'':32}{'NumPy':>8}{'torch':>8}{'/torch':>8}{'target':>8}{'/best':>8}{'/bound':>8}{'loops':>10}")
    results = []
    for case in CASES:
        candidates = make_candidates(case)
        seconds, busy = measure(candidates, rounds)
        seconds["loops"] = time_loops(case)
        ours, default = seconds["numpy"], seconds["torch"]
        best = min(default, seconds["torch channels_last"])
        ratios = {"torch": ours / default, "torch best": ours / best, "bound": ours / seconds["bound"]}
        target = f"{case.target:.2f}" if threads == 1 else ""
        print(
            f"{case!s:32}{1e3 * ours:8.2f}{1e3 * default:8.2f}{ratios['torch']:8.2f}{target:>8}"
            f"{ratios['torch best']:8.2f}{ratios['bound']:8.2f}{seconds['loops']:8.0f} s"
            + (f"   {busy} of {rounds} rounds not quiet" if busy else ""),
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
    settings = (case.C, case.F, case.K, case.S, case.P)
    ours, theirs = nn.Conv2d(*settings, rng=rng), torch.nn.Conv2d(*settings)
    copy_weights(ours, theirs)
    # Tolerance: sums of up to N·H_out·W_out products in float32, in another order.
    compare(ours, theirs, x, rtol=1e-4)
    dy = rng.standard_normal(ours(x).shape, dtype=np.float32)

    def numpy_step():
        ours(x)
        ours.backward(dy)

    last = torch.nn.Conv2d(*settings).to(memory_format=torch.channels_last)
    return {
        "numpy": numpy_step,
        "torch": torch_step(theirs, x, dy, torch.contiguous_format),
        "torch channels_last": torch_step(last, x, dy, torch.channels_last),
        "bound": bare_products(case, dy, rng),
    }


def torch_step(layer, x, dy, memory_format):
    """Return a function that runs forward and backward in PyTorch."""
    x = torch.as_tensor(x).to(memory_format=memory_format).requires_grad_()
    dy = torch.as_tensor(dy).to(memory_format=memory_format)

    def step():
        layer.zero_grad()
        x.grad = None
        layer(x).backward(dy)

    return step


def bare_products(case, dy, rng):
    """Return the three matrix products that no formulation with columns can avoid."""
    rows = dy.reshape(case.N, case.F, -1)
    taps = case.C * case.K * case.K
    weight = rng.standard_normal((case.F, taps), dtype=np.float32)
    columns = rng.standard_normal((case.N, taps, rows.shape[-1]), dtype=np.float32)

    def products():
        weight @ columns
        columns @ rows.swapaxes(-1, -2)
        weight.T @ rows

    return products


def time_loops(case):
    """Return the seconds that plain loops would take: measured on one picture and one filter, times N·F."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.C, case.size + 2 * case.P, case.size + 2 * case.P))
    weight = rng.standard_normal((case.C, case.K, case.K))
    out = (x.shape[-1] - case.K) // case.S + 1
    dy = rng.standard_normal((out, out))
    start = time.perf_counter()
    loops(x.tolist(), weight.tolist(), dy.tolist(), case)
    return (time.perf_counter() - start) * case.N * case.F


def loops(x, weight, dy, case):
    """Forward and backward of one filter on one padded picture, number by number."""
    size, out = len(x[0]), len(dy)
    y = [[0.0] * out for _ in range(out)]
    dx = [[[0.0] * size for _ in range(size)] for _ in x]
    dweight = [[[0.0] * case.K for _ in range(case.K)] for _ in x]
    for h in range(out):
        for w in range(out):
            for c in range(case.C):
                for i in range(case.K):
                    for j in range(case.K):
                        row, column = h * case.S + i, w * case.S + j
                        y[h][w] += x[c][row][column] * weight[c][i][j]
                        dx[c][row][column] += dy[h][w] * weight[c][i][j]
                        dweight[c][i][j] += dy[h][w] * x[c][row][column]
    return y, dx, dweight


if __name__ == "__main__":
    run(__file__, bench, "conv")
