"""The exercises of chapter 03: what solutions, untouched exercises and typical wrong answers are worth."""

import re

from chapter_exercises import ChapterExercises, Wrong

NEW_VAR = "momentum * var * N / (N - 1)"
RUNNING_MEAN = "(1 - momentum) * running_mean + momentum * mean"
RUNNING_VAR = "(1 - momentum) * running_var + " + NEW_VAR
DX = "s * (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))"
SCHEDULER = "        scheduler.step()\n"

WRONG = (
    Wrong("by_hand", "the border without the 2", "2 / 8", "1 / 8", 2),
    Wrong("by_hand", "the smallest curvature decides", "2 / 8", "2 / 0.4", 2),
    Wrong("by_hand", "condition number the wrong way around", "8 / 0.4", "0.4 / 8", 2),
    Wrong("by_hand", "noise falls as 1 / B", "16 * 4**2", "16 * 4", 2),
    Wrong("by_hand", "a batch size that is no integer", "16 * 4**2", "16 * 4.0**2", 2),
    Wrong("by_hand", "inputs in place of outputs", "(150 *", "(600 *", 2),
    Wrong("by_hand", "variance of a uniform number", "0.1**2 / 3", "0.1**2", 2),
    Wrong("by_hand", "slope of ReLU forgotten", " * 1 / 2)", ")", 2),
    Wrong("by_hand", "root forgotten", ") ** 0.5", ")", 2),
    Wrong("by_hand", "a value not given", "condition_number = 8 / 0.4", "", 2),
    Wrong(
        "sgd_step",
        "learning rate in the velocity",
        "+ g\n    return w - lr * v",
        "+ lr * g\n    return w - v",
        0,
    ),
    Wrong("sgd_step", "gradient dampened", "momentum * v + g", "momentum * v + (1 - momentum) * g", 0),
    Wrong("sgd_step", "momentum ignored", "momentum * v + g", "g", 0),
    Wrong("sgd_step", "uphill", "w - lr * v", "w + lr * v", 0),
    Wrong("sgd_step", "Nesterov's step", "w - lr * v", "w - lr * (g + momentum * v)", 0),
    Wrong("sgd_step", "old velocity in the step", "return w - lr * v, v", "return w - lr * (v - g), v", 0),
    Wrong(
        "sgd_step", "arrays changed in place", "    v = momentum * v + g", "    v *= momentum\n    v += g", 1
    ),
    Wrong("sgd_step", "weight decay with the wrong sign", "g + weight_decay * w", "g - weight_decay * w", 1),
    Wrong(
        "sgd_step",
        "weight decay after the step",
        "    g = g + weight_decay * w\n    v = momentum * v + g\n    return w - lr * v, v",
        "    v = momentum * v + g\n    return (1 - lr * weight_decay) * (w - lr * v), v",
        1,
    ),
    Wrong(
        "sgd_step", "weight decay times the learning rate", "+ weight_decay * w", "+ lr * weight_decay * w", 1
    ),
    Wrong("sgd_step", "weight decay ignored", " + weight_decay * w", "", 1),
    Wrong(
        "sgd_step",
        "weight decay outside the velocity",
        "momentum * v + g\n    return w - lr * v, v",
        "momentum * v + g - weight_decay * w\n    return w - lr * (v + weight_decay * w), v",
        1,
    ),
    Wrong(
        "adam",
        "no bias correction",
        "m / (1 - beta1**t)\n        v_hat = v / (1 - beta2**t)",
        "m\n        v_hat = v",
        0,
    ),
    Wrong("adam", "no bias correction of v", "v / (1 - beta2**t)", "v", 0),
    Wrong("adam", "correction of the first step at every step", "**t)", ")", 0),
    Wrong("adam", "means corrected over and over", "m_hat = m", "m_hat = m = m", 0),
    Wrong("adam", "steps from 0", "start=1", "start=0", 0),
    Wrong("adam", "eps inside the root", "np.sqrt(v_hat) + eps", "np.sqrt(v_hat + eps)", 2),
    Wrong(
        "adam",
        "eps before the correction",
        "(np.sqrt(v_hat) + eps)",
        "((np.sqrt(v) + eps) / np.sqrt(1 - beta2**t))",
        2,
    ),
    Wrong("adam", "no root", "np.sqrt(v_hat)", "v_hat", 0),
    Wrong("adam", "gradient not squared", "* g**2", "* abs(g)", 0),
    Wrong(
        "adam",
        "betas exchanged",
        "(theta)\n    path",
        "(theta)\n    beta1, beta2 = beta2, beta1\n    path",
        0,
    ),
    Wrong("adam", "path without the start", "path = [theta]", "path = []", 0),
    Wrong(
        "adam",
        "decay as an L2 penalty",
        "theta = (1 - lr * weight_decay) * theta",
        "g = g + weight_decay * theta",
        2,
    ),
    Wrong("adam", "decay without the learning rate", "1 - lr * weight_decay", "1 - weight_decay", 2),
    Wrong("adam", "decay with the wrong sign", "1 - lr * weight_decay", "1 + lr * weight_decay", 2),
    Wrong(
        "adam",
        "decay after the step",
        "eps)\n",
        "eps) * (1 - lr * weight_decay)\n",
        2,
    ),
    Wrong("init_std", "√fan_out in place of √fan_in", "(fan_in * mean", "(fan_out * mean", 2),
    Wrong("init_std", "Xavier without the outputs", "2 / (fan_in + fan_out)", "1 / fan_in", 2),
    Wrong("init_std", "Xavier's bound", "2 / (fan_in + fan_out)", "6 / (fan_in + fan_out)", 2),
    Wrong(
        "init_std",
        "variance for deviation",
        "math.sqrt(1 / (fan_in * mean_square))",
        "1 / (fan_in * mean_square)",
        2,
    ),
    Wrong("init_std", "He as Xavier", "1 / (fan_in * mean", "2 / ((fan_in + fan_out) * mean", 2),
    Wrong("init_std", "slope ignored", '    if activation == "relu":\n        slope', "    slope", 2),
    Wrong("init_std", "slope not squared", "slope**2", "slope", 2),
    Wrong("init_std", "slope of leaky ReLU for ReLU", "slope = 0.0", "pass", 2),
    Wrong("init_std", "bound is three deviations", "math.sqrt(3) * std", "3 * std", 2),
    Wrong("init_std", "bound from the variance of a width", "math.sqrt(3) * std", "math.sqrt(12) * std", 2),
    Wrong("init_std", "bound of a variance", "math.sqrt(3) * std", "math.sqrt(3 * std)", 2),
    Wrong(
        "batchnorm_forward",
        "mean over the wrong axis",
        "x.mean(axis=0), x.var(axis=0)",
        "x.mean(axis=1), x.var(axis=1)",
        1,
    ),
    Wrong(
        "batchnorm_forward",
        "statistics of all channels",
        "x.mean(axis=0), x.var(axis=0)",
        "x.mean(), x.var()",
        1,
    ),
    Wrong("batchnorm_forward", "biased running variance", NEW_VAR, "momentum * var", 2),
    Wrong(
        "batchnorm_forward",
        "unbiased variance in the batch",
        "x.var(axis=0)\n",
        "x.var(axis=0) * N / (N - 1)\n",
        1,
    ),
    Wrong(
        "batchnorm_forward",
        "unbiased variance for both",
        "x.var(axis=0)\n        running_mean = " + RUNNING_MEAN + "\n        running_var = " + RUNNING_VAR,
        "x.var(axis=0, ddof=1)\n        running_mean = "
        + RUNNING_MEAN
        + "\n        running_var = (1 - momentum) * running_var + momentum * var",
        2,
    ),
    Wrong("batchnorm_forward", "eps outside the root", "np.sqrt(var + eps)", "(np.sqrt(var) + eps)", 1),
    Wrong("batchnorm_forward", "no root", "np.sqrt(var + eps)", "(var + eps)", 1),
    Wrong(
        "batchnorm_forward",
        "share of the old in place of the new",
        "        N = len(x)",
        "        N, momentum = len(x), 1 - momentum",
        2,
    ),
    Wrong(
        "batchnorm_forward", "momentum ignored", "        N = len(x)", "        N, momentum = len(x), 0.1", 2
    ),
    Wrong("batchnorm_forward", "running statistics in training", "(x - mean)", "(x - running_mean)", 2),
    Wrong(
        "batchnorm_forward",
        "running mean changed in place",
        "running_mean = " + RUNNING_MEAN,
        "running_mean *= 1 - momentum\n        running_mean += momentum * mean",
        2,
    ),
    Wrong("batchnorm_forward", "evaluation forgotten", "if training:", "if True:", 2),
    Wrong("batchnorm_forward", "bias times weight", "weight * x_hat + bias", "weight * (x_hat + bias)", 1),
    Wrong("batchnorm_backward", "without the two mean terms", DX, "s * g", 1),
    Wrong("batchnorm_backward", "without the term of the mean", " - g.mean(axis=0)", "", 1),
    Wrong(
        "batchnorm_backward", "without the term of the variance", " - x_hat * (g * x_hat).mean(axis=0)", "", 1
    ),
    Wrong(
        "batchnorm_backward",
        "sums in place of means",
        "(g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))",
        "(g - g.sum(axis=0) - x_hat * (g * x_hat).sum(axis=0))",
        1,
    ),
    Wrong(
        "batchnorm_backward", "mean over the wrong axis", "g.mean(axis=0)", "g.mean(axis=1, keepdims=True)", 1
    ),
    Wrong("batchnorm_backward", "weight forgotten", "g = weight * dy", "g = dy", 1),
    Wrong("batchnorm_backward", "times the deviation", "dx = s *", "dx = 1 / s *", 1),
    Wrong("batchnorm_backward", "unbiased variance", "x.var(axis=0)", "x.var(axis=0, ddof=1)", 0),
    Wrong("batchnorm_backward", "transposed", "return dx,", "return dx.T,", 1),
    Wrong("batchnorm_backward", "dweight of g", "(dy * x_hat).sum", "(g * x_hat).sum", 2),
    Wrong("batchnorm_backward", "dweight of x", "(dy * x_hat).sum", "(dy * x).sum", 2),
    Wrong("batchnorm_backward", "means for the parameters", "dy.sum(axis=0)", "dy.mean(axis=0)", 2),
    Wrong("batchnorm_backward", "dbias over the wrong axis", "dy.sum(axis=0)", "dy.sum(axis=1)", 2),
    Wrong("dropout", "p keeps", ">= self.p) / (1 - self.p)", "< self.p) / self.p", 2),
    Wrong("dropout", "not scaled", " / (1 - self.p)", " * 1.0", 2),
    Wrong("dropout", "scaled by p", "/ (1 - self.p)", "/ self.p", 2),
    Wrong(
        "dropout",
        "scaled in evaluation",
        "            return x\n",
        "            return x * (1 - self.p)\n",
        2,
    ),
    Wrong("dropout", "on in evaluation", "        if not self.training:\n            return x\n", "", 2),
    Wrong("dropout", "one mask for all examples", "random(x.shape)", "random(x.shape[1])", 2),
    Wrong("dropout", "one mask for all units", "random(x.shape)", "random((len(x), 1))", 1),
    Wrong("dropout", "the same mask at every step", "self.rng.random", "np.random.default_rng(7).random", 2),
    Wrong("dropout", "mask drawn again in backward", "return dy * self.mask", "return dy * self.draw(dy)", 2),
    Wrong("dropout", "backward without the scale", "dy * self.mask", "dy * (self.mask > 0)", 2),
    Wrong("dropout", "backward passes everything", "dy * self.mask", "dy", 2),
    Wrong("early_stopping", "patience off by one", "best == patience", "best > patience", 0),
    Wrong("early_stopping", "one epoch too early", "best == patience", "best + 1 == patience", 0),
    Wrong("early_stopping", "an equal loss is better", "] < losses[best]", "] <= losses[best]", 1),
    Wrong(
        "early_stopping", "compared with the epoch before", "losses[best] - min", "losses[epoch - 1] - min", 0
    ),
    Wrong(
        "early_stopping",
        "the number of epochs",
        "return len(losses) - 1, best",
        "return len(losses), best",
        0,
    ),
    Wrong(
        "early_stopping",
        "looks into the future",
        "    best = 0\n",
        "    best = losses.index(min(losses))\n",
        0,
    ),
    Wrong("early_stopping", "best and stopped exchanged", "return epoch, best", "return best, epoch", 0),
    Wrong("early_stopping", "min_delta ignored", " - min_delta", "", 1),
    Wrong("early_stopping", "min_delta with the wrong sign", "- min_delta", "+ min_delta", 1),
    Wrong(
        "early_stopping",
        "every lower loss is the one to beat",
        "        if losses[epoch] < losses[best] - min_delta:",
        "        if losses[epoch] < min(losses[:epoch]) - min_delta:",
        1,
    ),
    Wrong("fit", "no schedule", SCHEDULER, "", 1),
    Wrong("fit", "schedule at every step", SCHEDULER, "    " + SCHEDULER, 1),
    Wrong("fit", "gradients pile up", "optimizer.zero_grad()", "pass", 2),
    Wrong("fit", "L2 penalty in place of decay", "optim.AdamW(", "optim.Adam(", 2),
    Wrong("fit", "no weight decay", "weight_decay=0.01", "weight_decay=0.0", 2),
    Wrong("fit", "the rest of an epoch kept", "len(x) - batch_size + 1", "len(x)", 1),
    Wrong(
        "fit",
        "rate of the next epoch",
        SCHEDULER,
        SCHEDULER + "        rates[-1] = scheduler.get_last_lr()[0]\n",
        2,
    ),
    Wrong("fit", "evaluation mode forgotten", "net.train(False)", "pass", 2),
    Wrong("fit", "training mode for the first epoch only", "        net.train()\n", "", 1),
    Wrong("fit", "stays in evaluation mode", "net.train()\n", "net.train(False)\n", 1),
    Wrong("fit", "validated on the training set", "(net(x_valid), y_valid)", "(net(x), y)", 2),
    Wrong(
        "fit",
        "softmax before the cross-entropy",
        "cross_entropy(net(x[batch])",
        "cross_entropy(net(x[batch]).softmax(1)",
        2,
    ),
    Wrong(
        "momentum_report",
        "no momentum in the borders",
        "[border(0.0), border(0.5), border(0.9)]",
        "[0.2, 0.2, 0.2]",
        1,
    ),
    Wrong(
        "momentum_report",
        "momentum needs a smaller step",
        "[border(0.0), border(0.5), border(0.9)]",
        "[0.2, 0.1, 0.02]",
        1,
    ),
    Wrong("momentum_report", "two borders", "border(0.5), ", "", 1),
    Wrong("momentum_report", "the usual momentum", "best_momentum = min", "best_momentum = 0.9 or min", 1),
    Wrong(
        "momentum_report",
        "steps counted from 1",
        "= steps_needed(best_momentum)",
        "= steps_needed(best_momentum) + 1",
        1,
    ),
    Wrong(
        "momentum_report",
        "gradient dampened",
        "momentum * v + curvature",
        "momentum * v + (1 - momentum) * curvature",
        0,
    ),
)


class TestExercises(ChapterExercises):
    stem = "03_training"
    wrong = WRONG

    def test_messages_say_what_was_expected_and_what_came(self, results):
        def first(fault: str, question: str) -> str:
            return results[fault + question].problems[0].message

        assert first("learning rate in the velocity", "sgd_step") == (
            "the velocity after sgd_step, w = [1, -2], g = [0.5, 1], v = [1, 0], lr=0.1, momentum=0.5: "
            "expected [1, 1], got [0.55, 0.1]."
        )
        assert first("biased running variance", "batchnorm_forward") == (
            "running_var for x = 2, 2, 8, 8 from 1 with momentum=0.5: expected [6.5], got [5]."
        )
        assert first("p keeps", "dropout").startswith("the different values in Dropout(0.2).forward")
        assert first("patience off by one", "early_stopping") == (
            "early_stopping([5, 3, 4, 2, 6, 7, 1], patience=2): expected (5, 3), got (6, 6)."
        )
        assert first("no schedule", "fit") == (
            "the rates of fit, lr=0.1, 4 epochs: expected [0.1, 0.0853553, 0.05, 0.0146447], "
            "got [0.1, 0.1, 0.1, 0.1]."
        )

    def test_numbers_that_are_asked_for_are_not_given_away(self, results):
        for one in WRONG:
            if one.question in ("by_hand", "momentum_report") and "no integer" not in one.fault:
                for problem in results[one.fault + one.question].problems:
                    assert not re.search(
                        r"expected \d|\b0?\.25\b|\b20\b|\b256\b|0\.38|\b0\.6\b|\b40\b", problem.message
                    )
