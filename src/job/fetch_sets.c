// The sets `topwork fetch` knows beside the weights of the zoo. See fetch.h.
//
// Source   Keras's applications (class index), keras.io's image classification example and TensorFlow Datasets (cats and
//          dogs), the Oxford-IIIT pet data set's page.

#include "job/fetch.h"

const twi_fetch_set twi_fetch_sets[] = {
    {.name = "imagenet-classes",
     .doc = "names of the 1,000 ImageNet classes",
     .file = "imagenet_class_index.json",
     .url = "https://storage.googleapis.com/download.tensorflow.org/data/",
     .hash = "c2c37ea517e94d9795004a39431a14cb",
     .megabytes = 0.04},
    {.name = "cats-vs-dogs",
     .doc = "25,000 photos of cats and dogs (Asirra)",
     .file = "kagglecatsanddogs_5340.zip",
     .url = "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/",
     .hash = "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
     .megabytes = 824.9,
     .unpack = twi_unpack_cats_dogs},
    {.name = "oxford-pets",
     .doc = "7,390 photos of 37 breeds of cats and dogs",
     .file = "images.tar.gz",
     .url = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/",
     .hash = "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
     .megabytes = 791.9,
     .unpack = twi_unpack_pets},
    {0}};
