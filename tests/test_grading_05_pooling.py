"""The exercises of chapter 05: what solutions, untouched exercises and typical wrong answers are worth."""

import re

from chapter_exercises import ChapterExercises, Wrong

PAD = "((0, 0), (P, P), (P, P))"
TORCH_MAX = (
    "    import torch\n"
    "    return torch.nn.functional.max_pool2d(torch.tensor(x), K, S, P).numpy()\n"
    "    x = np.pad"
)
SUM_LOOP = """    total = 0.0
    for u in range(K):
        for v in range(K):
            total = total + x[:, :, u : u + S * (H_out - 1) + 1 : S, v : v + S * (W_out - 1) + 1 : S]
    return total / (K * K)
"""
PLACE_LOOP = """    y = np.empty((*x.shape[:2], H_out, W_out))
    for i in range(H_out):
        for j in range(W_out):
            y[:, :, i, j] = x[:, :, i * S : i * S + K, j * S : j * S + K].mean(axis=(2, 3))
    return y
"""

ROUTE = (
    "u, v = divmod(int(window.argmax()), window.shape[1])\n            dx[i * S + u, j * S + v] += dy[i, j]"
)

WRONG = (
    Wrong("by_hand", "all sizes rounded down", "(27, 13, 7, 3)", "(27, 13, 7, 2)", 2),
    Wrong("by_hand", "a window in the padding counted", "(27, 13, 7, 3)", "(27, 13, 8, 3)", 2),
    Wrong("by_hand", "all sizes rounded up", "(27, 13, 7, 3)", "(27, 14, 8, 3)", 2),
    Wrong("by_hand", "bias forgotten", "(3 * 3 * 3 + 1)", "3 * 3 * 3", 2),
    Wrong("by_hand", "weights for the pooling layers", "(3 * 3 * 3 + 1)", "(3 * 3 * 3 + 1 + 9 + 4 + 16)", 2),
    Wrong("by_hand", "strides ignored in the receptive field", "= 19", "= 9", 2),
    Wrong("by_hand", "a value not given", "receptive_field = 19", "", 2),
    Wrong("max_pool", "padded with zeros", ", constant_values=-np.inf", "", 2),
    Wrong("max_pool", "padding only above and left", PAD, "((0, 0), (P, 0), (P, 0))", 2),
    Wrong(
        "max_pool", "stride taken for the kernel", "i * S : i * S + K, j * S", "i * K : i * K + K, j * K", 1
    ),
    Wrong("max_pool", "channels mixed", ".max(axis=(1, 2))", ".max()", 0),
    Wrong("max_pool", "average in place of the maximum", ".max(axis", ".mean(axis", 0),
    Wrong("max_pool", "off by one in the size", "// S + 1", "// S", 0),
    Wrong("max_pool", "done by torch", "    x = np.pad", TORCH_MAX, 0),
    Wrong("avg_pool", "not divided", " / (K * K)", "", 0),
    Wrong("avg_pool", "divided by K", "(K * K)", "K", 0),
    Wrong("avg_pool", "stride along the height only", "(W_out - 1) + 1 : S]", "(W_out - 1) + 1]", 0),
    Wrong("avg_pool", "a loop over the places", SUM_LOOP, PLACE_LOOP, 1),
    Wrong(
        "max_pool_backward",
        "the last of equals",
        "int(window.argmax())",
        "window.size - 1 - int(window.ravel()[::-1].argmax())",
        3,
    ),
    Wrong("max_pool_backward", "overlap overwritten", "] += dy", "] = dy", 2),
    Wrong("max_pool_backward", "rows and columns exchanged", "u, v = divmod", "v, u = divmod", 0),
    Wrong(
        "max_pool_backward",
        "all of the equals",
        ROUTE,
        "dx[i * S : i * S + K, j * S : j * S + K] += dy[i, j] * (window == window.max())",
        3,
    ),
    Wrong(
        "max_pool_backward",
        "equals share",
        ROUTE,
        "won = window == window.max()\n"
        "            dx[i * S : i * S + K, j * S : j * S + K] += dy[i, j] * won / won.sum()",
        3,
    ),
    Wrong("avg_pool_backward", "overlap overwritten", "] += dy", "] = dy", 1),
    Wrong("avg_pool_backward", "not divided", " / (K * K)", "", 0),
    Wrong("avg_pool_backward", "divided by the stride's cells", "(K * K)", "(S * S)", 0),
    Wrong("adaptive_avg_pool", "the end rounded down", "-(-(i + 1) * H // H_out)", "(i + 1) * H // H_out", 2),
    Wrong("adaptive_avg_pool", "height and width exchanged", "C, H, W = x.shape", "C, W, H = x.shape", 0),
    Wrong("adaptive_avg_pool", "channels mixed", ".mean(axis=(1, 2))", ".mean()", 0),
    Wrong(
        "mended_pool",
        "first bug left",
        '-np.inf if kind == "max" else np.nan',
        '0.0 if kind == "max" else np.nan',
        1,
    ),
    Wrong("mended_pool", "second bug left", "else np.nan)", "else 0.0)", 1),
    Wrong(
        "mended_pool",
        "the border's numbers",
        ', constant_values=-np.inf if kind == "max" else np.nan)',
        ', mode="edge")',
        1,
    ),
    Wrong("in_place_of_pooling", "one sum in place of the average", "1 / (K * K)", "1.0", 2),
    Wrong("in_place_of_pooling", "channels mixed", ", groups=channels", "", 1),
    Wrong("in_place_of_pooling", "stride forgotten", "K, stride=K", "K", 2),
    Wrong("in_place_of_pooling", "a bias", ", bias=False", "", 1),
    Wrong(
        "in_place_of_pooling",
        "kernel of three",
        "channels, 2, stride=2)",
        "channels, 3, stride=2, padding=1)",
        2,
    ),
    Wrong(
        "in_place_of_pooling",
        "depthwise",
        "channels, 2, stride=2)",
        "channels, 2, stride=2, groups=channels)",
        2,
    ),
    Wrong(
        "in_place_of_pooling",
        "pooling left out",
        "layer = nn.Conv2d(channels, channels, 2, stride=2)",
        "continue",
        2,
    ),
    Wrong("shifts", "counted where they agree", "!= pool(torch", "== pool(torch", 1),
    Wrong("shifts", "windows of two", "pooled = nn.MaxPool2d(4)", "pooled = nn.MaxPool2d(2)", 0),
    Wrong("shifts", "a shift of two", "roll(picture, 1, dims", "roll(picture, 2, dims", 1),
)


class TestExercises(ChapterExercises):
    stem = "05_pooling"
    wrong = WRONG

    def test_messages_say_what_was_expected_and_what_came(self, results):
        def first(fault: str, question: str) -> str:
            return results[fault + question].problems[0].message

        assert first("padded with zeros", "max_pool") == (
            "max_pool of [[-7]], K = 3, S = 1, P = 1: expected [[[-7]]], got [[[0]]]."
        )
        assert "there is still a loop" in first("a loop over the places", "avg_pool")
        assert first("overlap overwritten", "avg_pool_backward").endswith(
            "expected [[1, 3, 2], [1, 3, 2]], got [[1, 2, 2], [1, 2, 2]]."
        )
        assert "uses torch" in first("done by torch", "max_pool")

    def test_numbers_that_are_asked_for_are_not_given_away(self, results):
        for fault, name in [
            ("bias forgotten", "by_hand"),
            ("all sizes rounded down", "by_hand"),
            ("strides ignored in the receptive field", "by_hand"),
            ("counted where they agree", "shifts"),
            ("windows of two", "shifts"),
        ]:
            for problem in results[fault + name].problems:
                assert not re.search(r"expected|448|\b19\b|= 4\b", problem.message)
