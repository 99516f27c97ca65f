"""OpenVINO's side: throughput mode, one stream a core, f32 or bf16.

openvino_side.py trunk NET BATCH f32|bf16"""
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import numpy as np
import openvino as ov
import torch

from sides import cores, serve

_, _, name, batch, precision = sys.argv
batch = int(batch)
sys.argv = ["", "none"]


def network():
    if name == "efficientnet-lite0":
        import lite0_torch
        return lite0_torch.Lite0()
    import torchvision
    net = getattr(torchvision.models, name)(weights=None)
    if name == "vgg16":
        return torch.nn.Sequential(net.features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    if name == "resnet50":
        net.fc = torch.nn.Identity()
    else:
        net.classifier = torch.nn.Identity()
    return net


x = torch.rand(batch, 3, 224, 224) * 2 - 1
model = ov.convert_model(network().eval(), example_input=x, input=[(batch, 3, 224, 224)])
core = ov.Core()
compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(cores()),
                                             "INFERENCE_NUM_THREADS": str(cores()), "INFERENCE_PRECISION_HINT": precision})
queue = ov.AsyncInferQueue(compiled, 2 * cores())
pixels = x.numpy()
for _ in range(2 * cores()):
    queue.start_async({0: pixels})
queue.wait_all()


def round_():
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < 3:
        queue.start_async({0: pixels})
        n += batch
    queue.wait_all()
    return {"value": n / (time.perf_counter() - start), "unit": "images/s"}


serve(round_, version=ov.__version__)
