// The rows of `topwork train`, in the order of its help.

#include "api/options.h"
#include "data/augment.h"
#include "job/classifier.h"
#include "train/callback.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

typedef tw_train_options train;

static const char *const bn_modes[] = {"auto", "freeze", "train", NULL};
static const char *const auto_word[] = {"auto", NULL};
static const char *const class_weights[] = {"none", "balanced", NULL};

// clang-format off
const tw_field tw_train_fields[] = {
    {TWI_TEXT("photos", "a folder with one sub-folder a class, or with the class in each file name", train, photos),
        .value = "PHOTOS", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},

    {TWI_TEXT("model", "pretrained network (a width as mobilenet_v2:0.35) or model file", train, model),
        .otherwise = "efficientnet-lite0", .value = "NAME|FILE", .group = "model"},
    {TWI_TEXT("weights", "what the network starts from", train, weights), .otherwise = "imagenet", .value = "imagenet|none|FILE"},
    {TWI_TEXT("head", "new layers: \"flatten, dense:256:relu, dropout:0.5\", and an output where they lack one; or 'output': all but the last layer stays",
              train, head), .otherwise = TWI_HEAD_DEFAULT, .value = "SPEC|FILE.json|output"},
    {TWI_TEXT("freeze", "what does not learn: all, none, first:N, until:NAME, or layers as NAME,#2,block1_*", train, freeze),
        .otherwise = "all", .value = "SPEC"},
    {TWI_TEXT("cut", "use the network up to this layer, by name or place as #-5 [all but its classifier]", train, cut), .value = "LAYER"},
    {TWI_FLAG("top", "keep the network's own classifier under the head", train, top)},
    {TWI_FLAG("no_top", "leave it out, which is the default", train, no_top)},
    TWI_OPTION_INPUT_SIZE(train),
    {TWI_FLAG("skip_mismatch", "leave out weights of another shape", train, skip_mismatch)},
    {TWI_FLAG("by_name", "load weights by layer name; what has none keeps its first values", train, by_name)},

    {TWI_TEXT("labels", "CSV file with a line path,label for each photo", train, labels), .value = "FILE.csv", .group = "photos"},
    TWI_OPTION_LABEL_REGEX(train),
    {TWI_FLOAT("val_split", "share of the photos that validates", train, val_split, 0, 0.99), .otherwise = "0.2"},
    {TWI_FLOAT("test_split", "share of the photos kept for a final test", train, test_split, 0, 0.95), .otherwise = "0"},
    {TWI_INT("per_class", "use at most so many photos of each class; 0: all", train, per_class, 0, TW_DIM_MAX), .otherwise = "0"},
    {TWI_TEXT("val", "folder of validation photos, instead of a share", train, val), .value = "DIR"},
    {TWI_TEXT("test", "folder of test photos, instead of a share", train, test), .value = "DIR"},

    {TWI_INT("epochs", "how often the head sees every photo", train, epochs, 0, TW_DIM_MAX), .otherwise = "10", .group = "training"},
    {TWI_TEXT("lr", "learning rate; auto: tries rates and takes a good one [the optimizer's own: 1e-3 for adam, 1e-2 for sgd]", train, lr), .value = "X|auto"},
    {TWI_TEXT("optimizer", "how weights move, with arguments as sgd:momentum=0.9", train, optimizer),
        .otherwise = "adam", .names = twi_optimizer_names, .value = "SPEC"},
    {TWI_TEXT("schedule", "learning rate of each step, with arguments as cosine_decay:alpha=0.1", train, schedule),
        .names = twi_schedule_names, .value = "SPEC"},
    {TWI_TEXT("loss", "what is made small [from the classes]", train, loss), .names = twi_loss_names, .value = "SPEC"},
    {TWI_TEXT("metrics", "what is measured too, as \"auc, precision:0.7\"", train, metrics),
        .names = twi_metric_names, .value = "LIST"},
    {TWI_TEXT("callbacks", "what watches, as \"reduce_lr_on_plateau:patience=2\"", train, callbacks),
        .names = twi_callback_names, .value = "LIST"},
    {TWI_INT("batch_size", "photos a step; auto: the smallest that is nearly as fast as any", train, batch_size, 0, 65536),
        .otherwise = "32", .choices = auto_word, .value = "N|auto"},
    {TWI_INT("patience", "stop after so many epochs without a better validation loss; 0: never", train, patience, 0, TW_DIM_MAX),
        .otherwise = "3"},
    {TWI_FLOAT("l1", "L1 penalty on the kernels of all new layers", train, l1, 0, 1e6), .otherwise = "0"},
    {TWI_FLOAT("l2", "L2 penalty on the kernels of all new layers", train, l2, 0, 1e6), .otherwise = "0"},
    {TWI_FLAG("proximal", "L1 sets weights exactly to zero", train, proximal)},
    {TWI_FLOAT("dropout", "rate of every Dropout of the head, or of a new one at its end; below 0: as the head says", train, dropout, -1, 0.99), .otherwise = "-1"},
    {TWI_CHOICE("class_weight", "whether rare classes count more", train, class_weight, class_weights), .otherwise = "none"},
    {TWI_INT("seed", "of every random number", train, seed, 0, TWI_SEED_MAX), .otherwise = "1"},
    {TWI_TEXT("augment", "changes photos in each epoch, as \"flip, rotation:0.1\"", train, augment),
        .names = twi_augment_names, .value = "SPEC"},
    {TWI_INT("augment_copies", "changed copies of each photo, computed once and kept as features", train, augment_copies, 0, 100),
        .otherwise = "0"},
    {TWI_FLOAT("mixup", "mixes pairs of photos and their labels, by this alpha; 0: none", train, mixup, 0, 100), .otherwise = "0"},
    {TWI_FLOAT("cutmix", "puts pieces of photos into others, by this alpha; 0: none", train, cutmix, 0, 100), .otherwise = "0"},

    {TWI_INT("fine_tune", "epochs in which the network learns too, after the head", train, fine_tune, 0, TW_DIM_MAX),
        .otherwise = "0", .value = "EPOCHS", .group = "fine-tuning"},
    {TWI_TEXT("fine_tune_from", "first layer that learns then [the first]", train, fine_tune_from), .value = "LAYER"},
    {TWI_FLOAT("fine_tune_lr", "learning rate then [lr/100]", train, fine_tune_lr, 0, 1e6)},
    {TWI_FLOAT("fine_tune_stem", "share of that rate for the first layer, growing layer by layer to 1 for the head", train,
               fine_tune_stem, 0, 1), .otherwise = "1"},
    {TWI_INT("fine_tune_warmup", "steps in which the rate grows from near 0", train, fine_tune_warmup, 0, TW_DIM_MAX),
        .otherwise = "0", .value = "STEPS"},
    {TWI_INT("unfreeze_every", "free the network in parts, from its end: one each so many epochs; 0: all at once", train,
             unfreeze_every, 0, TW_DIM_MAX), .otherwise = "0", .value = "EPOCHS"},
    {TWI_CHOICE("bn", "batch normalization: keep its statistics or train it; auto: keep, but train with --weights none",
                train, bn, bn_modes), .otherwise = "auto"},

    {TWI_CHOICE("filter", "how photos are resampled", train, filter, twi_filter_names), .otherwise = "tf-antialias", .group = "pixels"},
    {TWI_CHOICE("resize", "how photos fit the input: stretched, cut to its shape, or with a rim", train, resize, twi_fit_mode_names),
        .otherwise = "stretch"},
    TWI_OPTION_PREPROCESS(train),
    {TWI_CHOICE("photo_alpha", "transparent pixels: on white, or as stored", train, photo_alpha, twi_alpha_names), .otherwise = "white"},
    {TWI_CHOICE("exif", "the camera's note on which way is up", train, exif, twi_exif_names), .otherwise = "apply"},
    TWI_OPTION_EXACT_DECODE(train),

    {TWI_TEXT("output_dir", "the run directory [runs/<model>-<n>]", train, output_dir), .value = "DIR", .group = "output"},
    {TWI_FLAG("force", "write over an existing run", train, force)},
    {TWI_FLAG("resume", "go on with the run in --output-dir", train, resume)},
    {TWI_FLAG("save_optimizer", "the model file also holds the optimizer, to go on with in Keras", train, save_optimizer)},
    {TWI_FLAG("tensorboard", "write event files for TensorBoard too", train, tensorboard)},
    {TWI_CHOICE("format", "text, or one JSON event a line on standard output", train, format, twi_option_formats), .otherwise = "text"},
    {TWI_TEXT("config", "JSON file with any of these options, such as a run's args.json; flags win", train, config), .value = "FILE.json"},

    {TWI_INT("threads", "worker threads [one per core]", train, threads, 0, 1024), .group = "speed and memory"},
    TWI_OPTION_PRECISION(train),
    TWI_OPTION_CACHE(train),
    TWI_OPTION_CACHE_LIMIT(train),
    {TWI_TEXT("memory", "take no more, as 2G or 500M: fewer activations are kept, or it is refused [what is free]", train, memory), .value = "LIMIT"},
    {TWI_TEXT("plan", "compute features exactly as another run did, by its plan.json", train, plan), .value = "FILE"},
    {0}};
// clang-format on
