"""One epoch of a small CNN on digits, float32: NumPy against PyTorch, its best path, bare matrix products.

The network is the one of chapter 06. An epoch is 22 batches of 64 (the last has 3): forward, cross-entropy,
backward, a step of gradient descent. PyTorch leaves out the gradient in the pictures, which nothing needs;
our layers always compute it. So PyTorch is also timed with it, at the same work.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from harness import measure, run

from dltwice import data, nn, optim
from dltwice.nn.module import convert
from dltwice.twin import compare, copy_weights


@dataclass(frozen=True)
class Case:
    """One training run; `target` is the ratio to PyTorch on one thread that the project aims at."""

    channels: tuple[int, int]
    hidden: int
    batch_size: int
    lr: float
    target: float

    def __str__(self):
        return f"conv {self.channels[0]}, {self.channels[1]}, linear {self.hidden}, 10"


CASE = Case(channels=(8, 16), hidden=32, batch_size=64, lr=0.3, target=0.8)


def bench(rounds, threads):
    """Measure, print a line, return it as plain data."""
    torch.set_num_threads(threads)
    print(f"\n{threads} thread{'s' * (threads > 1)}: one epoch, ms and ratios, medians of {rounds}")
    print(
        f"{'':28}{'NumPy':>8}{'torch':>8}{'with dx':>9}{'best':>8}{'bound':>8}"
        f"{'/torch':>8}{'target':>8}{'/with dx':>9}{'/best':>8}{'/bound':>8}"
    )
    seconds, busy = measure(make_candidates(CASE), rounds)
    ours, default, same, bound = (seconds[name] for name in ("numpy", "torch", "torch with dx", "bound"))
    fastest = min((name for name in seconds if name.startswith("torch")), key=seconds.get)
    best = seconds[fastest]
    ratios = {
        "torch": ours / default,
        "torch with dx": ours / same,
        "torch best": ours / best,
        "bound": ours / bound,
    }
    target = f"{CASE.target:.2f}" if threads == 1 else ""
    print(
        f"{CASE!s:28}{1e3 * ours:8.2f}{1e3 * default:8.2f}{1e3 * same:9.2f}{1e3 * best:8.2f}"
        f"{1e3 * bound:8.2f}{ratios['torch']:8.2f}{target:>8}{ratios['torch with dx']:9.2f}"
        f"{ratios['torch best']:8.2f}{ratios['bound']:8.2f}"
        f"   best: {fastest}" + (f"   {busy} of {rounds} rounds not quiet" if busy else ""),
        flush=True,
    )
    case = asdict(CASE)
    return [{"case": case, "threads": threads, "seconds": seconds, "ratios": ratios, "busy rounds": busy}]


def make_candidates(case):
    """Return the functions to time, each an epoch; both libraries' results have been compared before."""
    digits = data.digits(np.float32)
    x, y = digits.x_train.reshape(-1, 1, 8, 8), digits.y_train
    batches = list(data.minibatches(len(x), case.batch_size, rng=0))
    start = network(nn, case, rng=0)
    check_equal(case, start, x, y, batches)
    last = torch.channels_last
    return {
        "numpy": numpy_epoch(case, start, x, y, batches),
        "torch": torch_epoch(case, start, x, y, batches),
        "torch with dx": torch_epoch(case, start, x, y, batches, input_gradient=True),
        "torch fused": torch_epoch(case, start, x, y, batches, fused=True),
        "torch channels_last": torch_epoch(case, start, x, y, batches, memory_format=last),
        "torch channels_last fused": torch_epoch(case, start, x, y, batches, memory_format=last, fused=True),
        "bound": bare_products(case, x, batches),
    }


def network(library, case, **options):
    """Return the CNN of NumPy or PyTorch, for pictures of 8 × 8."""
    first, second = case.channels
    return library.Sequential(
        library.Conv2d(1, first, 3, padding=1, **options),
        library.ReLU(),
        library.MaxPool2d(2),
        library.Conv2d(first, second, 3, padding=1, **options),
        library.ReLU(),
        library.MaxPool2d(2),
        library.Flatten(),
        library.Linear(second * 2 * 2, case.hidden, **options),
        library.ReLU(),
        library.Linear(case.hidden, 10, **options),
    )


def check_equal(case, start, x, y, batches):
    """Compare the networks, the losses of one epoch in float32, and of ten epochs in float64, step by step.

    In float32 rounding soon decides which of two almost equal values is a window's maximum. From there on two
    libraries train two networks, equally good ones.
    """
    compare(start, network(torch.nn, case), x[:64])
    for epochs, dtype, tol in ((1, np.float32, 1e-4), (10, np.float64, 1e-8)):
        candidates = [make(case, start, x.astype(dtype), y, batches) for make in (numpy_epoch, torch_epoch)]
        ours, theirs = ([epoch() for _ in range(epochs)] for epoch in candidates)
        np.testing.assert_allclose(theirs, ours, rtol=tol)
    assert np.mean(ours[-1]) < 0.2 * np.mean(ours[0]), "the network does not learn"


def numpy_epoch(case, start, x, y, batches):
    """Return an epoch with `dltwice.nn` and `dltwice.optim`."""
    net, loss_function = network(nn, case), nn.CrossEntropyLoss()
    copy_weights(start, net)
    convert(net, x.dtype)
    optimizer = optim.SGD(net.parameters(), lr=case.lr)

    def epoch():
        losses = []
        for batch in batches:
            losses.append(loss_function(net(x[batch]), y[batch]))
            net.backward(loss_function.backward())
            optimizer.step()
        return losses

    return epoch


def torch_epoch(
    case, start, x, y, batches, *, memory_format=torch.contiguous_format, input_gradient=False, **options
):
    """Return an epoch as a practitioner writes it; gradients are set to None, as is the default."""
    net, loss_function = network(torch.nn, case), torch.nn.CrossEntropyLoss()
    copy_weights(start, net)
    x = torch.tensor(x).to(memory_format=memory_format)
    net.to(dtype=x.dtype, memory_format=memory_format)
    optimizer = torch.optim.SGD(net.parameters(), lr=case.lr, **options)
    y, batches = torch.tensor(y), list(map(torch.tensor, batches))

    def epoch():
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            loss = loss_function(net(x[batch].requires_grad_(input_gradient)), y[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return epoch


def bare_products(case, x, batches):
    """Return the matrix products of all layers, forward and backward, without anything around them."""
    rng = np.random.default_rng(0)
    first, second = case.channels
    sizes = [(first, 9, 64), (second, 9 * first, 16)]  # (F, C·K·K, H·W) of each convolution

    def arrays(*shape):
        return rng.standard_normal(shape, dtype=np.float32)

    def epoch_of(N):
        convs = [(arrays(F, taps), arrays(N, taps, area), arrays(N, F, area)) for F, taps, area in sizes]
        shapes = [(case.hidden, second * 4), (10, case.hidden)]
        linears = [(arrays(out, into), arrays(N, into), arrays(N, out)) for out, into in shapes]
        return convs, linears

    steps = [epoch_of(len(batch)) for batch in batches]

    def products():
        for convs, linears in steps:
            for weight, columns, dy in convs:
                weight @ columns
                columns @ dy.swapaxes(-1, -2)
                weight.T @ dy
            for weight, rows, dy in linears:
                rows @ weight.T
                dy.T @ rows
                dy @ weight

    return products


if __name__ == "__main__":
    run(__file__, bench, "cnn")
