"""EfficientNet-Lite0 in PyTorch, with the tensor names of the published .pth: the peer's side of the benchmarks.

Architecture: Tan & Le 2019, table 1, without squeeze-and-excite, relu6, stem and head not scaled; TensorFlow's "same"
padding, batch normalisation with epsilon 1e-3."""
import torch
from torch import nn
import torch.nn.functional as F

STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


class SameConv(nn.Conv2d):
    """Convolution that pads as TensorFlow does; at stride 1 the padding is symmetric and costs nothing."""

    def __init__(self, cin, cout, k, stride=1, groups=1):
        super().__init__(cin, cout, k, stride, padding=k // 2 if stride == 1 else 0, groups=groups, bias=False)

    def forward(self, x):
        if self.stride[0] > 1:
            k, s = self.kernel_size[0], self.stride[0]
            total = [max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[-2:]]
            x = F.pad(x, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2))
        return super().forward(x)


def norm(c):
    return nn.BatchNorm2d(c, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    def __init__(self, cin, cout, k, stride, expand):
        super().__init__()
        mid = cin * expand
        if expand != 1:
            self._expand_conv, self._bn0 = SameConv(cin, mid, 1), norm(mid)
        self._depthwise_conv, self._bn1 = SameConv(mid, mid, k, stride, groups=mid), norm(mid)
        self._project_conv, self._bn2 = SameConv(mid, cout, 1), norm(cout)
        self.expands, self.adds = expand != 1, stride == 1 and cin == cout

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class Lite0(nn.Module):
    """Pictures (n, 3, h, w), already (x − 127) / 128 → pooled features (n, 1280), or with the top logits (n, 1000)."""

    def __init__(self, top=False):
        super().__init__()
        self.top = top
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), norm(32)
        blocks, cin = [], 32
        for n, k, stride, expand, cout in STAGES:
            for i in range(n):
                blocks.append(Block(cin, cout, k, 1 if i else stride, expand))
                cin = cout
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(320, 1280, 1), norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        x = x.mean((2, 3))
        return self._fc(x) if self.top else x


def load(path):
    model = Lite0()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model.eval()
