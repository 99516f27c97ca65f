"""Models of every shape that files have: each returns (model, input)."""
import keras
import numpy as np
from keras import layers as L

from oracle import calibrate, pictures


def small_trunk(name="trunk", size=16):
    i = keras.Input((size, size, 3), name=f"{name}_in")
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(i)
    x = L.BatchNormalization(name="stem_bn", epsilon=1.001e-5)(x)
    x = L.ReLU(6.0, name="stem_relu")(x)
    y = L.DepthwiseConv2D(3, padding="same", name="dw")(x)
    y = L.BatchNormalization(name="dw_bn")(y)
    z = L.SeparableConv2D(8, 3, padding="same", name="sep")(x)
    x = L.Add(name="join")([z, y])
    return keras.Model(i, x, name=name)


def sequential():
    m = keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(1 / 127.5, offset=-1), L.Conv2D(8, 3, strides=2), L.ReLU(),
                          L.MaxPooling2D(), L.Flatten(), L.Dense(16, activation="relu", kernel_regularizer="l2"),
                          L.Dropout(.5), L.Dense(3, activation="softmax")], name="chain")
    x = pictures(4, 16, 16, 3)
    return calibrate(m, x), x


def functional():
    i = keras.Input((16, 16, 3), name="photo")
    x = L.Rescaling(1 / 50, offset=-2.5)(i)
    a = L.Conv2D(6, 3, padding="same", activation="relu", name="zz")(x)
    b = L.Conv2D(6, 5, padding="same", name="aa")(a)
    c = L.Conv2D(6, 1, name="bb")(a)
    x = L.Concatenate()([L.Add()([c, b]), a])
    x = L.GlobalAveragePooling2D()(x)
    m = keras.Model(i, L.Dense(2, activation="softmax")(x), name="graph")
    x = pictures(4, 16, 16, 3)
    return calibrate(m, x, seed=9), x


def frozen_nest():
    trunk = small_trunk()
    trunk.trainable = False
    m = keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(1 / 127.5, offset=-1), trunk, L.GlobalAveragePooling2D(),
                          L.Dropout(.2), L.Dense(1, activation="sigmoid")], name="classifier")
    x = pictures(4, 16, 16, 3)
    return calibrate(m, x), x


def partly_frozen_nest():
    m, x = frozen_nest()
    trunk = m.layers[1]
    trunk.trainable = True
    for name in ("stem_bn", "dw_bn"):
        trunk.get_layer(name).trainable = False
    return m, x


def nest_in_functional():
    trunk = small_trunk()
    trunk.trainable = False
    i = keras.Input((16, 16, 3), name="photo")
    x = L.Rescaling(1 / 127.5, offset=-1, name="scale")(i)
    x = trunk(x, training=False)
    x = L.GlobalAveragePooling2D()(x)
    m = keras.Model(i, L.Dense(3, activation="softmax", name="out")(x), name="outer")
    x = pictures(4, 16, 16, 3)
    return calibrate(m, x), x


def nest_as_output():
    trunk = small_trunk()
    head = keras.Sequential([L.GlobalAveragePooling2D(), L.Dense(2, activation="softmax")], name="head")
    i = keras.Input((16, 16, 3), name="photo")
    m = keras.Model(i, [head(trunk(L.Rescaling(1 / 127.5, offset=-1)(i)))], name="outer2")
    x = pictures(4, 16, 16, 3)
    return calibrate(m, x), x


def shared_layers():
    i, j = keras.Input((12, 12, 3), name="left"), keras.Input((12, 12, 3), name="right")
    conv, trunk = L.Conv2D(5, 3, name="both"), small_trunk("twin", 12)
    pool = L.GlobalAveragePooling2D(name="pool")
    scale = L.Rescaling(1 / 127.5, offset=-1, name="scale")
    a, b = scale(i), scale(j)
    p = L.Concatenate(name="cat")([pool(conv(a)), pool(conv(b)), pool(trunk(a)), pool(trunk(b))])
    m = keras.Model([i, j], [L.Dense(3, activation="softmax", name="kind")(p), L.Dense(1, name="score")(p)], name="two")
    x = [pictures(4, 12, 12, 3), pictures(4, 12, 12, 3, seed=4)]
    return calibrate(m, x), x


def arithmetic():
    """What preprocess_input leaves in a graph, and other operations without a layer."""
    i = keras.Input((16, 16, 3), name="photo")
    x = keras.ops.flip(i / 127.5 - 1., axis=-1)
    a = L.Conv2D(6, 3, padding="same", name="a")(x)
    b = L.Conv2D(6, 3, padding="same", name="b")(x)
    x = keras.ops.relu(a + b) * .5 + 1. / (2. + keras.ops.sigmoid(b))
    x = L.GlobalAveragePooling2D()(keras.ops.maximum(x, .1))
    m = keras.Model(i, L.Dense(2, activation="softmax", name="out")(1. - x), name="ops")
    x = pictures(4, 16, 16, 3)
    return calibrate(m, x), x


def normalised():
    """What tutorials put before the trunk: augmentation as a nested chain, statistics learnt from pictures."""
    x = pictures(4, 16, 16, 3)
    norm = L.Normalization(name="norm")
    norm.adapt(x)
    augment = keras.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(.1)], name="augment")
    i = keras.Input((16, 16, 3), name="photo")
    y = L.Conv2D(6, 3, name="c")(norm(augment(i)))
    m = keras.Model(i, L.Dense(2, activation="softmax", name="out")(L.GlobalMaxPooling2D(name="pool")(y)), name="tutorial")
    return calibrate(m, x), x


def tangle():
    """Shared layers called at several depths, outputs out of the middle, an input that leads nowhere."""
    i, j, k = (keras.Input((6,), name=n) for n in ("one", "two", "three"))
    d = [L.Dense(6, name=f"d{n}") for n in (4, 2, 9, 1, 7)]
    a = d[0](d[1](d[0](i)))
    b = d[2](j)
    c = d[3](L.Add(name="join")([b, d[4](a), d[1](b)]))
    x = L.Add(name="end")([d[4](c), d[2](a), i])
    m = keras.Model([i, j, k], [d[2](c), x, b], name="tangle")
    rng = np.random.default_rng(1)
    return calibrate(m, [rng.normal(0, 1, (4, 6)).astype(np.float32) for _ in range(3)]), \
        [rng.normal(0, 1, (4, 6)).astype(np.float32) for _ in range(3)]


def mobilenet():
    m = keras.applications.MobileNetV2(input_shape=(64, 64, 3), alpha=.35, weights=None, classes=10)
    x = pictures(4, 64, 64, 3) / 127.5 - 1
    return calibrate(m, x), x


ALL = [sequential, functional, frozen_nest, partly_frozen_nest, nest_in_functional, nest_as_output, shared_layers, arithmetic, tangle, normalised]


def fresh_like(model):
    """The same architecture at other weights, everything trainable."""
    other = keras.models.clone_model(model)
    other.trainable = True
    for v in other.weights:
        if v.dtype == "float32":
            v.assign(np.random.default_rng(99).normal(0, .1, tuple(v.shape)) ** 2)
    return other
