"""One photo through a saved model in a process of its own, as a script would: keras_predict.py MODEL PHOTO"""
import sys

import keras
import numpy as np

model = keras.saving.load_model(sys.argv[1], compile=False)
height, width = model.input_shape[1:3]
photo = keras.utils.img_to_array(keras.utils.load_img(sys.argv[2], target_size=(height, width), interpolation="bilinear"))
print(*model.predict(photo[None], verbose=0)[0])
