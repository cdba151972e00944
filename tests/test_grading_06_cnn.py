"""The exercises of chapter 06: what solutions, untouched exercises and typical wrong answers are worth."""

from chapter_exercises import ChapterExercises, Wrong

PADDED = "x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))"
GRAD = "(gradient,) = torch.autograd.grad(chosen.sum(), x)\n    return gradient"
TORCH = "nn.functional.conv2d(torch.tensor(x), torch.tensor(w), torch.tensor(b), padding=1).numpy()"
STEP = "            loss.backward()\n            optimizer.step()\n            losses.append(loss.item())\n"
CROSS = "nn.functional.cross_entropy(net(x[batch]), y[batch])"

WRONG = (
    Wrong("by_hand", "padding assumed in layer 1", "6 * 4 * 4", "6 * 5 * 5", 3),
    Wrong("by_hand", "one pooling forgotten", "6 * 4 * 4", "6 * 8 * 8", 3),
    Wrong("by_hand", "features as a float", "6 * 4 * 4", "6 * 8 / 2 * 4", 3),
    Wrong("by_hand", "biases forgotten", "4 * (3 * 25 + 1)", "4 * 3 * 25", 3),
    Wrong("by_hand", "channels forgotten", "6 * (4 * 9 + 1)", "6 * (9 + 1)", 3),
    Wrong("by_hand", "one bias for the whole layer", "10 * (96 + 1)", "10 * 96 + 1", 3),
    Wrong("by_hand", "size of the input", "4 * 75 * 16 * 16", "4 * 75 * 20 * 20", 3),
    Wrong("by_hand", "products of one filter", "4 * 75 * 16 * 16", "75 * 16 * 16", 3),
    Wrong("by_hand", "biases counted as products", "4 * 75 * 16 * 16", "4 * 76 * 16 * 16", 3),
    Wrong("by_hand", "pooling sees nothing more", "receptive_field = 12", "receptive_field = 7", 3),
    Wrong("by_hand", "up to the second convolution", "receptive_field = 12", "receptive_field = 10", 3),
    Wrong("by_hand", "a value not given", "in_features = 6 * 4 * 4", "", 3),
    Wrong("build", "padding forgotten", "filters, 3, padding=1)", "filters, 3)", 1),
    Wrong("build", "as many filters in the second", "2 * filters", "filters", 1),
    Wrong(
        "build", "sizes that are multiples of 4 only", "side = size // 2 // 2", "side = (size + 3) // 4", 1
    ),
    Wrong("build", "size of one pooling", "side = size // 2 // 2", "side = size // 2", 1),
    Wrong("build", "last ReLU forgotten", "32),\n        nn.ReLU(),\n", "32),\n", 1),
    Wrong("build", "average pooling", "nn.MaxPool2d(2)", "nn.AvgPool2d(2)", 1),
    Wrong(
        "build",
        "a softmax at the end",
        "nn.Linear(32, classes),",
        "nn.Linear(32, classes), nn.Softmax(1),",
        1,
    ),
    Wrong("build", "ten classes always", "nn.Linear(32, classes)", "nn.Linear(32, 10)", 1),
    Wrong("build", "tanh in the hidden layer", "32),\n        nn.ReLU(),\n", "32),\n        nn.Tanh(),\n", 1),
    Wrong(
        "build",
        "shapes before each layer",
        "        x = layer(x)\n        found.append(tuple(x.shape))",
        "        found.append(tuple(x.shape))\n        x = layer(x)",
        2,
    ),
    Wrong("build", "batch left out of the shapes", "tuple(x.shape)", "tuple(x.shape[1:])", 2),
    Wrong("build", "the last shape only", "return found", "return found[-1:]", 2),
    Wrong("forward", "no padding values but edges", PADDED, PADDED[:-1] + ', mode="edge")', 1),
    Wrong("forward", "kernel turned around", "w[:, :, u, v])", "w[:, :, 2 - u, 2 - v])", 1),
    Wrong(
        "forward",
        "bias added at every tap",
        "x[:, :, u : u + H, v : v + W], w[:, :, u, v])",
        "x[:, :, u : u + H, v : v + W], w[:, :, u, v]) + b[:, None, None]",
        1,
    ),
    Wrong("forward", "bias forgotten", " + b[:, None, None]", "", 1),
    Wrong("forward", "first channel only", '"nchw,fc->nfhw", x[:, :,', '"nchw,fc->nfhw", x[:, :1,', 1),
    Wrong("forward", "average in place of maximum", ".max(axis=(3, 5))", ".mean(axis=(3, 5))", 1),
    Wrong(
        "forward",
        "windows over half a map",
        "x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5))",
        "x.reshape(N, C, 2, H // 2, 2, W // 2).max(axis=(2, 4))",
        1,
    ),
    Wrong("forward", "odd sizes forgotten", "    x = x[:, :, : H // 2 * 2, : W // 2 * 2]\n", "", 1),
    Wrong(
        "forward",
        "ReLU forgotten",
        'np.maximum(conv(x, p["0.weight"], p["0.bias"]), 0)',
        'conv(x, p["0.weight"], p["0.bias"])',
        2,
    ),
    Wrong(
        "forward",
        "weight not transposed",
        'p["4.weight"].T',
        'p["4.weight"].reshape(-1, len(p["4.weight"]))',
        2,
    ),
    Wrong("forward", "last bias forgotten", ' + p["4.bias"]', "", 2),
    Wrong(
        "forward",
        "flattened pixel by pixel",
        "h.reshape(len(h), -1)",
        "h.transpose(0, 2, 3, 1).reshape(len(h), -1)",
        2,
    ),
    Wrong(
        "forward",
        "PyTorch's convolution",
        "    N, C, H, W = x.shape\n    x = np.pad",
        f"    return {TORCH}\n    N, C, H, W = x.shape\n    x = np.pad",
        1,
    ),
    Wrong("multiply_adds_of", "input channels forgotten", "count = C * K * K * F", "count = K * K * F", 0),
    Wrong("multiply_adds_of", "filters forgotten", "count = C * K * K * F *", "count = C * K * K *", 0),
    Wrong(
        "multiply_adds_of",
        "input size",
        '* shape[1] * shape[2]\n        elif kind == "pool"',
        '* H * W\n        elif kind == "pool"',
        0,
    ),
    Wrong("multiply_adds_of", "bias counted", "count = C * K * K * F", "count = (C * K * K + 1) * F", 0),
    Wrong("multiply_adds_of", "padding on one side", "2 * P", "P", 0),
    Wrong("multiply_adds_of", "not rounded down", "(H + 2 * P - K) // S + 1", "(H + 2 * P - K) / S + 1", 0),
    Wrong(
        "multiply_adds_of", "width from the height", "(W + 2 * P - K) // S + 1", "(H + 2 * P - K) // S + 1", 0
    ),
    Wrong(
        "multiply_adds_of",
        "pooling changes nothing",
        "shape = (shape[0], (shape[1] - K) // K + 1, (shape[2] - K) // K + 1)",
        "pass",
        1,
    ),
    Wrong(
        "multiply_adds_of",
        "flatten keeps the channels only",
        "shape[0] * shape[1] * shape[2],",
        "shape[0],",
        1,
    ),
    Wrong(
        "multiply_adds_of",
        "bias of the linear layer",
        "count = shape[0] * J",
        "count = (shape[0] + 1) * J",
        1,
    ),
    Wrong("multiply_adds_of", "shape after linear forgotten", "            shape = (J,)\n", "", 1),
    Wrong("multiply_adds_of", "sum in place of a list", "return counts", "return sum(counts)", 0),
    Wrong("confusion", "transposed", "(y, y_hat), 1", "(y_hat, y), 1", 1),
    Wrong(
        "confusion", "pairs that come twice", "np.add.at(matrix, (y, y_hat), 1)", "matrix[y, y_hat] += 1", 1
    ),
    Wrong("confusion", "shares in place of counts", "return matrix\n", "return matrix / matrix.sum()\n", 1),
    Wrong(
        "confusion",
        "size from the labels",
        "np.zeros((C, C), dtype=int)",
        "np.zeros((y.max() + 1, y.max() + 1), dtype=int)",
        1,
    ),
    Wrong("confusion", "diagonal kept", "np.fill_diagonal(errors, -1)", "pass", 2),
    Wrong("confusion", "pair the wrong way around", "int(k), int(m)", "int(m), int(k)", 2),
    Wrong(
        "confusion",
        "the caller's matrix is changed",
        "errors = matrix.copy()",
        "errors = matrix",
        2,
    ),
    Wrong(
        "confusion", "place in the flat list", "return int(k), int(m)", "return int(errors.argmax()), 0", 2
    ),
    Wrong("saliency", "softmax first", "net(x)[", "net(x).softmax(dim=1)[", 0),
    Wrong("saliency", "absolute value", "return gradient", "return gradient.abs()", 0),
    Wrong("saliency", "all logits", "net(x)[torch.arange(len(x)), k]", "net(x)", 0),
    Wrong("saliency", "one class for all", "k]", "k[0]]", 0),
    Wrong("saliency", "mean over the batch", "chosen.sum()", "chosen.mean()", 0),
    Wrong(
        "saliency",
        "largest logit in place of k",
        "net(x)[torch.arange(len(x)), k]",
        "net(x).max(dim=1).values",
        0,
    ),
    Wrong("saliency", "every k for every picture", "net(x)[torch.arange(len(x)), k]", "net(x)[:, k]", 0),
    Wrong(
        "saliency", "gradients of the parameters grow", GRAD, "chosen.sum().backward()\n    return x.grad", 2
    ),
    Wrong(
        "saliency",
        "gradients of the parameters are deleted",
        GRAD,
        "chosen.sum().backward()\n    net.zero_grad()\n    return x.grad",
        2,
    ),
    Wrong(
        "train",
        "softmax kept",
        CROSS,
        "nn.functional.cross_entropy(net(x[batch]).softmax(dim=1), y[batch])",
        2,
    ),
    Wrong(
        "train",
        "logarithm of the softmax",
        CROSS,
        "nn.functional.nll_loss(net(x[batch]).softmax(dim=1), y[batch])",
        2,
    ),
    Wrong(
        "train",
        "zeroed once at the start",
        "    losses = []",
        "    losses = []\n    optimizer.zero_grad = net.zero_grad = lambda: None",
        2,
    ),
    Wrong("train", "gradients add up", "            optimizer.zero_grad()\n", "", 2),
    Wrong(
        "train",
        "zeroed after each epoch",
        "            optimizer.zero_grad()\n" + STEP,
        STEP + "        net.zero_grad()\n",
        2,
    ),
    Wrong(
        "train",
        "zeroed before the step",
        "            optimizer.zero_grad()\n            loss.backward()\n",
        "            loss.backward()\n            optimizer.zero_grad()\n",
        2,
    ),
    Wrong(
        "train",
        "accuracy of the last batch",
        "(net(x).argmax(dim=1) == y)",
        "(net(x[batch]).argmax(dim=1) == y[batch])",
        2,
    ),
    Wrong("train", "a count in place of a share", ".double().mean()", ".double().sum()", 2),
    Wrong(
        "receptive",
        "columns that are not there",
        "rows = tuple(len(seen(stack[: k + 1])) for k in range(5))",
        "rows = (3, 4, 8, 10, 18)",
        1,
    ),
    Wrong(
        "receptive",
        "pooling left out",
        "rows = tuple(len(seen(stack[: k + 1])) for k in range(5))",
        "rows = (3, 12, 24)",
        1,
    ),
    Wrong("receptive", "rows as floats", "tuple(len(seen", "tuple(1.0 * len(seen", 1),
    Wrong(
        "receptive",
        "step in units of the layer",
        "step = int(seen(stack, 1)[0] - seen(stack)[0])",
        "step = 1",
        1,
    ),
    Wrong("receptive", "two units apart", "seen(stack, 1)[0]", "seen(stack, 2)[0]", 1),
    Wrong("receptive", "a value not given", "step = int(seen(stack, 1)[0] - seen(stack)[0])", "", 1),
)


class TestExercises(ChapterExercises):
    stem = "06_cnn"
    wrong = WRONG
    wrong_at_least = 15
