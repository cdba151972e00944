"""The exercises of chapter 04: what solutions, untouched exercises and typical wrong answers are worth."""

import re

from chapter_exercises import ChapterExercises, Wrong

PAD = "((0, 0), (padding, padding), (padding, padding))"
FIT = (
    "    if room < 0:\n"
    '        raise ValueError(f"a kernel that spans {span} does not fit into {size + 2 * padding} cells")\n'
)
TORCH_ANSWER = (
    "    import torch\n"
    "    y = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), torch.tensor(b), stride, padding)\n"
    "    return y.numpy()\n    x = "
)

WRONG = (
    Wrong("output_size", "float division", "room // stride", "room / stride", 0),
    Wrong("output_size", "off by one in the size", "room // stride + 1", "room // stride", 0),
    Wrong("output_size", "rounded up", "room // stride", "-(-room // stride)", 1),
    Wrong("output_size", "dilation ignored", "dilation * (kernel_size - 1) + 1", "kernel_size", 0),
    Wrong(
        "output_size",
        "dilation times the kernel",
        "dilation * (kernel_size - 1) + 1",
        "dilation * kernel_size",
        0,
    ),
    Wrong("output_size", "padding on one side", "size + 2 * padding - span", "size + padding - span", 0),
    Wrong("output_size", "no error for a kernel that does not fit", FIT, "", 2),
    Wrong(
        "output_size",
        "truncation instead of floor",
        FIT + "    return room // stride + 1",
        "    out = int(room / stride) + 1\n    if out < 1:\n        raise ValueError\n    return out",
        2,
    ),
    Wrong("by_hand", "bias forgotten", "(3 * 3 * 3 + 1)", "3 * 3 * 3", 3),
    Wrong("by_hand", "one slice for all channels", "(3 * 3 * 3 + 1)", "(3 * 3 + 1)", 3),
    Wrong("by_hand", "sizes rounded up", "(32, 15, 11)", "(32, 16, 12)", 3),
    Wrong("by_hand", "dilation ignored in the size", "(32, 15, 11)", "(32, 15, 13)", 3),
    Wrong("by_hand", "no row unread", "unread_rows = 1", "unread_rows = 0", 3),
    Wrong("by_hand", "stride ignored in the receptive field", "= 13", "= 9", 3),
    Wrong("by_hand", "a value not given", "receptive_field = 13", "", 3),
    Wrong("conv2d_loops", "flipped kernel", "* w[f])", "* w[f, :, ::-1, ::-1])", 0),
    Wrong(
        "conv2d_loops", "padding only above and left", PAD, "((0, 0), (2 * padding, 0), (2 * padding, 0))", 3
    ),
    Wrong("conv2d_loops", "padding with the border's value", PAD, PAD + ', mode="edge"', 3),
    Wrong("conv2d_loops", "weights shared across channels", "* w[f])", "* w[f, 0])", 3),
    Wrong("conv2d_loops", "missing bias", " + b[f]", "", 3),
    Wrong("conv2d_loops", "bias once per channel", " + b[f]", " + b[f] * len(x)", 3),
    Wrong("conv2d_loops", "stride ignored", "top, left = i * stride, j * stride", "top, left = i, j", 3),
    Wrong("conv2d_loops", "off by one in the size", "// stride + 1", "// stride", 0),
    Wrong("conv2d_loops", "transposed weights", "F, _, Kh, Kw = w.shape", "F, _, Kw, Kh = w.shape", 1),
    Wrong("conv2d_loops", "done by torch", "    x = ", TORCH_ANSWER, 0),
    Wrong("conv2d_fast", "missing bias", " + b[:, None, None]", "", 0),
    Wrong("conv2d_fast", "transposed weights", "fcij->", "cfij->", 0),
    Wrong("conv2d_fast", "flipped kernel", ", w, optimize", ", w[..., ::-1, ::-1], optimize", 0),
    Wrong("conv2d_fast", "stride along the height only", "[:, :, ::stride, ::stride]", "[:, :, ::stride]", 2),
    Wrong(
        "conv2d_fast",
        "a loop over the rows",
        'np.einsum("nchwij,fcij->nfhw", windows, w, optimize=True)',
        'np.stack([np.einsum("ncwij,fcij->nfw", windows[:, :, h], w) for h in range(windows.shape[2])], 2)',
        1,
    ),
    Wrong("conv2d_same", "first bug left", "* w[f])", "* w[f, 0])", 1),
    Wrong("conv2d_same", "second bug left", "(Kh - 1) // 2, (Kw - 1) // 2", "Kh // 2, Kw // 2", 1),
    Wrong("separable", "full convolution", ", groups=in_channels", "", 1),
    Wrong("separable", "no padding", "padding=kernel_size // 2", "padding=0", 1),
    Wrong("separable", "no bias", "kernel_size=1)", "kernel_size=1, bias=False)", 1),
    Wrong("separable", "activation between", "self.depthwise(x)", "self.depthwise(x).relu()", 2),
    Wrong("conv2d_backward", "dx by the flipped kernel", "w[:, :, i, j])", "w[:, :, -1 - i, -1 - j])", 2),
    Wrong("conv2d_backward", "dx not accumulated", "] += np", "] = np", 2),
    Wrong(
        "conv2d_backward",
        "dw averaged over the batch",
        '"nfhw,nchw->fc", dy, seen)',
        '"nfhw,nchw->fc", dy, seen) / len(x)',
        3,
    ),
    Wrong(
        "conv2d_backward",
        "dw of the first picture",
        '"nfhw,nchw->fc", dy, seen)',
        '"fhw,chw->fc", dy[0], seen[0])',
        3,
    ),
    Wrong("conv2d_backward", "db summed over the wrong axes", "axis=(0, 2, 3)", "axis=(1, 2, 3)", 3),
    Wrong("conv2d_backward", "db as a sum over everything", "dy.sum(axis=(0, 2, 3))", "dy.sum()", 3),
    Wrong("learn_kernel", "too few steps", "range(25)", "range(5)", 0),
    Wrong("learn_kernel", "gradients pile up", "optimizer.zero_grad()", "pass", 0),
    Wrong("learn_kernel", "flipped kernel", "[0, 0]", "[0, 0].flip(0, 1)", 0),
    Wrong("shifts", "one border counted", "int((", "int(0.5 * (", 1),
    Wrong("shifts", "any shift taken for a copy", "if is_shifted_copy(shift)", "", 1),
    Wrong("shifts", "the second half does not run", "range(1, 17)", "range(17, 17)", 1),
)


class TestExercises(ChapterExercises):
    stem = "04_convolution"
    wrong = WRONG

    def test_messages_say_what_was_expected_and_what_came(self, results):
        def first(fault: str, question: str) -> str:
            return results[fault + question].problems[0].message

        assert first("float division", "output_size") == (
            "output_size(9, 3): expected the integer 7, got 7.0 (float)."
        )
        assert first("flipped kernel", "conv2d_loops") == (
            "conv2d_loops of [[1, 2, 3], [4, 5, 6]] with the kernel [[1, 10]]: "
            "expected [[[21, 32], [54, 65]]], got [[[12, 23], [45, 56]]]."
        )
        assert first("stride along the height only", "conv2d_fast").endswith(
            "expected an array of shape (2, 4, 3, 2), got an array of shape (2, 4, 3, 4)."
        )
        assert "there is still a loop" in first("a loop over the rows", "conv2d_fast")
        assert "uses torch" in first("done by torch", "conv2d_loops")

    def test_numbers_that_are_asked_for_are_not_given_away(self, results):
        for fault, name in [
            ("bias forgotten", "by_hand"),
            ("sizes rounded up", "by_hand"),
            ("any shift taken for a copy", "shifts"),
        ]:
            for problem in results[fault + name].problems:
                assert not re.search(r"expected|1792|\b15\b|= 2\b", problem.message)
