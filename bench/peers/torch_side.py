"""PyTorch's side, channels last, memory kept by glibc (the orchestrator sets its thresholds).

torch_side.py photos FOLDER WEIGHTS FEATURES LOADER     photos → Lite0 features; LOADER: threads | workers
torch_side.py trunk NET BATCH eager|jit                 pixels in memory → features
torch_side.py step NET BATCH train|frozen               forward, backward, Adam; batch normalisation as said"""
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

warnings.filterwarnings("ignore")
import numpy as np
import torch
from PIL import Image

from sides import cores, photo_paths, serve

torch.set_num_threads(cores())


def network(name, top=False):
    if name == "efficientnet-lite0":
        import lite0_torch
        return lite0_torch.Lite0(top)
    import torchvision
    net = getattr(torchvision.models, name)(weights=None)
    if not top:
        if name == "vgg16":
            net = torch.nn.Sequential(net.features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        elif name == "resnet50":
            net.fc = torch.nn.Identity()
        else:
            net.classifier = torch.nn.Identity()
    return net


def read(path):
    """Bytes → 224×224 pixels; the decoder may scale down first (draft), as a fast loader does."""
    with Image.open(path) as photo:
        photo.draft("RGB", (224, 224))
        return np.asarray(photo.convert("RGB").resize((224, 224), Image.BILINEAR))


class Photos(torch.utils.data.Dataset):
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return torch.from_numpy(read(self.paths[i]).copy())


def batches(paths, loader):
    if loader == "workers":
        yield from torch.utils.data.DataLoader(Photos(paths), 32, num_workers=cores(), prefetch_factor=2)
        return
    with ThreadPoolExecutor(cores()) as pool:
        ahead = None
        for at in range(0, len(paths) + 32, 32):
            asked = [pool.submit(read, p) for p in paths[at:at + 32]]
            if ahead:
                yield torch.from_numpy(np.stack([a.result() for a in ahead]))
            ahead = asked


def photos(folder, weights, features, loader):
    import lite0_torch
    net = lite0_torch.load(weights).to(memory_format=torch.channels_last)
    paths = photo_paths(folder)

    @torch.inference_mode()
    def run(paths):
        rows = []
        for x in batches(paths, loader):
            x = ((x.permute(0, 3, 1, 2).float() - 127) / 128).contiguous(memory_format=torch.channels_last)
            rows.append(net(x))
        return torch.cat(rows).numpy()

    run(paths[:64])

    def round_():
        start = time.perf_counter()
        rows = run(paths)
        value = len(rows) / (time.perf_counter() - start)
        rows.astype("<f4").tofile(features)
        return {"value": value, "unit": "photos/s"}
    serve(round_, version=torch.__version__)


def trunk(name, batch, mode):
    net = network(name).eval().to(memory_format=torch.channels_last)
    x = torch.rand(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last) * 2 - 1
    with torch.inference_mode():
        if mode == "jit":
            net = torch.jit.freeze(torch.jit.trace(net, x))
        for _ in range(3):
            net(x)

    @torch.inference_mode()
    def round_():
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < 3:
            net(x)
            n += batch
        return {"value": n / (time.perf_counter() - start), "unit": "images/s"}
    serve(round_, version=torch.__version__)


def step(name, batch, norms):
    net = network(name, top=True).train().to(memory_format=torch.channels_last)
    for module in net.modules():
        if norms == "frozen" and isinstance(module, torch.nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    optimizer = torch.optim.Adam([w for w in net.parameters() if w.requires_grad], 1e-5)
    x = torch.rand(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last) * 2 - 1
    y = torch.arange(batch) % 10

    def one():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return float(loss)
    one()

    def round_():
        best = 1e9
        for _ in range(2):
            start = time.perf_counter()
            one()
            best = min(best, time.perf_counter() - start)
        return {"value": batch / best, "unit": "images/s"}
    serve(round_, version=torch.__version__)


what, *rest = sys.argv[1:]
if what == "photos":
    photos(*rest)
elif what == "trunk":
    trunk(rest[0], int(rest[1]), rest[2])
else:
    step(rest[0], int(rest[1]), rest[2])
