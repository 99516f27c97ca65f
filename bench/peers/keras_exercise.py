"""The exercise of a lesson as a notebook writes it: keras_exercise.py TRUNK PHOTOS EPOCHS HEAD MODE OUT

A frozen trunk (a .keras file), a new head ("flatten,4096,1024" or "average"; one sigmoid unit follows), photos from a folder,
Adam, the model saved. MODE script: every epoch decodes and runs the trunk, as the notebook does. MODE features: the trunk runs once."""
import sys

import keras

trunk_path, photos, epochs, head, mode, out = sys.argv[1:]
trunk = keras.saving.load_model(trunk_path, compile=False)
trunk.trainable = False
height, width = trunk.input_shape[1:3]
train, val = keras.utils.image_dataset_from_directory(photos, label_mode="binary", image_size=(height, width), batch_size=32,
                                                      validation_split=0.2, subset="both", seed=1)


def scaled(pixels, label):
    return pixels / 127.5 - 1, label


def grow(x):
    first, *units = head.split(",")
    x = keras.layers.Flatten()(x) if first == "flatten" else keras.layers.GlobalAveragePooling2D()(x)
    for n in units:
        x = keras.layers.Dense(int(n), activation="relu")(x)
    return keras.layers.Dense(1, activation="sigmoid")(x)


train, val = train.map(scaled), val.map(scaled)
if mode == "script":
    inputs = keras.Input((height, width, 3))
    model = keras.Model(inputs, grow(trunk(inputs, training=False)))
else:
    import numpy as np
    sets = []
    for data in (train, val):
        pairs = [(trunk.predict_on_batch(x), y) for x, y in data]
        sets.append(tuple(np.concatenate(part) for part in zip(*pairs)))
    inputs = keras.Input(trunk.output_shape[1:])
    model = keras.Model(inputs, grow(inputs))
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
if mode == "script":
    model.fit(train, validation_data=val, epochs=int(epochs), verbose=0)
else:
    (x, y), validation = sets
    model.fit(x, y, batch_size=32, validation_data=validation, epochs=int(epochs), verbose=0)
    pixels = keras.Input((height, width, 3))
    model = keras.Model(pixels, model(trunk(pixels)))
model.save(out)
