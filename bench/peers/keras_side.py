"""Keras's side, on TensorFlow.

keras_side.py head IN UNITS BATCH          a training step of a head on features
keras_side.py trunk NET BATCH              pixels in memory → features, without top
keras_side.py decode FOLDER MEANS          photos on disk → 224×224 pixels, by tf.data"""
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from sides import cores, photo_paths, serve

tf.config.threading.set_intra_op_parallelism_threads(cores())


def head(size, units, batch):
    layers = [keras.layers.Dense(u, activation="relu") for u in units[:-1]] + [keras.layers.Dense(units[-1], activation="sigmoid")]
    model = keras.Sequential([keras.Input((size,)), *layers])
    model.compile(keras.optimizers.Adam(1e-5), "binary_crossentropy")
    rng = np.random.default_rng(0)
    x, y = tf.constant(rng.random((batch, size), np.float32)), tf.constant((np.arange(batch) % 2)[:, None].astype("float32"))
    steps = 6
    data = tf.data.Dataset.from_tensors((x, y)).repeat(steps)
    model.fit(data, verbose=0)

    def round_():
        start = time.perf_counter()
        model.fit(data, verbose=0)
        return {"value": steps / (time.perf_counter() - start), "unit": "steps/s"}
    serve(round_, version=f"{keras.__version__}, TensorFlow {tf.__version__}")


def trunk(name, batch):
    nets = {"vgg16": "VGG16", "resnet50": "ResNet50", "mobilenet_v2": "MobileNetV2", "efficientnet_b0": "EfficientNetB0"}
    net = getattr(keras.applications, nets[name])(weights=None, include_top=False, pooling="avg", input_shape=(224, 224, 3))
    x = tf.constant(np.random.default_rng(0).random((batch, 224, 224, 3), np.float32))
    run = tf.function(lambda x: net(x, training=False))
    run(x)

    def round_():
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < 3:
            run(x)
            n += batch
        return {"value": n / (time.perf_counter() - start), "unit": "images/s"}
    serve(round_, version=f"{keras.__version__}, TensorFlow {tf.__version__}")


def decode(folder, means):
    paths = photo_paths(folder)

    def read(path):
        pixels = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False) if not all_jpeg else \
            tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_FAST")
        return tf.image.resize(pixels, (224, 224))
    all_jpeg = all(p.lower().endswith((".jpg", ".jpeg")) for p in paths)
    data = tf.data.Dataset.from_tensor_slices(paths).map(read, num_parallel_calls=cores()).batch(32).prefetch(2)
    np.concatenate([x.numpy().mean((1, 2)) for x in data]).astype("<f4").tofile(means)

    def round_():
        start = time.perf_counter()
        for _ in data:
            pass
        return {"value": len(paths) / (time.perf_counter() - start), "unit": "photos/s"}
    serve(round_, version=f"{keras.__version__}, TensorFlow {tf.__version__}")


what, *rest = sys.argv[1:]
if what == "decode":
    decode(*rest)
elif what == "head":
    head(int(rest[0]), [int(u) for u in rest[1].split(",")], int(rest[2]))
else:
    trunk(rest[0], int(rest[1]))
