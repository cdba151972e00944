"""The exercises of chapter 02: what solutions, untouched exercises and typical wrong answers are worth."""

import re

from chapter_exercises import ChapterExercises, Wrong

SHIFT = "np.log(np.exp(z - largest[:, None]).sum(axis=1))"
CENTRAL = "(f(w + step) - f(w - step)) / (2 * eps)"

WRONG = (
    Wrong("mlp_forward", "weights not transposed", "x @ w1.T", "x @ w1", 0),
    Wrong("mlp_forward", "bias of the hidden layer forgotten", "x @ w1.T + b1", "x @ w1.T", 1),
    Wrong(
        "mlp_forward",
        "activation at the output too",
        "return hidden @ w2.T + b2",
        "return np.tanh(hidden @ w2.T + b2)",
        0,
    ),
    Wrong("mlp_forward", "no activation", "np.tanh(x @ w1.T + b1)", "x @ w1.T + b1", 0),
    Wrong(
        "mlp_forward",
        "a loop over the examples",
        "return hidden @ w2.T + b2",
        "return np.array([[row @ w2[c] + b2[c] for c in range(len(w2))] for row in hidden])",
        2,
    ),
    Wrong("by_hand", "derivative of the square without the 2", "loss = 4", "loss = 2", 5),
    Wrong("by_hand", "half the slope", "dw2 = [12, 8, 0]", "dw2 = [6, 4, 0]", 5),
    Wrong("by_hand", "a dead unit passes gradient", "[-12, -4], [0, 0]]", "[-12, -4], [36, 12]]", 5),
    Wrong("by_hand", "one path only", "[8 * 1 - 4 * 2, 8 * -1 - 4 * 1]", "[8 * 1, 8 * -1]", 5),
    Wrong("by_hand", "a step uphill", "[1 - 0.8, -5 + 0.4, 0]", "[1 + 0.8, -5 - 0.4, 0]", 5),
    Wrong(
        "by_hand",
        "biases not counted",
        "300 * 785 + 100 * 301 + 10 * 101",
        "300 * 784 + 100 * 300 + 10 * 100",
        5,
    ),
    Wrong("by_hand", "a value not given", "parameters = 300 * 785 + 100 * 301 + 10 * 101", "", 5),
    Wrong("cross_entropy", "overflow", SHIFT, "np.log(np.exp(z).sum(axis=1)) - largest", 1),
    Wrong(
        "cross_entropy",
        "one maximum for all rows",
        "largest = z.max(axis=1)",
        "largest = np.full(len(z), z.max())",
        2,
    ),
    Wrong("cross_entropy", "the maximum not added again", "largest + np.log", "np.log", 0),
    Wrong(
        "cross_entropy", "a sum, not a mean", "(total - z[rows, y]).mean()", "(total - z[rows, y]).sum()", 3
    ),
    Wrong("cross_entropy", "the gradient of a sum", "dz / len(z)", "dz", 3),
    Wrong("cross_entropy", "the sign of the gradient", "dz / len(z)", "-dz / len(z)", 3),
    Wrong("cross_entropy", "no one-hot", "    dz[rows, y] -= 1\n", "", 3),
    Wrong("linear_backward", "dx with the transposed weights", "dy @ w,", "dy @ w.T,", 0),
    Wrong("linear_backward", "dx as a mean", "dy @ w,", "dy @ w / len(x),", 2),
    Wrong("linear_backward", "dw transposed", "dy.T @ x", "x.T @ dy", 2),
    Wrong("linear_backward", "dw as a mean", "dy.T @ x", "dy.T @ x / len(x)", 2),
    Wrong("linear_backward", "db summed over the outputs", "dy.sum(axis=0)", "dy.sum(axis=1)", 2),
    Wrong("linear_backward", "db as one number", "dy.sum(axis=0)", "dy.sum()", 2),
    Wrong(
        "linear_backward",
        "a loop over the examples",
        "dy.T @ x",
        "sum(np.outer(d, v) for d, v in zip(dy, x))",
        3,
    ),
    Wrong("numerical_gradient", "one side only", CENTRAL, "(f(w + step) - f(w)) / eps", 0),
    Wrong("numerical_gradient", "divided by one step", "(2 * eps)", "eps", 0),
    Wrong("numerical_gradient", "a step of its own", "step[index] = eps", "step[index] = eps = 1e-5", 2),
    Wrong(
        "numerical_gradient",
        "a vector only",
        "for index in np.ndindex(w.shape)",
        "for index in range(len(w))",
        2,
    ),
    Wrong(
        "numerical_gradient", "what moved stays moved", "step = np.zeros_like(w)", "step = w; w = w.copy()", 0
    ),
    Wrong("evaluate", "the sign of the denominator's slope", "-a.data / b.data**2", "a.data / b.data**2", 1),
    Wrong(
        "evaluate",
        "the denominator has no slope",
        "(1 / b.data, -a.data / b.data**2)",
        "(1 / b.data, 0.0)",
        1,
    ),
    Wrong("evaluate", "the slope of tanh without the square", "1 - y**2", "1 - y", 1),
    Wrong("evaluate", "the slope of tanh at the input", "1 - y**2", "1 - a.data**2", 1),
    Wrong("evaluate", "a parent forgotten", "Node(y, (a,), (1 - y**2,))", "Node(y)", 1),
    Wrong("train", "softmax left in", "logits = net(x)", "logits = torch.softmax(net(x), dim=1)", 1),
    Wrong(
        "train",
        "the logarithm forgotten",
        "nn.functional.cross_entropy(logits, y)",
        "nn.functional.nll_loss(torch.softmax(logits, dim=1), y)",
        0,
    ),
    Wrong("train", "gradients pile up", "        optimizer.zero_grad()\n", "", 1),
    Wrong(
        "train",
        "gradients forgotten before they are used",
        "loss.backward()",
        "loss.backward(); optimizer.zero_grad()",
        1,
    ),
    Wrong("learn", "no hidden layer", "nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)", "nn.Linear(2, 1)", 0),
    Wrong("learn", "no activation", "nn.Tanh(), ", "", 0),
    Wrong("learn", "too few steps", "range(400)", "range(20)", 0),
    Wrong(
        "learn",
        "XOR by heart",
        "(net(x_new)[:, 0] > 0).long().tolist()",
        "[0, 1, 1, 0] * (len(x_new) // 4)",
        1,
    ),
)


class TestExercises(ChapterExercises):
    stem = "02_backpropagation"
    wrong = WRONG
    points = 27
    wrong_at_least = 15

    def test_messages_say_what_was_expected_and_what_came(self, results):
        def first(fault: str, question: str) -> str:
            return results[fault + question].problems[0].message

        assert first("no activation", "mlp_forward").startswith("mlp_forward, 2-3-1, one example: expected")
        assert first("dw transposed", "linear_backward").endswith(
            "expected an array of shape (1, 2), got an array of shape (2, 1)."
        )
        assert (
            "the loss is not the cross-entropy"
            in results["the logarithm forgottentrain"].problems[-1].message
        )
        assert "there is still a loop" in first("a loop over the examples", "linear_backward")
        assert first("the sign of the denominator's slope", "evaluate") == (
            'evaluate(["/", 0, 1], [6, 2]): expected [3, 0.5, -1.5], got [3, 0.5, 1.5].'
        )

    def test_numbers_that_are_asked_for_are_not_given_away(self, results):
        for one in WRONG:
            if one.question == "by_hand":
                for problem in results[one.fault + one.question].problems:
                    assert not re.search(r"expected|266610|-12|4\.6", problem.message.replace(one.new, ""))
