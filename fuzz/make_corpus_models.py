#!/usr/bin/env python3
"""Makes the small files of the corpora of fuzz_model, fuzz_weights, fuzz_tfjs, fuzz_tar, fuzz_csv, fuzz_text and
fuzz_checkpoint. Run with the oracle Python (tools/oracle.sh) and KERAS_BACKEND=jax; the results are checked in.

The model is the one of fuzz/small_model.h, so that weights fit it.
"""
import gzip
import io
import json
import struct
import sys
import tarfile
from pathlib import Path

import h5py
import keras
import numpy as np

CORPUS = Path(__file__).resolve().parent / "corpus"


def put(fuzzer, name, data):
    folder = CORPUS / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def small():
    x = inputs = keras.Input((8, 8, 3), name="input")
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="dense")(x), name="small")


def saved(model, name, what="save", **more):
    path = Path("/tmp") / name
    getattr(model, what)(path, **more)
    data = path.read_bytes()
    path.unlink()
    return data


# ------------------------------------------------------------------------------------------------- models and weights

def safetensors(tensors, change=lambda header: None):
    header, values = {}, b""
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(values), len(values) + value.nbytes]}
        values += value.tobytes()
    header["__metadata__"] = {"format": "keras"}
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def tensors_of(model):
    return {weight.path.removeprefix("small/"): np.asarray(weight, "f4") for weight in model.weights}


def diamonds():
    """Groups that each hold the next one twice: 2^40 ways, and one in a circle."""
    out = io.BytesIO()
    with h5py.File(out, "w", libver="latest") as f:
        group = f
        for _ in range(40):
            next_group = group.create_group("a")
            group["b"] = next_group
            group = next_group
        group["back"] = f["a"]
    return out.getvalue()


def model_files(model):
    put("fuzz_model", "small.keras", saved(model, "small.keras"))
    put("fuzz_model", "small.h5", saved(model, "small.h5"))
    put("fuzz_weights", "small.weights.h5", saved(model, "small.weights.h5", "save_weights"))
    put("fuzz_weights", "small.h5", saved(model, "small.h5"))
    tensors = tensors_of(model)
    put("fuzz_weights", "small.safetensors", safetensors(tensors))
    short = {name: value for name, value in tensors.items() if not name.startswith("dense")}
    put("fuzz_weights", "hostile_short.safetensors", safetensors(short))
    put("fuzz_weights", "hostile_far.safetensors",
        safetensors(tensors, lambda h: h["dense/kernel"].update(data_offsets=[1 << 40, (1 << 40) + 32])))
    put("fuzz_weights", "hostile_shape.safetensors",
        safetensors(tensors, lambda h: h["dense/kernel"].update(shape=[1 << 31, 1 << 31, 1 << 31])))
    put("fuzz_weights", "hostile_turned.safetensors",
        safetensors(tensors, lambda h: h["dense/kernel"].update(data_offsets=[32, 0])))
    put("fuzz_weights", "hostile_diamonds.weights.h5", diamonds())
    put("fuzz_weights", "index.weights.json",
        json.dumps({"metadata": {"total_size": 1}, "weight_map": {"/layers/dense/vars": ["../../etc/passwd"],
                                                                  "/layers/conv/vars": "none.weights.h5"}}))


# ------------------------------------------------------------------------------------------------------ TensorFlow.js

def tfjs_files(model):
    config = {"class_name": "Model", "config": {
        "name": "small",
        "layers": [{"class_name": "InputLayer", "config": {"batch_input_shape": [None, 8, 8, 3], "name": "input"},
                    "name": "input", "inbound_nodes": []},
                   {"class_name": "Conv2D", "config": {"name": "conv", "filters": 4, "kernel_size": [3, 3]}, "name": "conv",
                    "inbound_nodes": [[["input", 0, 0, {}]]]},
                   {"class_name": "BatchNormalization", "config": {"name": "bn"}, "name": "bn",
                    "inbound_nodes": [[["conv", 0, 0, {}]]]},
                   {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool"}, "name": "pool",
                    "inbound_nodes": [[["bn", 0, 0, {}]]]},
                   {"class_name": "Dense", "config": {"name": "dense", "units": 2}, "name": "dense",
                    "inbound_nodes": [[["pool", 0, 0, {}]]]}],
        "input_layers": [["input", 0, 0]], "output_layers": [["dense", 0, 0]]}}
    tensors = tensors_of(model)
    weights = [{"name": name, "shape": list(value.shape), "dtype": "float32"} for name, value in tensors.items()]
    values = b"".join(value.tobytes() for value in tensors.values())
    small_values = b"".join((value * 0 + 7).astype("u1").tobytes() for value in tensors.values())
    coarse = [dict(weight, quantization={"dtype": "uint8", "min": -1.5, "scale": 0.25}) for weight in weights]

    def file(weights, values, paths=("shard.bin",), topology=config):
        manifest = [{"paths": list(paths), "weights": weights}]
        return json.dumps({"format": "layers-model", "modelTopology": {"model_config": topology},
                           "weightsManifest": manifest}).encode() + b"\0" + values

    def changed(i, **change):
        return [dict(weight, **change) if k == i else weight for k, weight in enumerate(weights)]

    put("fuzz_tfjs", "small", file(weights, values))
    put("fuzz_tfjs", "quantized", file(coarse, small_values))
    put("fuzz_tfjs", "two_shards", file(weights, values[:len(values) // 2], ("shard.bin", "shard.bin")))
    put("fuzz_tfjs", "hostile_short", file(weights, values[:-4]))
    put("fuzz_tfjs", "hostile_elsewhere", file(weights, values, ("../../../etc/passwd",)))
    put("fuzz_tfjs", "hostile_absolute", file(weights, values, ("/etc/passwd",)))
    put("fuzz_tfjs", "hostile_shape", file(changed(0, shape=[1 << 31, 1 << 31, 1 << 31, 1 << 31]), values))
    put("fuzz_tfjs", "hostile_negative", file(changed(1, shape=[-4]), values))
    put("fuzz_tfjs", "hostile_rank", file(changed(1, shape=[1] * 50), values))
    put("fuzz_tfjs", "hostile_type", file(changed(1, dtype="string"), values))
    put("fuzz_tfjs", "hostile_texts", file([{"name": 3, "shape": "x", "dtype": None}], values, (None, 7)))
    put("fuzz_tfjs", "hostile_twice", file(weights + weights, values + values))
    put("fuzz_tfjs", "hostile_graph", json.dumps({"format": "graph-model", "modelTopology": {}, "weightsManifest": []}))


# ----------------------------------------------------------------------------------------------------------- archives

def tar_files():
    def archive(kind, members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo("images/link.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
            folder = tarfile.TarInfo("images/folder")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
        return out.getvalue()[:-tarfile.BLOCKSIZE * 14]  # less of the zeros at the end

    members = [("images/a_1.jpg", b"abc"), ("images/" + "n" * 120 + ".jpg", bytes(700)), ("empty", b"")]
    for name, kind in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        put("fuzz_tar", name + ".tar", archive(kind, members))
        put("fuzz_tar", name + ".tar.gz", gzip.compress(archive(kind, members), mtime=0))
    plain = archive(tarfile.USTAR_FORMAT, [("images/a_1.jpg", b"abc")])
    put("fuzz_tar", "hostile_torn.tar", plain[:700])
    put("fuzz_tar", "hostile_torn.tar.gz", gzip.compress(plain, mtime=0)[:60])

    def sized(size):
        header = bytearray(plain[:512])
        header[124:136] = size
        header[148:156] = b" " * 8
        header[148:156] = f"{sum(header):06o}\0 ".encode()
        return bytes(header) + plain[512:]

    put("fuzz_tar", "hostile_size.tar", sized(b"77777777777\0"))
    put("fuzz_tar", "hostile_binary_size.tar", sized(b"\x80" + b"\xff" * 11))
    put("fuzz_tar", "hostile_size_text.tar", sized(b"minus three\0"))
    put("fuzz_tar", "hostile_bomb.tar.gz", gzip.compress(sized(b"00040000000\0") + bytes(1 << 20), mtime=0))


def csv_files():
    put("fuzz_csv", "table.csv", "path,label\na.jpg,cat\n\"b \"\"x\"\".jpg\",\"dog,\nbig\"\n\n c.jpg ; d \n")
    put("fuzz_csv", "semicolon.csv", "\ufeffpath;label\r\na;b\r\n")
    put("fuzz_csv", "tabs.csv", "path\tlabel\ra\tb\r")
    put("fuzz_csv", "hostile_quote.csv", "a,\"b")
    put("fuzz_csv", "hostile_many.csv", "," * 100 + "\n" + '"' * 99)


def text_files():
    texts = [("head", 0, "flatten, dense:4096:relu, dropout:0.5, dense:1024:activation=relu:use_bias=false"),
             ("head_odd", 0, "gap,,conv2d:3:,dense:units=:=:1e999"), ("head_conv", 0, "conv2d:8:3x3:strides=2 | gap"),
             ("freeze", 1, "conv,#2,b*,#-1"), ("freeze_first", 1, "first:3"), ("freeze_until", 1, "until:pool"),
             ("augment", 2, "flip, rotation:0.1, contrast:0.2, translation:height_factor=0.1"),
             ("callbacks", 3, "early_stopping:monitor=val_auc:patience=5, reduce_lr_on_plateau:factor=0.5, terminate_on_nan"),
             ("metrics", 4, "accuracy, auc, precision, recall")]
    for name, which, text in texts:
        put("fuzz_text", name, bytes([which]) + text.encode())


# -------------------------------------------------------------------------------------------------------- checkpoints

def checkpoint_files():
    def file(values, **change):
        header = {"phase": "head", "next_epoch": 1, "steps": 4, "learning_rate": 0.001, "is_over": False, "numbers": [0.5, "inf"],
                  "best_epoch": 0, "best": 0.7, "history": [{"epoch": 0, "loss": 0.7, "accuracy": 0.5, "val_loss": 0.7,
                                                             "val_accuracy": None, "lr": 0.001, "seconds": 1, "is_best": True,
                                                             "metrics": [0.5, None]}],
                  "weights": [3, 2], "best_weights": [3, 2], "slots": [3]}
        header.update(change)
        text = json.dumps(header).encode()
        return b"TWCKPT2\n" + struct.pack("<Q", len(text)) + text + np.arange(values, dtype="f4").tobytes()

    put("fuzz_checkpoint", "small", file(13))
    put("fuzz_checkpoint", "hostile_short", file(12))
    put("fuzz_checkpoint", "hostile_fewer_best", file(13, best_weights=[3]))
    put("fuzz_checkpoint", "hostile_more_best", file(13, best_weights=[3, 2, 1]))
    put("fuzz_checkpoint", "hostile_small_best", file(13, best_weights=[1, 1]))
    put("fuzz_checkpoint", "hostile_best_epoch", file(13, best_epoch=1 << 40))
    put("fuzz_checkpoint", "hostile_sizes", file(13, weights=[1 << 62, -5]))
    put("fuzz_checkpoint", "hostile_types", file(13, weights="three", history=[3], numbers={"a": 1}, phase=None))
    put("fuzz_checkpoint", "hostile_header", b"TWCKPT2\n" + struct.pack("<Q", 1 << 60) + b"{}")


keras.utils.set_random_seed(1)
network = small()
model_files(network)
tfjs_files(network)
tar_files()
csv_files()
text_files()
checkpoint_files()
sys.stdout.write(f"{sum(p.stat().st_size for p in CORPUS.rglob('*') if p.is_file())} bytes\n")
