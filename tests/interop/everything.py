"""A network with every op that files of other languages are written from."""
import keras
from keras import layers as L

from oracle import calibrate, pictures


def branches(i):
    x = L.Conv2D(8, 3, padding="same", name="stem")(i)
    yield L.Conv2D(8, (3, 2), groups=4, padding="same", dilation_rate=2, activation="relu")(x)
    yield L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="silu")(x)
    yield L.SeparableConv2D(6, 3, padding="same", activation="gelu")(x)
    y = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="tanh")(x)
    yield L.MaxPooling2D(3, 2, padding="same")(y)
    y = L.Conv2DTranspose(5, (2, 3), strides=(3, 2), activation=keras.activations.hard_silu, use_bias=False)(x)
    yield L.Resizing(12, 10, interpolation="bilinear")(y)
    yield L.AveragePooling2D(3, 1, padding="same")(L.Activation("softplus")(x))
    yield L.BatchNormalization()(L.MaxPooling2D(2, 1, padding="same")(x))
    yield L.Cropping2D(((1, 0), (0, 2)))(L.ZeroPadding2D(((0, 1), (2, 0)))(L.Activation("elu")(x)))
    yield L.UpSampling2D(2)(L.AveragePooling2D(2)(x))
    yield L.Resizing(12, 10, interpolation="nearest")(L.Conv2D(4, 3)(x))
    yield L.UpSampling2D((2, 2), interpolation="bilinear")(L.Conv2D(3, 1, strides=2, activation="selu")(x))
    yield L.LayerNormalization()(x)
    yield L.Permute((2, 1, 3))(L.Reshape((10, 12, 8))(L.Activation("mish")(x)))
    squeeze = L.Dense(8, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    yield L.Multiply()([x, squeeze])
    yield L.Softmax()(L.LeakyReLU(.2)(x))
    yield L.PReLU()(L.GroupNormalization(4)(x))
    yield keras.ops.flip(x, axis=-1) / 3. + keras.ops.maximum(x, .2) * keras.ops.minimum(x, .5)
    yield L.Subtract()([L.Maximum()([x, L.ReLU(6.)(x)]), L.Activation("softsign")(x)])
    yield 1. - L.Rescaling(.5, offset=.1)(L.Activation("hard_sigmoid")(x))
    yield L.Activation(keras.activations.exponential)(L.Activation("tanh")(x))
    yield L.ReLU(max_value=1.5, negative_slope=.1, threshold=.3)(x)
    yield L.Activation("log_softmax")(L.Activation("squareplus")(x))
    yield L.Add()([L.Activation(f)(x) for f in ("soft_shrink", "hard_shrink", "sparse_plus", "sparse_sigmoid")])
    yield L.Add()([L.Activation(f)(x) for f in ("tanh_shrink", "hard_tanh", "log_sigmoid", "celu")])


def everything():
    """Two inputs, two outputs; one output keeps its height and width."""
    i, j = keras.Input((12, 10, 3), name="photo"), keras.Input((5,), name="more")
    parts = list(branches(i))
    x = L.Concatenate(name="all")([L.Concatenate()(parts[:8]), L.Concatenate()(parts[8:16]), L.Concatenate()(parts[16:])])
    a = L.Concatenate(axis=1)([x, x])
    a = L.Concatenate(axis=2)([a, a])
    p = L.Concatenate()([L.GlobalMaxPooling2D()(x), L.GlobalAveragePooling2D()(a), L.Flatten()(L.Conv2D(2, 5, strides=3)(x)), j])
    p = L.BatchNormalization()(L.Dense(16)(p))
    p = L.Dropout(.5)(L.Activation("relu")(p))
    m = keras.Model([i, j], [L.Dense(4, activation="softmax", name="kind")(p), L.Conv2D(2, 1, name="map")(x)], name="everything")
    x = [pictures(4, 12, 10, 3) / 127.5 - 1, pictures(4, 1, 5, 1)[:, 0, :, 0] / 127.5 - 1]
    return calibrate(m, x), x
