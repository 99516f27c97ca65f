"""Every kind of layer against real Keras: config, shapes, weights, results and gradients, in several configurations each."""
import re
import sys
from pathlib import Path

import jax
import keras
import numpy as np
import pytest
from keras import layers as L
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from oracle import DriverError, assert_same, driver, expected, predict, read, write

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import golden_layer  # noqa: E402
from golden_layer import Op, knp, nn  # noqa: E402

CUSTOM = {c.__name__: c for c in (LayerScale, StochasticDepth, CustomScaleLayer)}
Q = (2, 6, 7, 4)


def more():
    """Configurations beside those of tools/golden_layer.py: odd sizes, strides that leave a rest, other axes."""
    yield "dense", L.Dense(1, "sigmoid", kernel_regularizer="l2"), (3, 4)
    yield "activity_regularization", L.ActivityRegularization(l2=.5), (2, 9)
    yield "dense", L.Dense(3, activity_regularizer=keras.regularizers.OrthogonalRegularizer(.2, "columns")), (3, 4)
    yield "conv2d", L.Conv2D(3, 2, activity_regularizer="l1"), Q
    yield "depthwise_conv2d", L.DepthwiseConv2D(2, activity_regularizer=keras.regularizers.L2(.3)), Q
    yield "separable_conv2d", L.SeparableConv2D(3, 2, activity_regularizer="l2"), Q
    yield "conv2d_transpose", L.Conv2DTranspose(3, 2, activity_regularizer=keras.regularizers.L1L2(.1, .2)), Q
    for padding in ("same", "valid"):
        yield "conv2d", L.Conv2D(5, (3, 2), strides=(2, 1), padding=padding, activation="silu"), Q
        yield "conv2d", L.Conv2D(8, 3, padding=padding, groups=4), Q
        yield "conv2d", L.Conv2D(3, (3, 2), dilation_rate=(2, 1), padding=padding), Q
        yield "depthwise_conv2d", L.DepthwiseConv2D(3, padding=padding, depth_multiplier=2), Q
        yield "depthwise_conv2d", L.DepthwiseConv2D(3, padding=padding, dilation_rate=2), Q
        yield "separable_conv2d", L.SeparableConv2D(5, 3, strides=2, padding=padding, use_bias=False), Q
        yield "conv2d_transpose", L.Conv2DTranspose(3, (3, 2), strides=2, padding=padding), Q
        yield "max_pooling2d", L.MaxPooling2D(3, strides=2, padding=padding), Q
        yield "max_pooling2d", L.MaxPooling2D(2, strides=1, padding=padding), Q
        yield "average_pooling2d", L.AveragePooling2D((3, 2), strides=(1, 2), padding=padding), Q
    yield "conv2d", L.Conv2D(6, 1, strides=2), Q
    yield "depthwise_conv2d", L.DepthwiseConv2D(5, padding="same", activation="relu6"), Q
    yield "separable_conv2d", L.SeparableConv2D(5, 3, activation="relu"), Q
    yield "conv2d_transpose", L.Conv2DTranspose(3, 3, padding="same", activation="gelu"), Q
    yield "batch_normalization", L.BatchNormalization(center=False), Q
    yield "batch_normalization", L.BatchNormalization(scale=False, center=False, epsilon=.1), Q
    yield "batch_normalization", L.BatchNormalization(trainable=False), Q
    yield "layer_normalization", L.LayerNormalization(scale=False), Q
    yield "layer_normalization", L.LayerNormalization(center=False, scale=False), (3, 5)
    yield "group_normalization", L.GroupNormalization(groups=4, epsilon=.01), Q
    yield "group_normalization", L.GroupNormalization(groups=1, center=False), Q
    for name in ("relu", "softmax", "log_softmax"):
        yield "activation", L.Activation(name), Q
    yield "relu", L.ReLU(6), Q
    yield "relu", L.ReLU(negative_slope=.3), Q
    yield "leaky_relu", L.LeakyReLU(.05), Q
    yield "prelu", L.PReLU(shared_axes=[1]), Q
    yield "elu", L.ELU(), Q
    yield "softmax", L.Softmax(), Q
    yield "softmax", L.Softmax(axis=1), (2, 9)
    yield "dropout", L.Dropout(.3, noise_shape=(None, 1, 1, 4)), Q
    yield "dropout", L.Dropout(0), (2, 9)
    yield "gaussian_dropout", L.GaussianDropout(.1, seed=3), (2, 9)
    yield "gaussian_noise", L.GaussianNoise(1.), (2, 9)
    yield "spatial_dropout2d", L.SpatialDropout2D(.9), Q
    yield "stochastic_depth", StochasticDepth(.9), Q
    yield "layer_scale", LayerScale(1., 5), (2, 5)
    yield "custom_scale_layer", CustomScaleLayer(1.), [Q, Q]
    yield "flatten", L.Flatten(), (3, 4)
    yield "flatten", L.Flatten(), Q
    yield "reshape", L.Reshape((4, -1, 2)), Q
    yield "reshape", L.Reshape((1, 1, 5)), (2, 5)
    yield "permute", L.Permute((2, 1)), (2, 3, 4)
    yield "permute", L.Permute((2, 3, 1)), Q
    yield "identity", L.Identity(), (2, 5)
    yield "global_average_pooling2d", L.GlobalAveragePooling2D(), Q
    yield "global_max_pooling2d", L.GlobalMaxPooling2D(keepdims=True), Q
    yield "zero_padding2d", L.ZeroPadding2D((1, 2)), Q
    yield "zero_padding2d", L.ZeroPadding2D(((0, 1), (0, 1))), Q
    yield "cropping2d", L.Cropping2D(1), Q
    yield "cropping2d", L.Cropping2D((0, 2)), Q
    yield "up_sampling2d", L.UpSampling2D(), Q
    yield "up_sampling2d", L.UpSampling2D((1, 3), interpolation="bilinear"), Q
    yield "resizing", L.Resizing(9, 11), Q
    yield "resizing", L.Resizing(3, 3, interpolation="nearest"), Q
    yield "center_crop", L.CenterCrop(3, 3), Q
    yield "center_crop", L.CenterCrop(6, 7), Q
    yield "rescaling", L.Rescaling(2., offset=[1., 2., 3., 4.]), Q
    yield "normalization", L.Normalization(axis=None, mean=1., variance=4.), Q
    yield "normalization", L.Normalization(axis=None), Q
    yield "add", L.Add(), [(2, 5), (2, 5)]
    yield "average", L.Average(), [Q, (2, 1, 1, 4)]
    yield "maximum", L.Maximum(), [Q, Q, Q]
    yield "minimum", L.Minimum(), [Q, Q, Q]
    yield "multiply", L.Multiply(), [Q, Q, Q]
    yield "subtract", L.Subtract(), [Q, (2, 1, 1, 4)]
    yield "concatenate", L.Concatenate(axis=2), [Q, (2, 6, 3, 4)]
    yield "concatenate", L.Concatenate(), [(2, 3), (2, 4), (2, 1)]
    for name, op in (("add", knp.Add), ("multiply", knp.Multiply), ("subtract", knp.Subtract), ("true_divide", knp.TrueDivide),
                     ("maximum", knp.Maximum), ("minimum", knp.Minimum)):
        yield f"op_{name}", Op(op(), .7, None), Q
        yield f"op_{name}", Op(op(), None, -1.3), Q
        yield f"op_{name}", Op(op(), None, None), [Q, Q]
    yield "op_flip", Op(knp.Flip(axis=1), None), Q
    yield "op_flip", Op(knp.Flip(axis=2), None), Q
    yield "op_softmax", Op(nn.Softmax(), None), Q
    yield "op_leaky_relu", Op(nn.LeakyRelu(), None), Q
    yield "op_elu", Op(nn.Elu(), None), Q


CASES = {}
for name, layer, shapes, *rest in [*golden_layer.cases(), *more()]:
    if not isinstance(layer, Op) and layer.get_config().get("activation") == "glu":
        continue  # Keras's own shapes are wrong; see test_every_activation_of_keras_is_here_or_refused
    CASES.setdefault(name, []).append((layer, shapes if isinstance(shapes, list) else [shapes]))
BATCH = 4


def test_every_registered_kind_has_cases():
    kinds = {line["kind"] for line in driver("kinds")}
    assert kinds == set(CASES), f"without a case: {kinds - set(CASES)}; not registered: {set(CASES) - kinds}"
    assert [k for k in kinds if len(CASES[k]) < 2 and not k.startswith("op_")] == []


def test_every_activation_of_keras_is_here_or_refused(tmp_path):
    """By name, in a layer. The one that is refused cannot be used so in Keras either: it misses two numbers."""
    named = set(keras.src.activations.ALL_OBJECTS_DICT) - {"swish", "hard_swish"}
    assert named - set(golden_layer.ACTIVATIONS) == {"glu", "threshold"}
    i = keras.Input((6,))
    keras.Model(i, L.Dense(4, "threshold")(i)).save(tmp_path / "m.keras")
    with pytest.raises(DriverError, match="not supported yet: activation 'threshold'") as error:
        driver("info", model=tmp_path / "m.keras")
    assert error.value.status == 2
    # glu halves the channels, which Keras's layers do not know of; the operation does.
    i = keras.Input((6,))
    keras.Model(i, L.Dense(4, "glu")(i)).save(tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras")
    x = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    y = expected(model, x)
    assert y[0].shape == (3, 2) and model.output_shape == (None, 4)
    assert_same(predict(tmp_path, x, y, model=tmp_path / "m.keras"), y, 1e-6)
    i = keras.Input((6,))
    keras.Model(i, L.Dense(5)(keras.activations.glu(L.Dense(8)(i)))).save(tmp_path / "m.keras")
    driver("save", model=tmp_path / "m.keras", to=tmp_path / "n.keras")
    y = expected(keras.models.load_model(tmp_path / "m.keras"), x)
    assert_same(expected(keras.models.load_model(tmp_path / "n.keras"), x), y, 1e-6)


class Branch:
    """One case: a layer, its inputs, and in front of each a PReLU whose slopes' gradients tell what comes back through the layer."""

    def __init__(self, at, layer, shapes):
        self.inputs = [keras.Input(s[1:], name=f"in{at}_{i}") for i, s in enumerate(shapes)]
        x = [L.PReLU(name=f"slope{at}_{i}")(a) for i, a in enumerate(self.inputs)]
        self.is_root = isinstance(layer, Op) and isinstance(layer.op, knp.Sqrt)
        if isinstance(layer, Op):
            rest = list(x)
            y = layer.op.__class__(**arguments(layer.op))(*[rest.pop(0) if a is None else a for a in layer.args])
        else:
            y = layer.__class__.from_config({**layer.get_config(), "name": f"it{at}"})(x if len(x) > 1 else x[0])
        self.output = L.Flatten(name=f"end{at}")(y)


def arguments(op):
    return {k: v for k, v in op.get_config().items() if k != "name"}


def side_by_side(cases):
    """One model of all cases of a kind, which answers with all their results in one row. Compiling takes most of the time."""
    branches = [Branch(i, layer, shapes) for i, (layer, shapes) in enumerate(cases)]
    inputs = [i for b in branches for i in b.inputs]
    rows = [b.output for b in branches]
    # The scale keeps a final softmax or sigmoid from being the model's last function, where losses start.
    return keras.Model(inputs, L.Rescaling(.7, name="end")(L.Concatenate(name="all")(rows) if len(rows) > 1 else rows[0])), branches


def fill(model, branches, rng):
    """Negative inputs, so that the slopes are all in use; what reaches the layer has both signs (a root wants positive numbers)."""
    roots = {f"slope{i}_0" for i, b in enumerate(branches) if b.is_root}
    for v in model.weights:
        value = rng.normal(0, 1, v.shape)
        if "variance" in v.name:
            value = abs(value) + .3
        if v.path.split("/")[0] in roots:
            value = -abs(value) - .3
        if v.dtype == "float32":
            v.assign(value.astype(np.float32))
    for l in model.layers:
        if isinstance(l, L.Normalization):
            l.finalize_state()
    return [-(abs(rng.normal(0, 1, (BATCH, *i.shape[1:]))) + .1).astype(np.float32) for i in model.inputs]


def results(model, x, dy, training):
    """Output in inference, and the gradients of sum(output * dy)."""
    trained, others = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]

    def total(trained):
        return (model.stateless_call(trained, others, x, training=training)[0] * dy).sum()
    y, g = jax.jit(lambda: (model.stateless_call(trained, others, x, training=False)[0], jax.grad(total)(trained)))()
    return np.asarray(y), [np.asarray(a) for a in g]


def named(variable):
    """Its layer's name and its own. Keras numbers those that have none (LayerScale's) as they come."""
    return re.sub(r"variable(_\d+)?$", "gamma", ".".join(variable.path.split("/")[-2:]))


def case_of(path):
    return int(re.match(r"\D+(\d+)", path).group(1))


def assert_config_same(ours, theirs):
    """As numbers, so that 6 is 6.0; without what only says how first values were drawn."""
    a, b = (keras.saving.serialize_keras_object(l.get_config()) for l in (ours, theirs))
    assert type(ours) is type(theirs) and {**a, "seed": 0} == {**b, "seed": 0}


def portions():
    """A model has at most eight inputs."""
    for kind, cases in sorted(CASES.items()):
        n = max(1, 8 // max(len(shapes) for _, shapes in cases))
        for i in range(0, len(cases), n):
            yield pytest.param(kind, cases[i:i + n], id=f"{kind}-{i}" if i else kind)


@pytest.mark.parametrize("kind, cases", portions())
def test_a_layer_is_keras_s_layer(kind, cases, tmp_path):
    rng = np.random.default_rng(5)
    model, branches = side_by_side(cases)
    x = fill(model, branches, rng)
    dy = rng.normal(0, 1, (BATCH, *model.output_shape[1:])).astype(np.float32)
    is_random = kind in ("dropout", "gaussian_dropout", "gaussian_noise", "spatial_dropout2d", "stochastic_depth")
    y, gradients = results(model, x if len(x) > 1 else x[0], dy, training=not is_random)
    file = tmp_path / "m.keras"
    model.save(file)
    # The numbers, case by case.
    ours, at = predict(tmp_path, x, [y], model=file)[0], 0
    for i, b in enumerate(branches):
        part = slice(at, at + b.output.shape[1])
        worst, at = np.abs(ours[:, part] - y[:, part]).max() / max(1, np.std(y[:, part])), part.stop
        assert worst <= 1e-4, f"{say(cases[i])}: largest difference {worst:g}"
    # Gradients of slopes and own weights, by the names and in the order of Keras.
    names = [line["gradient"] for line in
             driver("gradients", model=file, x=",".join(str(tmp_path / f"x{i}.f32") for i in range(len(x))),
                    dy=write(tmp_path / "dy.f32", dy), y=tmp_path, training=int(not is_random))]
    assert names == [named(v) for v in model.trainable_variables]
    for name, g in zip(names, gradients):
        worst = np.abs(read(tmp_path / f"{name}.f32", g.shape) - g).max() / max(np.abs(g).max(), 1e-3)
        assert worst <= 1e-4, f"{say(cases[case_of(name)])}: gradient of {name}: {worst:g}"
    # What is written here is read there as the same layers with the same weights.
    driver("save", model=file, to=tmp_path / "n.keras")
    again = keras.models.load_model(tmp_path / "n.keras", custom_objects=CUSTOM)
    assert [(named(v), tuple(v.shape), v.trainable) for v in again.weights] == [(named(v), tuple(v.shape), v.trainable) for v in model.weights]
    assert len(again.operations) == len(model.operations)
    for a, b in zip(again.operations, model.operations):
        assert_config_same(a, b)
        assert a.output.shape == b.output.shape, f"{b.name}: shape {a.output.shape}, expected {b.output.shape}"
    for v, w in zip(again.weights, model.weights):
        assert np.array_equal(v.numpy(), w.numpy()), v.path


def say(case):
    layer, shapes = case
    return f"{shapes}, {layer.op.get_config() if isinstance(layer, Op) else layer.get_config()}"
