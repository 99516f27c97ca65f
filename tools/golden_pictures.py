#!/usr/bin/env python3
"""Makes tests/golden/pictures and tests/golden/resize: tiny pictures of every kind with the RGB they mean.

Run with the oracle's Python (tools/oracle.sh): Pillow judges lossy formats and its own resizing, JAX judges
tf.image.resize(antialias=True), whose formula jax.image.resize shares; lossless pictures are judged by what went into them.
"""
import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURES, RESIZE = ROOT / "tests/golden/pictures", ROOT / "tests/golden/resize"


def scene(w, h, channels=3):
    """A soft, photo-like picture: gradients, an edge, a little noise."""
    y, x = np.mgrid[0:h, 0:w]
    rng = np.random.default_rng(w * 1000 + h)
    planes = [128 + 100 * np.sin(x / 5.0 + c) * np.cos(y / 7.0 - c) + 40 * (x > w // 3) - 30 * (y > h // 2)
              for c in range(channels)]
    return np.clip(np.stack(planes, -1) + rng.normal(0, 3, (h, w, channels)), 0, 255).astype(np.uint8)


def keep(name, data, expected, variant=""):
    """The file and its expected RGB as PPM."""
    (PICTURES / name).write_bytes(data)
    rgb = np.ascontiguousarray(expected, dtype=np.uint8)
    head = f"P6 {rgb.shape[1]} {rgb.shape[0]} 255\n".encode()
    (PICTURES / f"{name}{variant}.ppm").write_bytes(head + rgb.tobytes())


def saved(image, **how):
    out = io.BytesIO()
    image.save(out, **how)
    return out.getvalue()


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def on_white(rgba):
    a = rgba[..., 3:].astype(int)
    return ((rgba[..., :3] * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def oriented(rgb, orientation):
    """What EXIF says is upright."""
    return {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
            8: lambda a: np.rot90(a, 1)}[orientation](rgb)


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e.tobytes()


def jpegs():
    colour, odd = Image.fromarray(scene(24, 16)), Image.fromarray(scene(23, 17))
    for name, image, how in [("plain", colour, dict(subsampling=0)), ("subsampled", odd, dict(subsampling=2)),
                             ("half", odd, dict(subsampling=1)), ("grey", odd.convert("L"), {}),
                             ("progressive", Image.fromarray(scene(40, 36)), dict(progressive=True)),
                             ("restart", colour, dict(restart_marker_blocks=1)),
                             ("inked", colour.convert("CMYK"), {})]:
        data = saved(image, format="JPEG", quality=90, **how)
        keep(f"{name}.jpg", data, opened(data))
    for o in range(1, 9):
        data = saved(colour, format="JPEG", quality=90, subsampling=0, exif=exif(o))
        keep(f"turned{o}.jpg", data, oriented(opened(data), o))
    keep("turned6.jpg", data := saved(colour, format="JPEG", quality=90, subsampling=0, exif=exif(6)), opened(data), ".stored")


def png(rows, bits, kind, extra=b"", adam7=False):
    """A PNG from rows of samples [h, w, channels]."""
    h, w, channels = rows.shape

    def packed(part):
        out = b""
        for row in part:
            flat = row.reshape(-1)
            if bits == 16:
                out += b"\0" + flat.astype(">u2").tobytes()
            elif bits == 8:
                out += b"\0" + flat.astype(np.uint8).tobytes()
            else:
                bit = ((flat[:, None].astype(int) >> np.arange(bits - 1, -1, -1)) & 1).reshape(-1)
                out += b"\0" + np.packbits(bit).tobytes()
        return out

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b"".join(packed(rows[y::sy, x::sx]) for x, y, sx, sy in passes if rows[y::sy, x::sx].size) if adam7 \
        else packed(rows)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, kind, 0, 0, int(adam7))) + extra +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")), chunk


def pngs():
    rgb, rgba = scene(19, 13), scene(19, 13, 4)
    _, chunk = png(rgb, 8, 2)
    keep("plain.png", png(rgb, 8, 2)[0], rgb)
    keep("interlaced.png", png(rgb, 8, 2, adam7=True)[0], rgb)
    keep("alpha.png", png(rgba, 8, 6)[0], on_white(rgba))
    keep("alpha.png", png(rgba, 8, 6)[0], rgba[..., :3], ".drop")
    deep = scene(9, 7).astype(np.uint16) * 256 + np.arange(7 * 9 * 3).reshape(7, 9, 3) % 256
    keep("deep.png", png(deep, 16, 2)[0], deep >> 8)
    keep("deep-grey.png", png(deep[..., :1], 16, 0, adam7=True)[0], np.repeat(deep[..., :1] >> 8, 3, -1))
    for bits in (1, 2, 4, 8):
        grey = scene(11, 6, 1) >> (8 - bits)
        keep(f"grey{bits}.png", png(grey, bits, 0)[0], np.repeat(grey.astype(int) * 255 // (2**bits - 1), 3, -1))
    grey_alpha = scene(11, 6, 2)
    keep("grey-alpha.png", png(grey_alpha, 8, 4)[0], on_white(grey_alpha[..., [0, 0, 0, 1]]))
    palette = scene(16, 1)[0]
    for bits in (1, 2, 4, 8):
        index = scene(11, 6, 1) >> (8 - min(bits, 4))
        plte = chunk(b"PLTE", palette[:2**min(bits, 4)].tobytes())
        keep(f"palette{bits}.png", png(index, bits, 3, plte)[0], palette[index[..., 0]])
    alphas = np.array([0, 128, 255] + [255] * 13, np.uint8)
    index = scene(11, 6, 1) >> 4
    both = np.concatenate([palette, alphas[:, None]], -1)[index[..., 0]]
    extra = chunk(b"PLTE", palette.tobytes()) + chunk(b"tRNS", alphas[:3].tobytes())
    keep("palette-alpha.png", png(index, 8, 3, extra)[0], on_white(both))
    keep("palette-alpha.png", png(index, 8, 3, extra)[0], both[..., :3], ".drop")
    key = rgb[3, 4]
    seen = np.where((rgb == key).all(-1, keepdims=True), 255, rgb)
    keep("colour-key.png", png(rgb, 8, 2, chunk(b"tRNS", b"".join(struct.pack(">H", v) for v in key)))[0], seen)
    keep("turned6.png", png(rgb, 8, 2, chunk(b"eXIf", exif(6)[6:]))[0], oriented(rgb, 6))


def gif(index, palette, screen=None, left=0, top=0, transparent=None, interlaced=False, further=b""):
    """A GIF of one frame, its codes never longer than nine bits: a clear code comes before the table grows."""
    h, w = index.shape
    sw, sh = screen or (w, h)
    order = [y for a, s in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(a, h, s)] if interlaced else range(h)
    codes = []
    for i, v in enumerate(v for y in order for v in index[y]):
        codes += [256] * (i % 100 == 0) + [int(v)]
    bits = "".join(f"{c:09b}"[::-1] for c in codes + [257])
    data = bytes(int(bits[i:i + 8][::-1].rjust(8, "0"), 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"
    table = np.zeros((256, 3), np.uint8)
    table[:len(palette)] = palette
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    return (b"GIF89a" + struct.pack("<HHBBB", sw, sh, 0xF7, 0, 0) + table.tobytes() + control + b"\x2c" +
            struct.pack("<HHHHB", left, top, w, h, 0x40 * interlaced) + b"\x08" + blocks + further + b"\x3b")


def gifs():
    palette, index = scene(16, 1)[0], scene(17, 11, 1)[..., 0] >> 4
    rgb = palette[index]
    keep("plain.gif", gif(index, palette), rgb)
    keep("interlaced.gif", gif(index, palette, interlaced=True), rgb)
    hole = np.where((index == 5)[..., None], 255, rgb)
    keep("hole.gif", gif(index, palette, transparent=5), hole)
    keep("hole.gif", gif(index, palette, transparent=5), np.where((index == 5)[..., None], 0, rgb), ".drop")
    canvas = np.full((14, 20, 3), 255, np.uint8)
    canvas[2:13, 1:18] = rgb
    keep("offset.gif", gif(index, palette, screen=(20, 14), left=1, top=2), canvas)
    frames = [Image.fromarray(scene(12, 9)).quantize(8), Image.fromarray(255 - scene(12, 9)).quantize(8)]
    data = saved(frames[0], format="GIF", save_all=True, append_images=frames[1:])
    keep("animated.gif", data, np.asarray(frames[0].convert("RGB")))


def webps():
    rgb, rgba = Image.fromarray(scene(24, 16)), Image.fromarray(scene(24, 16, 4))
    data = saved(rgb, format="WEBP", quality=85)
    keep("lossy.webp", data, opened(data))
    keep("lossless.webp", saved(rgb, format="WEBP", lossless=True), np.asarray(rgb))
    data = saved(rgba, format="WEBP", lossless=True, exact=True)
    keep("alpha.webp", data, on_white(np.asarray(rgba)))
    keep("alpha.webp", data, np.asarray(rgba)[..., :3], ".drop")
    keep("turned8.webp", saved(rgb, format="WEBP", lossless=True, exif=exif(8)), oriented(np.asarray(rgb), 8))
    second = Image.fromarray(255 - scene(24, 16))
    keep("animated.webp", saved(rgb, format="WEBP", lossless=True, save_all=True, append_images=[second]), np.asarray(rgb))


def bmp(w, h, bits, rows, compression=0, palette=b"", masks=b"", head=40):
    extra = masks if head == 40 else b""
    info = struct.pack("<IiiHHIIiiII", head, w, h, 1, bits, compression, len(rows), 0, 0, len(palette) // 4, 0)
    info += (masks.ljust(head - 40, b"\0") if head > 40 else b"") + extra + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(rows), 0, 0, 14 + len(info)) + info + rows


def bmps():
    rgb = scene(13, 7)
    pad = lambda row: row + b"\0" * (-len(row) % 4)
    bottom_up = lambda a: b"".join(pad(row.tobytes()) for row in a[::-1])
    bgr = rgb[..., ::-1]
    keep("plain.bmp", saved(Image.fromarray(rgb), format="BMP"), rgb)
    keep("top-down.bmp", bmp(13, -7, 24, b"".join(pad(r.tobytes()) for r in bgr)), rgb)
    keep("wide.bmp", bmp(13, 7, 32, bottom_up(np.concatenate([bgr, bgr[..., :1]], -1))), rgb)
    rgba = scene(13, 7, 4)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(13, 7, 32, bottom_up(rgba[..., [2, 1, 0, 3]]), 3, masks=masks, head=108)
    keep("alpha.bmp", data, on_white(rgba))
    keep("alpha.bmp", data, rgba[..., :3], ".drop")
    five, six = rgb.astype(np.uint16) >> 3, rgb.astype(np.uint16) >> 2
    r, g, b = (five[..., i] for i in range(3))
    keep("fields555.bmp", bmp(13, 7, 16, bottom_up(r << 10 | g << 5 | b)), five.astype(int) * 255 // 31)
    expected = np.stack([r * 255 // 31, six[..., 1] * 255 // 63, b * 255 // 31], -1)
    keep("fields565.bmp", bmp(13, 7, 16, bottom_up(r << 11 | six[..., 1] << 5 | b), 3,
                              masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)), expected)
    colours = scene(16, 1)[0]
    table = lambda n: b"".join(bytes([c[2], c[1], c[0], 0]) for c in colours[:n])
    for bits, n in ((1, 2), (4, 16), (8, 16)):
        index = scene(13, 7, 1)[..., 0] >> (8 - (1 if bits == 1 else 4))
        raw = b"".join(pad(np.packbits(((row[:, None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(-1)).tobytes())
                       for row in index[::-1])
        keep(f"palette{bits}.bmp", bmp(13, 7, bits, raw, palette=table(n)), colours[index])
    index = np.zeros((4, 9), int)
    index[3, :5], index[3, 5:9] = 3, [1, 2, 3, 4]     # bottom row: a run, then pixels as they are
    index[1, 2:6] = 7                                  # after a move of (2, 1) from the row above
    runs = bytes([5, 3, 0, 4, 1, 2, 3, 4, 0, 0, 0, 2, 2, 1, 4, 7, 0, 1])
    keep("runs8.bmp", bmp(9, 4, 8, runs, 1, palette=table(16)), colours[index])
    index = np.zeros((2, 7), int)
    index[1] = [1, 2, 1, 2, 1, 5, 6]
    index[0, :3] = [3, 4, 5]
    runs = bytes([5, 0x12, 2, 0x56, 0, 0, 0, 3, 0x34, 0x50, 0, 1])
    keep("runs4.bmp", bmp(7, 2, 4, runs, 2, palette=table(16)), colours[index])


def avifs():
    data = saved(Image.fromarray(scene(32, 24)), format="AVIF", quality=95, subsampling="4:4:4")
    keep("plain.avif", data, opened(data))


# ------------------------------------------------------------------------------------------------------------- resizing

def pattern(w, h):
    """The source of the resize goldens; tests/unit/test_resize.c makes the same."""
    y, x = np.mgrid[0:h, 0:w]
    return np.stack([(x * 7 + y * 13 + c * 29 + x * y % 31 * 5) & 255 for c in range(3)], -1).astype(np.uint8)


CASES = [(37, 23, 16, 16), (16, 16, 37, 23), (50, 40, 10, 13), (33, 9, 33, 4), (3, 1, 5, 4), (1, 1, 2, 2), (200, 150, 7, 9),
         (20, 30, 20, 30)]


def resizes():
    import jax
    for w, h, out_w, out_h in CASES:
        source = pattern(w, h)
        name = f"{w}x{h}-{out_w}x{out_h}"
        pil = Image.fromarray(source).resize((out_w, out_h), Image.Resampling.BILINEAR)
        (RESIZE / f"{name}.pil").write_bytes(np.asarray(pil).tobytes())
        linear = jax.image.resize(source.astype(np.float32), (out_h, out_w, 3), "linear", antialias=True)
        (RESIZE / f"{name}.antialias").write_bytes(np.asarray(linear, "<f4").tobytes())
    # Keras's load_img(keep_aspect_ratio=True): the taps reach over the edge of the box
    source = Image.fromarray(pattern(50, 40))
    pil = source.resize((8, 8), Image.Resampling.BILINEAR, (5, 0, 45, 40))
    (RESIZE / "50x40-box.pil").write_bytes(np.asarray(pil).tobytes())


def main():
    for folder in (PICTURES, RESIZE):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    for make in (jpegs, pngs, gifs, webps, bmps, avifs, resizes):
        make()
    n = sum(f.stat().st_size for folder in (PICTURES, RESIZE) for f in folder.iterdir())
    print(f"{n:,} bytes in {PICTURES.relative_to(ROOT)} and {RESIZE.relative_to(ROOT)}")
    return 0 if n < 200_000 else 1


sys.exit(main())
