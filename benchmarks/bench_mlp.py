"""One epoch of an MLP 64-128-10 on digits, float32: NumPy against PyTorch, its best path, bare arithmetic.

An epoch is 22 batches of 64 (the last has 3): forward, cross-entropy, backward, a step of gradient descent.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from harness import measure, run

from dltwice import data, nn, optim
from dltwice.twin import compare, copy_weights


@dataclass(frozen=True)
class Case:
    """One training run; `target` is the ratio to PyTorch on one thread that the project aims at."""

    hidden: int
    batch_size: int
    lr: float
    target: float

    def __str__(self):
        return f"64-{self.hidden}-10, batch {self.batch_size}"


CASE = Case(hidden=128, batch_size=64, lr=0.1, target=0.5)


def bench(rounds, threads):
    """Measure, print a line, return it as plain data."""
    torch.set_num_threads(threads)
    print(f"\n{threads} thread{'s' * (threads > 1)}: one epoch, ms and ratios, medians of {rounds}")
    print(
        f"{'':24}{'NumPy':>8}{'torch':>8}{'best':>8}{'bound':>8}{'/torch':>8}{'target':>8}{'/best':>8}{'/bound':>8}"
    )
    candidates = make_candidates(CASE)
    seconds, busy = measure(candidates, rounds)
    ours, default, bound = seconds["numpy"], seconds["torch"], seconds["bound"]
    fastest = min((name for name in seconds if name.startswith("torch")), key=seconds.get)
    best = seconds[fastest]
    ratios = {"torch": ours / default, "torch best": ours / best, "bound": ours / bound}
    target = f"{CASE.target:.2f}" if threads == 1 else ""
    print(
        f"{CASE!s:24}{1e3 * ours:8.2f}{1e3 * default:8.2f}{1e3 * best:8.2f}{1e3 * bound:8.2f}"
        f"{ratios['torch']:8.2f}{target:>8}{ratios['torch best']:8.2f}{ratios['bound']:8.2f}"
        f"   best: {fastest}" + (f"   {busy} of {rounds} rounds not quiet" if busy else ""),
        flush=True,
    )
    case = asdict(CASE)
    return [{"case": case, "threads": threads, "seconds": seconds, "ratios": ratios, "busy rounds": busy}]


def make_candidates(case):
    """Return the functions to time, each an epoch; both libraries' results have been compared before."""
    digits = data.digits(np.float32)
    x, y = digits.x_train.reshape(-1, 64), digits.y_train
    batches = list(data.minibatches(len(x), case.batch_size, rng=0))
    start = network(nn, case, rng=0)
    check_equal(case, start, x, y, batches)
    return {
        "numpy": numpy_epoch(case, start, x, y, batches),
        "torch": torch_epoch(case, start, x, y, batches),
        "torch foreach": torch_epoch(case, start, x, y, batches, foreach=True),
        "torch fused": torch_epoch(case, start, x, y, batches, fused=True),
        "torch by hand": torch_by_hand(case, start, x, y, batches),
        "bound": bare_arithmetic(case, start, x, y, batches),
    }


def network(library, case, **options):
    """Return the MLP of NumPy or PyTorch."""
    hidden, out = library.Linear(64, case.hidden, **options), library.Linear(case.hidden, 10, **options)
    return library.Sequential(hidden, library.ReLU(), out)


def check_equal(case, start, x, y, batches):
    """Compare the networks, then the losses of ten epochs, step by step: they fall together.

    Tolerance: float32, and every step starts from the rounding of those before.
    """
    compare(start, network(torch.nn, case), x[:64])
    candidates = (numpy_epoch, torch_epoch, torch_by_hand, bare_arithmetic)
    epochs = [make(case, start, x, y, batches) for make in candidates]
    ours, *others = ([epoch() for _ in range(10)] for epoch in epochs)
    assert np.mean(ours[-1]) < 0.2 * np.mean(ours[0]), "the network does not learn"
    for losses in others:
        np.testing.assert_allclose(losses, ours, rtol=1e-3, atol=1e-4)


def numpy_epoch(case, start, x, y, batches):
    """Return an epoch with `dltwice.nn` and `dltwice.optim`."""
    net, loss_function = network(nn, case), nn.CrossEntropyLoss()
    net.load_state_dict(start.state_dict())
    optimizer = optim.SGD(net.parameters(), lr=case.lr)

    def epoch():
        losses = []
        for batch in batches:
            losses.append(loss_function(net(x[batch]), y[batch]))
            net.backward(loss_function.backward())
            optimizer.step()
        return losses

    return epoch


def torch_epoch(case, start, x, y, batches, **options):
    """Return an epoch as a practitioner writes it; gradients are set to None, as is the default."""
    net, loss_function = network(torch.nn, case), torch.nn.CrossEntropyLoss()
    copy_weights(start, net)
    optimizer = torch.optim.SGD(net.parameters(), lr=case.lr, **options)
    x, y, batches = torch.tensor(x), torch.tensor(y), list(map(torch.tensor, batches))

    def epoch():
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            loss = loss_function(net(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return epoch


def torch_by_hand(case, start, x, y, batches):
    """Return an epoch in PyTorch without modules and without autograd: what is left without its machinery."""
    W1, b1, W2, b2 = (torch.tensor(value) for value in start.state_dict().values())
    x, y, batches = torch.tensor(x), torch.tensor(y), list(map(torch.tensor, batches))

    @torch.inference_mode()
    def epoch():
        losses = []
        for batch in batches:
            rows, target = x[batch], y[batch]
            hidden = torch.addmm(b1, rows, W1.T).relu_()
            log_p = torch.log_softmax(torch.addmm(b2, hidden, W2.T), 1)
            losses.append(torch.nn.functional.nll_loss(log_p, target).item())
            dz = log_p.exp_()
            dz[torch.arange(len(batch)), target] -= 1
            dz /= len(batch)
            dhidden = (dz @ W2).mul_(hidden > 0)
            W2.addmm_(dz.T, hidden, alpha=-case.lr)
            b2.sub_(dz.sum(0), alpha=case.lr)
            W1.addmm_(dhidden.T, rows, alpha=-case.lr)
            b1.sub_(dhidden.sum(0), alpha=case.lr)
        return losses

    return epoch


def bare_arithmetic(case, start, x, y, batches):
    """Return an epoch in NumPy without layers: no formulation can leave this arithmetic out."""
    W1, b1, W2, b2 = start.state_dict().values()

    def epoch():
        losses = []
        for batch in batches:
            rows, target, index = x[batch], y[batch], np.arange(len(batch))
            hidden = np.maximum(rows @ W1.T + b1, 0)
            z = hidden @ W2.T + b2
            z -= z.max(axis=1, keepdims=True)
            dz = np.exp(z)
            total = dz.sum(axis=1, keepdims=True)
            losses.append(float((np.log(total[:, 0]) - z[index, target]).sum()) / len(batch))
            dz /= total
            dz[index, target] -= 1
            dz /= len(batch)
            dhidden = (dz @ W2) * (hidden > 0)
            W2[...] -= case.lr * (dz.T @ hidden)
            b2[...] -= case.lr * dz.sum(axis=0)
            W1[...] -= case.lr * (dhidden.T @ rows)
            b1[...] -= case.lr * dhidden.sum(axis=0)
        return losses

    return epoch


if __name__ == "__main__":
    run(__file__, bench, "mlp")
