#!/usr/bin/env python3
"""Makes the files of fuzz/corpus/fuzz_hdf5, fuzz_zip and fuzz_pickle that a library can make (h5py, zipfile, pickle).

Run with the oracle Python (tools/oracle.sh); the results are checked in, small, and also read by tests/unit. Files named
hostile_* are put together by hand below.
"""
import collections
import io
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np

CORPUS = Path(__file__).resolve().parent / "corpus"
HDF5, ZIP, PICKLE = CORPUS / "fuzz_hdf5", CORPUS / "fuzz_zip", CORPUS / "fuzz_pickle"


def ramp(*shape, dtype="f4"):
    """0, 1, 2 … : what the tests expect of every dataset."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


# ------------------------------------------------------------------------------------------------------------- HDF5

def new_file(name, **options):
    return h5py.File(HDF5 / name, "w", meta_block_size=64, **options)


def hdf5_files():
    with new_file("keras3.h5") as f:  # texts of variable length, as Keras 3 has them
        f.attrs["model_config"] = '{"class_name": "Sequential"}'
        f.attrs["layer_names"] = ["conv1", "bn", "dense_é"]
        f.create_group("conv1").attrs["weight_names"] = ["conv1/kernel", "conv1/bias"]
        f["conv1/conv1/kernel"] = ramp(3, 3, 2, 4)
        f["conv1/conv1/bias"] = ramp(4)
        f["optimizer/vars/0"] = np.int64(7)
        f.create_group("bn").attrs["weight_names"] = []
    with new_file("types.h5") as f:  # texts of fixed length, every type of number
        f.attrs["layer_names"] = np.array([b"a", b"bcd"])
        f.attrs["backend"] = np.bytes_(b"tensorflow")
        space = h5py.h5t.C_S1.copy()
        space.set_size(6)
        space.set_strpad(h5py.h5t.STR_SPACEPAD)
        a = h5py.h5a.create(f.id, b"padded", space, h5py.h5s.create(h5py.h5s.SCALAR))
        a.write(np.array(b"ab    ", "S6"))
        f.attrs["split0"], f.attrs["split1"], f.attrs["split2"] = (np.array(x) for x in
                                                                  ([b"p0", b"p1"], [b"p2"], [b"p3", b"p4"]))
        f.attrs["number"] = 3.5
        f.attrs["nothing"] = h5py.Empty("f4")
        for kind in ("f2", "f8", "i8", "i4", "u1"):
            f[kind] = ramp(2, 3, dtype=kind)
        f["bool"] = np.array([False, True])
        bf16 = f.create_dataset("bf16", data=(ramp(5).view("u4") >> 16).astype("u2").view("V2"))
        bf16.attrs["dtype"] = "bfloat16"
        f["opaque"] = np.zeros(2, "V2")
        f["empty"] = ramp(0, 3)
        f["big_endian"] = ramp(3, dtype=">f4")
        f["int16"] = ramp(3, dtype="i2")
        f["compound"] = np.zeros(1, [("a", "f4"), ("b", "i4")])
    with new_file("wide.h5") as f:  # a tree of many symbol nodes
        f["one"] = ramp(1)
        for i in range(60):
            f[f"wide/member_{i * 7 % 60:02}"] = f["one"]
    with new_file("chunked.h5") as f:
        f.create_dataset("deflate", data=ramp(7, 10), chunks=(3, 4), compression="gzip")
        f.create_dataset("all", data=ramp(5, 6, 2), chunks=(2, 4, 2), compression="gzip", shuffle=True, fletcher32=True)
        f.create_dataset("grows", data=ramp(5), maxshape=(None,), chunks=(16,))
        f.create_dataset("holes", (8,), "f4", chunks=(2,))[0:2] = 1
        f.create_dataset("lzf", data=ramp(8), chunks=(8,), compression="lzf")
    with new_file("latest.h5", libver=("v110", "v110")) as f:
        f.attrs["backend"] = "jax"
        f.attrs["layer_names"] = ["x", "y"]
        f["a/b/kernel"] = ramp(2, 2)
        f.create_dataset("one_chunk", data=ramp(6, 2), chunks=(6, 2), compression="gzip")
        f.create_dataset("fixed_array", data=ramp(8), chunks=(2,))
        f["compact"] = ramp(3)
    with new_file("dense.h5", libver="latest") as f:
        for i in range(12):
            f[f"g/{i}"] = f["g"] if i else np.float32(i)
        for i in range(9):
            f["g"].attrs[f"a{i}"] = i
    with new_file("ordered.h5", track_order=True) as f:  # new groups in an old file
        f["z"], f["a"] = ramp(2), ramp(3)
        f.attrs["name"] = "ordered"
    with new_file("compact.h5") as f:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        d = h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2, 3)), plist)
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, ramp(2, 3))
        h5py.h5d.create(f.id, b"never", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)))
    with new_file("elsewhere.h5") as f:  # everything that leads out
        f["real"] = ramp(2)
        f["soft/link"] = h5py.SoftLink("/real")
        f["external/link"] = h5py.ExternalLink("/etc/passwd", "/x")
        f.create_dataset("stored_outside", (2,), "f4", external=[("/etc/passwd", 0, 8)])
        f["committed"] = np.dtype("f4")
        f.create_dataset("shares_type", (2,), dtype=f["committed"])
    with new_file("virtual.h5", libver="latest") as f:
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (2,))
        f.create_virtual_dataset("virtual", layout)


def patched(source, name, *changes):
    """A copy of a file with bytes replaced: (offset or bytes to find, by)."""
    data = bytearray((HDF5 / source).read_bytes())
    for at, by in changes:
        at = data.index(at) if isinstance(at, bytes) else at
        data[at:at + len(by)] = by
    (HDF5 / name).write_bytes(data)


def hdf5_hostile():
    """From compact.h5, which is small; tests/unit/test_hdf5.c damages the others in memory."""
    def find(what):
        return (HDF5 / "compact.h5").read_bytes().index(what)

    q = lambda *v: struct.pack(f"<{len(v)}Q", *v)
    tree, space = find(b"TREE"), find(struct.pack("<BBB", 1, 2, 1) + b"\0" * 5)
    patched("compact.h5", "hostile_tree_circle.h5", (tree + 5, b"\1"), (tree + 32, q(tree)))
    patched("compact.h5", "hostile_symbols_full.h5", (find(b"SNOD") + 6, b"\xff\xff"))
    patched("compact.h5", "hostile_name_far.h5", (find(b"SNOD") + 8, q(1 << 62)))
    patched("compact.h5", "hostile_root_far.h5", (64, q(1 << 60)))
    patched("compact.h5", "hostile_shape_bomb.h5", (space + 8, q(1 << 31, 1 << 31)))
    patched("compact.h5", "hostile_shape_large.h5", (space + 8, q(1 << 30)))
    patched("compact.h5", "hostile_rank.h5", (space + 1, b"\xff"))
    patched("compact.h5", "hostile_header_size.h5", (96 + 8, b"\xff\xff\xff\xff"))
    # A continuation that continues with itself.
    body = bytearray(b"\x01\x00\x02\x00\x01\x00\x00\x00" + struct.pack("<I", 48) + b"\0" * 4)
    body += struct.pack("<HHB3x", 0x10, 16, 0) + q(96 + 16, 48) + struct.pack("<HHB3x", 0, 16, 0) + b"\0" * 16
    head = bytearray((HDF5 / "compact.h5").read_bytes()[:96])
    head[40:48], head[64:72] = q(96 + len(body)), q(96)
    (HDF5 / "hostile_continuation_circle.h5").write_bytes(head + body)
    # A group that contains itself: legal to look at, endless to walk.
    with new_file("hostile_group_circle.h5") as f:
        f["a/b/c"] = f["/"]


# -------------------------------------------------------------------------------------------------------------- ZIP

def zip_of(members, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        for name, data in members:
            z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, compression)
    return bytearray(out.getvalue())


def zip_files():
    two = [("config.json", b'{"class_name": "Sequential"}'), ("model.weights.h5", bytes(range(256)))]
    (ZIP / "stored.zip").write_bytes(zip_of(two))
    (ZIP / "deflated.zip").write_bytes(zip_of(two + [("zeros", b"\0" * 20000)], zipfile.ZIP_DEFLATED))
    (ZIP / "empty.zip").write_bytes(zip_of([]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        with z.open(zipfile.ZipInfo("wide", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
            member.write(b"zip64")
        z.comment = b"a comment"
    (ZIP / "zip64_comment.zip").write_bytes(out.getvalue())
    for name in ("../up", "/absolute", "a/../b", "c:\\windows", "a\\b"):
        (ZIP / f"hostile_name_{len(name)}.zip").write_bytes(zip_of([("x" * len(name), b"")]).replace(b"x" * len(name), name.encode()))
    (ZIP / "hostile_twice.zip").write_bytes(zip_of([("aa", b"1"), ("ab", b"2")]).replace(b"ab", b"aa"))
    bomb = zip_of([("bomb", b"\0" * 100)], zipfile.ZIP_DEFLATED)
    entry = bomb.index(b"PK\1\2")
    bomb[entry + 24:entry + 28] = struct.pack("<I", 0x7fffffff)
    (ZIP / "hostile_bomb.zip").write_bytes(bomb)
    far = zip_of(two)
    entry = far.index(b"PK\1\2")
    far[entry + 42:entry + 46] = b"\xf0\xff\xff\xff"
    (ZIP / "hostile_far.zip").write_bytes(far)
    long = zip_of(two)
    entry = long.index(b"PK\1\2")
    long[entry + 20:entry + 28] = b"\xf0\xff\x00\x00" * 2
    (ZIP / "hostile_long.zip").write_bytes(long)
    many = zip_of(two)
    end = many.index(b"PK\5\6")
    many[end + 8:end + 12] = b"\xf0\xff" * 2
    (ZIP / "hostile_many.zip").write_bytes(many)
    secret = zip_of(two)
    secret[secret.index(b"PK\1\2") + 8] |= 1
    (ZIP / "encrypted.zip").write_bytes(secret)
    damaged = zip_of(two, zipfile.ZIP_DEFLATED)
    damaged[damaged.index(b"PK\1\2") + 16] ^= 1
    (ZIP / "hostile_checksum.zip").write_bytes(damaged)


# ----------------------------------------------------------------------------------------------------------- pickle

class Global:
    """Pickles as a bare global."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call of a global."""

    def __init__(self, module, name, *args):
        self.function, self.args = Global(module, name), args


class Storage:
    def __init__(self, kind, key, values, old):
        self.kind, self.key, self.values, self.old = kind, key, values, old


class Pickler(pickle._Pickler):  # the one in Python: its tables can be extended
    dispatch = dict(pickle._Pickler.dispatch)

    def save_global_(self, obj):
        self.write(b"c" + obj.module.encode() + b"\n" + obj.name.encode() + b"\n")
        self.memoize(obj)

    def save_call(self, obj):
        self.save(obj.function)
        self.save(tuple(obj.args))
        self.write(b"R")
        self.memoize(obj)

    dispatch[Global], dispatch[Call] = save_global_, save_call

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        ident = ("storage", Global("torch", obj.kind + "Storage"), obj.key, "cpu", len(obj.values))
        return ident + (None,) if obj.old else ident


def dumps(obj):
    out = io.BytesIO()
    Pickler(out, protocol=2).dump(obj)
    return out.getvalue()


def tensor(storage, first, shape, strides=None):
    dense = [int(np.prod(shape[i + 1:], dtype=int)) for i in range(len(shape))]
    return Call("torch._utils", "_rebuild_tensor_v2", storage, first, tuple(shape), tuple(strides or dense), False,
                Call("collections", "OrderedDict"))


def torch_object(old, storages):
    def storage(kind, values):
        storages.append(Storage(kind, str(len(storages)), values, old))
        return storages[-1]

    shared = storage("Float", ramp(24))
    state = collections.OrderedDict()
    state["conv.weight"] = tensor(shared, 0, (2, 3, 2, 2))
    state["turned"] = tensor(shared, 4, (3, 4), (1, 5))
    state["half"] = Call("torch._utils", "_rebuild_parameter", tensor(storage("Half", ramp(6, dtype="f2")), 0, (6,)), True,
                         Call("collections", "OrderedDict"))
    state["bn.num_batches_tracked"] = tensor(storage("Long", np.array([7])), 0, ())
    state["bf16"] = tensor(storage("BFloat16", (ramp(3).view("u4") >> 16).astype("u2")), 1, (2,))
    return {"epoch": 3, "lr": 1e-3, "big": 1 << 80, "ok": True, "none": None, "shape": [1, (2, 3)], "state_dict": state}


def torch_zip(obj, storages, prefix="net", **extra):
    members = [(f"{prefix}/data.pkl", dumps(obj)), (f"{prefix}/byteorder", b"little")]
    members += [(f"{prefix}/data/{s.key}", s.values.tobytes()) for s in storages]
    return zip_of(members + [(f"{prefix}/{k}", v) for k, v in extra.items()])


def torch_old(obj, storages):
    out = b"".join(pickle.dumps(x, 2) for x in (0x1950a86a20f9469cfc6c, 1001, {"little_endian": True}))
    out += dumps(obj) + dumps([s.key for s in storages])
    return out + b"".join(struct.pack("<Q", len(s.values)) + s.values.tobytes() for s in storages)


def pickle_files():
    for old, name in ((False, "zip.pth"), (True, "old.pth")):
        storages = []
        obj = torch_object(old, storages)
        (PICKLE / name).write_bytes((torch_old if old else torch_zip)(obj, storages))
    one = lambda n=4: Storage("Float", "0", ramp(n), False)

    def hostile(name, pickled):
        values = [("n/data/0", ramp(4).tobytes())] if b"storage" in pickled else []
        (PICKLE / f"hostile_{name}.pth").write_bytes(zip_of([("n/data.pkl", pickled)] + values))

    hostile("system", dumps({"a": Call("os", "system", "true")}))
    hostile("eval", dumps({"a": Call("builtins", "eval", "1")}))
    hostile("module", dumps(Call("__main__", "Net")))
    hostile("outside", dumps({"a": tensor(one(), 1, (4,))}))
    hostile("negative", dumps({"a": tensor(one(), 0, (2, 2), (-1, 1))}))
    hostile("bomb", dumps({"a": tensor(one(), 0, (1 << 20, 1 << 20), (0, 0))}))
    hostile("stride", dumps({"a": tensor(one(), 0, (2, 2), (1 << 62, 1 << 62))}))
    hostile("storage_size", dumps({"a": tensor(Storage("Float", "0", ramp(5), False), 0, (4,))}))
    hostile("missing", dumps({"a": tensor(Storage("Float", "9", ramp(4), False), 0, (4,))}))
    twice = dumps({"a": tensor(one(), 0, (4,)), "b": tensor(one(), 0, (2,))})
    hostile("twice", twice.replace(b"\x01\0\0\0b", b"\x01\0\0\0a"))
    hostile("memo", b"\x80\x02}r\xff\xff\xff\x7f.")
    hostile("get", b"\x80\x02}h\x07.")
    hostile("text", b"\x80\x02X\xff\xff\xff\xff.")
    hostile("marks", b"\x80\x02" + b"(" * 1000 + b"t.")
    hostile("deep", b"\x80\x02" + b"]" * 1000 + b"a" * 999 + b".")
    hostile("self", b"\x80\x02]q\x00h\x00a.")
    hostile("stack_global", b"\x80\x02X\x02\0\0\0osX\x06\0\0\0system\x93.")
    hostile("newobj", b"\x80\x02ccollections\nOrderedDict\n)\x81.")
    hostile("protocol4", pickle.dumps({"a": 1}, 4))
    hostile("inst", b"\x80\x02(ios\nsystem\n.")
    hostile("empty", b"\x80\x02.")
    hostile("tuple_first", b"\x80\x02).")
    hostile("nothing", dumps({"epoch": 1}))


for folder in (HDF5, ZIP, PICKLE):
    folder.mkdir(parents=True, exist_ok=True)
hdf5_files()
hdf5_hostile()
zip_files()
pickle_files()
sys.stdout.write(f"{sum(p.stat().st_size for p in CORPUS.rglob('*') if p.is_file())} bytes\n")
