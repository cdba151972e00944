"""The exercises of chapter 01: what solutions, untouched exercises and typical wrong answers are worth."""

import re

from chapter_exercises import ChapterExercises, Wrong

TORCH_NEURON = """import torch
    return (torch.tensor(x) @ torch.tensor(w) + b >= 0).int().numpy()
    return """
LOOP = """return np.array([1 if sum(row * w) + b >= 0 else 0 for row in x])
    return """
STALE = """    y_hats = [int(row @ w + b >= 0) for row in x]
    for n in range(len(x)):
        y_hat = y_hats[n]"""

WRONG = (
    Wrong("neuron", "0 counts as no", ">= 0", "> 0", 1),
    Wrong("neuron", "bias subtracted", "x @ w + b", "x @ w - b", 0),
    Wrong("neuron", "no bias", "x @ w + b", "x @ w", 0),
    Wrong("neuron", "the sum instead of the answer", "(x @ w + b >= 0).astype(int)", "x @ w + b", 0),
    Wrong("neuron", "answers of -1 and 1", ".astype(int)", " * 2 - 1", 0),
    Wrong("neuron", "a loop over the examples", "return ", LOOP, 2),
    Wrong("neuron", "done by torch", "return ", TORCH_NEURON, 0),
    Wrong("gates", "NAND in place of NOR", "nor = ([-1, -1], 0.5)", "nor = ([-1, -1], 1.5)", 3),
    Wrong("gates", "OR in place of NOR", "nor = ([-1, -1], 0.5)", "nor = ([1, 1], -0.5)", 3),
    Wrong("gates", "NOR right but for the step at 0", "nor = ([-1, -1], 0.5)", "nor = ([-1, -1], 1)", 3),
    Wrong("gates", "implies the wrong way around", "([-1, 1], 0.5)", "([1, -1], 0.5)", 3),
    Wrong("gates", "one input is enough", "([1, 1, 1], -1.5)", "([1, 1, 1], -0.5)", 3),
    Wrong("gates", "all three inputs are needed", "([1, 1, 1], -1.5)", "([1, 1, 1], -2.5)", 3),
    Wrong("gates", "the middle input is ignored", "([1, -1, 1], -1.5)", "([1, 0, 1], -1.5)", 3),
    Wrong("gates", "one weight too few", "([1, -1, 1], -1.5)", "([1, 1], -1.5)", 3),
    Wrong("foot", "z instead of the distance", "/ length\n    return s", "\n    return s", 0),
    Wrong("foot", "length not rooted", "np.sqrt((w * w).sum())", "(w * w).sum()", 0),
    Wrong("foot", "no sign", "s = (x @ w + b) / length", "s = np.abs(x @ w + b) / length", 0),
    Wrong("foot", "bias forgotten", "(x @ w + b)", "(x @ w)", 0),
    Wrong("foot", "walked along w itself", "* w / length", "* w", 2),
    Wrong("foot", "walked away from the line", "x - s", "x + s", 2),
    Wrong("on_paper", "learning rate forgotten", "(-6, 4), 0", "(-3, 2), 0", 2),
    Wrong("on_paper", "step(0) taken as 0", "(-6, 4), 0", "(-2, 6), 2", 2),
    Wrong("on_paper", "the tie of example 4 missed", "(-10, -2), -2", "(-6, 4), 0", 2),
    Wrong("on_paper", "the 1 for the bias forgotten", "bound = 580", "bound = 576", 2),
    Wrong("on_paper", "not squared", "bound = 580", "bound = 24", 2),
    Wrong("on_paper", "a value not given", "bound = 580", "", 2),
    Wrong("fit", "wrong sign", "error = label - y_hat", "error = y_hat - label", 0),
    Wrong("fit", "bias does not learn", "b = b + lr * error", "b = b", 0),
    Wrong("fit", "learning rate ignored", "w = w + lr * error", "w = w + error", 2),
    Wrong("fit", "0 counts as no", ">= 0", "> 0", 0),
    Wrong("fit", "mistakes with their sign", "count += abs(error)", "count += error", 0),
    Wrong("fit", "no stop", "if count == 0:", "if False:", 2),
    Wrong("fit", "the last epoch is not listed", "        mistakes.append(int(count))\n", "", 2),
    Wrong("fit", "stops after one epoch", "if count == 0:", "if True:", 0),
    Wrong("train", "wrong sign", "label - ", "- label + ", 0),
    Wrong("train", "learning rate ignored", "layer.weight += lr * error", "layer.weight += error", 1),
    Wrong("train", "bias does not learn", "layer.bias += lr * error", "pass", 0),
    Wrong("train", "no stop", "if count == 0:", "if False:", 1),
    Wrong("train", "signed count", "count += int(error != 0)", "count += int(error)", 0),
    Wrong("train", "with record kept", "torch.no_grad()", "torch.enable_grad()", 0),
    Wrong("one_epoch", "first bug left", ">= 0", "> 0", 2),
    Wrong(
        "one_epoch",
        "second bug left",
        "    for n in range(len(x)):\n        y_hat = int(x[n] @ w + b >= 0)",
        STALE,
        2,
    ),
    Wrong("one_epoch", "third bug left", "b = b + lr * error", "b = b + error", 2),
    Wrong("one_epoch", "learning rate twice", "b = b + lr * error", "b = b + lr * lr * error", 2),
    Wrong("two_layers", "XOR itself", "[-1.5, 0.5], [1, 1], -0.5", "[-0.5, 1.5], [1, 1], -1.5", 2),
    Wrong("two_layers", "AND where OR is needed", "[1, 1], -0.5)", "[1, 1], -1.5)", 2),
    Wrong("two_layers", "two sides are enough", "[1, 1, 1], -2.5", "[1, 1, 1], -1.5", 1),
    Wrong("two_layers", "an edge turned around", "[-1, -1]], [0, 0, 4]", "[1, 1]], [0, 0, -4]", 1),
    Wrong("two_layers", "an edge at the wrong place", "[0, 0, 4]", "[0, 0, 2]", 1),
    Wrong("shifts", "too few epochs", "epochs=1000", "epochs=50", 1),
    Wrong("shifts", "only the epochs counted", "return sum(", "return len(", 0),
    Wrong("shifts", "not divided by the deviation", " / points.std(axis=0)", "", 1),
    Wrong("shifts", "one mean for both inputs", "points.mean(axis=0)", "points.mean()", 1),
    Wrong("shifts", "one deviation for both inputs", "points.std(axis=0)", "points.std()", 1),
    Wrong("shifts", "mean not subtracted", "(points - points.mean(axis=0))", "points", 1),
)


class TestExercises(ChapterExercises):
    stem = "01_perceptron"
    wrong = WRONG

    def test_messages_say_what_was_expected_and_what_came(self, results):
        def first(fault: str, question: str) -> str:
            return results[fault + question].problems[0].message

        assert first("bias subtracted", "neuron") == (
            "neuron([[1, 4], [1, 3]], [2, -1], 1): expected [0, 1], got [0, 0]."
        )
        assert first("implies the wrong way around", "gates").endswith("gives 0 for the input (0, 1).")
        assert first("mistakes with their sign", "fit").startswith("the weights of fit for OR")
        assert "there is still a loop" in first("a loop over the examples", "neuron")
        assert "uses torch" in first("done by torch", "neuron")

    def test_numbers_that_are_asked_for_are_not_given_away(self, results):
        for fault, name in [
            ("learning rate forgotten", "on_paper"),
            ("the tie of example 4 missed", "on_paper"),
            ("the 1 for the bias forgotten", "on_paper"),
            ("only the epochs counted", "shifts"),
            ("not divided by the deviation", "shifts"),
        ]:
            for problem in results[fault + name].problems:
                assert not re.search(r"expected|580|-10|1572|1712|\(-6, 4\), b_two", problem.message)
