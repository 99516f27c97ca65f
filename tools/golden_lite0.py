#!/usr/bin/env python3
"""Writes tests/golden/lite0/lite0.json: what PyTorch computes from the published EfficientNet-Lite0 weights.

    apt-get install python3-torch; tools/assets.sh weights; python3 tools/golden_lite0.py

The network is written here a second time, from the paper's table and the names in the weights file, so that a mistake of
src/zoo/efficientnet_lite.c cannot be in both. Pictures are formulas of whole numbers; tests/proof/test_lite0.c has the same.
"""

import json
import os
import pathlib

import torch
import torch.nn.functional as F

SIZE = 224
N_VALUES = 24  # kept of each block's output, evenly spread over [h, w, c]
# repeats, kernel, stride, expansion, channels out
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320)]


def mixed(x, y, c):
    """A whole number made of a place: 0..255."""
    h = (x * 73856093) ^ (y * 19349663) ^ (c * 83492791)
    h &= 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    return (h ^ (h >> 13)) & 255


def pixel(picture, x, y, c):
    if picture == 0:  # gradients
        return (x * 255 // 223, y * 255 // 223, (x + y) * 255 // 446)[c]
    if picture == 1:  # a disc on a chequered ground
        if (x - 130) ** 2 + (y - 100) ** 2 < 60 * 60:
            return (230, 60, 40)[c]
        return (40, 90, 160)[c] if (x // 16 + y // 16) % 2 else (200, 210, 190)[c]
    if picture == 2:  # rings, narrower towards the rim
        v = ((x - 112) ** 2 + (y - 112) ** 2) // (20 + 15 * c) % 256
        return 2 * v if v < 128 else 2 * (255 - v)
    return (4 * mixed(x // 32, y // 32, c) + 2 * mixed(x // 8, y // 8, c) + mixed(x, y, c)) // 7  # noise of three grains


def pictures():
    rows = [[[[pixel(p, x, y, c) for x in range(SIZE)] for y in range(SIZE)] for c in range(3)] for p in range(4)]
    return (torch.tensor(rows, dtype=torch.float32) - 127) / 128


def same(x, kernel, stride):
    """TensorFlow's "same": what is needed in all, the odd pixel after."""
    pads = []
    for n in (x.shape[3], x.shape[2]):
        need = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        pads += [need // 2, need - need // 2]
    return F.pad(x, pads)


def conv(w, x, name, stride=1, groups=1):
    kernel = w[name + ".weight"]
    return F.conv2d(same(x, kernel.shape[2], stride), kernel, stride=stride, groups=groups)


def norm(w, x, name):
    return F.batch_norm(x, w[name + ".running_mean"], w[name + ".running_var"], w[name + ".weight"], w[name + ".bias"],
                        False, 0.0, 1e-3)


def block(w, x, name, kernel, stride, expansion, channels):
    y = x
    if expansion != 1:
        y = F.relu6(norm(w, conv(w, y, name + "._expand_conv"), name + "._bn0"))
    assert w[name + "._depthwise_conv.weight"].shape == (y.shape[1], 1, kernel, kernel)
    y = F.relu6(norm(w, conv(w, y, name + "._depthwise_conv", stride, y.shape[1]), name + "._bn1"))
    y = norm(w, conv(w, y, name + "._project_conv"), name + "._bn2")
    assert y.shape[1] == channels
    return x + y if stride == 1 and x.shape[1] == channels else y


def network(w, x):
    """(name, output) of stem, blocks and top; pooled features; logits."""
    outputs = []
    x = F.relu6(norm(w, conv(w, x, "_conv_stem", 2), "_bn0"))
    outputs.append(("stem", x))
    number = 0
    for s, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        for r in range(repeats):
            x = block(w, x, f"_blocks.{number}", kernel, 1 if r else stride, expansion, channels)
            outputs.append((f"block{s + 1}{'abcd'[r]}", x))
            number += 1
    x = F.relu6(norm(w, conv(w, x, "_conv_head"), "_bn1"))
    outputs.append(("top", x))
    features = x.mean((2, 3))
    return outputs, features, F.linear(features, w["_fc.weight"], w["_fc.bias"])


def numbers(t):
    return [float(f"{v:.8g}") for v in t.flatten().tolist()]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    cache = os.environ.get("TOPWORK_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or
                                                           os.path.expanduser("~/.cache"), "topwork")
    weights = torch.load(os.path.join(cache, "weights", "efficientnet-lite0-57934424.pth"), map_location="cpu")
    # In f64: the golden is the truth, not PyTorch's rounding of it.
    weights = {k: v.double() for k, v in weights.items()}
    with torch.no_grad():
        outputs, features, logits = network(weights, pictures().double())
    layers = []
    for name, out in outputs:
        out = out.permute(0, 2, 3, 1).reshape(4, -1)  # topwork's order
        step = out.shape[1] // N_VALUES
        layers.append({"name": name, "count": out.shape[1], "mean": numbers(out.mean(1)),
                       "std": numbers(out.std(1, unbiased=False)),
                       "values": [numbers(row[::step][:N_VALUES]) for row in out]})
    golden = {"made_by": "tools/golden_lite0.py, PyTorch " + torch.__version__, "layers": layers,
              "features": [numbers(f) for f in features], "logits": [numbers(v) for v in logits]}
    folder = root / "tests/golden/lite0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lite0.json").write_text(json.dumps(golden, separators=(",", ":")).replace("],", "],\n") + "\n")
    for p in range(4):
        top = logits[p].softmax(0).topk(3)
        print("picture", p, [(int(i), round(float(v), 4)) for v, i in zip(top.values, top.indices)])


main()
