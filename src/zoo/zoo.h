// The zoo: architectures by name. One file per family, found by its line in zoo/list.inc: TW_FAMILY(vgg).
//
// A family lists its variants (names, input size, weights files) and builds them. Names are Keras's module style;
// case, '-' and '_' do not matter; a width is written after a colon: mobilenet_v2:0.35.
#ifndef TWI_ZOO_ZOO_H
#define TWI_ZOO_ZOO_H

#include "layer/layer.h"

typedef struct twi_zoo_options {
    bool has_top;
    tw_shape input;                    // rank 3 (h, w, 3), or rank 0: the variant's default
    const char *pooling;               // NULL, "avg" or "max" (without top)
    int64_t classes;                   // with top; 0: 1000
    const char *classifier_activation; // with top; NULL: "softmax"
    const char *name;                  // of the model; NULL: Keras's
    bool is_random; // Keras's weights=None: EfficientNet B0–B7 have one Rescaling more with published weights
} twi_zoo_options;

// A file of published weights.
typedef struct twi_zoo_weights {
    const char *file, *file_no_top; // Keras's own file names; no_top NULL: the same file serves
    const char *hash, *hash_no_top; // MD5 (32 hex) or SHA-256 (64 hex), or NULL
    const char *url;                // folder at its publisher, for `topwork fetch`; NULL: not fetched by URL
    const char *remote, *remote_no_top; // names there, where they differ from `file`; or NULL
} twi_zoo_weights;

typedef struct twi_zoo_variant {
    const char *name;       // "mobilenet_v2"
    const char *model_name; // Keras's name of the model; after a final '_' the input height follows
    double alpha;           // width multiplier; 1 where the family has none
    int64_t input_size, min_size;
    const char *preprocess;        // tf | torch | caffe | lite | unit | raw (normalised inside the model)
    int64_t params, params_no_top; // as Keras counts them (applications.tsv): checked by a test
    double top1;                   // published ImageNet accuracy, 0..1; 0: not known
    twi_zoo_weights weights;
    const void *detail; // the family's own table row
} twi_zoo_variant;

typedef struct twi_zoo_family {
    const char *name;                // "mobilenet_v2"
    const char *paper;               // source
    const twi_zoo_variant *variants; // NULL-name-ended
    // Builds into a fresh functional model and sets its output (not yet verified). Options come with classes,
    // classifier_activation and input filled in.
    void (*build)(tw_model *m, const twi_zoo_variant *v, const twi_zoo_options *o, twi_tensor input);
    // How this family's torch files name the weights, or NULL (see format/torch.c): Keras weight path -> torch name.
    bool (*torch_name)(const twi_zoo_variant *v, const char *path, char *name, size_t size);
} twi_zoo_family;

extern const twi_zoo_family *const twi_families[]; // NULL-ended
#define TW_FAMILY(name) extern const twi_zoo_family twi_family_##name;
#include "zoo/list.inc"
#undef TW_FAMILY

// By name, with or without ":alpha" (without: width 1). NULL with TW_EINVAL naming the nearest.
const twi_zoo_variant *twi_zoo_find(const char *name, const twi_zoo_family **family, tw_err *err);
// Builds a model with unset weights, and notes the name under "trunk" in its info. TW_EINVAL for sizes below the minimum.
tw_model *twi_zoo_build(const char *name, const twi_zoo_options *o, tw_err *err);
// The same onto a tensor of a model under construction: its shape is the input size, and the network's output becomes the
// model's. options->input and name are not used.
tw_status twi_zoo_build_on(tw_model *m, twi_tensor x, const char *name, const twi_zoo_options *o,
                           tw_err *err);

#endif
