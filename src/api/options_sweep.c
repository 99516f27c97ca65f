// The rows of `topwork sweep`, in the order of its help. What is not here comes from --config or the grid.

#include "api/options.h"
#include "job/classifier.h"
#include "train/optimizer.h"

typedef tw_sweep_options sweep;

// clang-format off
const tw_field tw_sweep_fields[] = {
    {TWI_TEXT("photos", "a folder of photos, as for train", sweep, photos),
        .value = "PHOTOS", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_TEXT("grid", "options of train with their values: 'dropout=0,0.2,0.5 l2=0,1e-4'; heads are parted by |", sweep, grid),
        .value = "SPEC", .flags = TW_FIELD_REQUIRED},
    {TWI_TEXT("config", "JSON file with any options of train, such as a run's args.json; flags win", sweep, config), .value = "FILE.json"},
    {TWI_TEXT("model", "pretrained network or model file", sweep, model), .otherwise = "efficientnet-lite0", .value = "NAME|FILE"},
    {TWI_TEXT("weights", "what the network starts from", sweep, weights), .otherwise = "imagenet", .value = "imagenet|none|FILE"},
    {TWI_TEXT("head", "new layers", sweep, head), .otherwise = TWI_HEAD_DEFAULT, .value = "SPEC"},
    {TWI_INT("epochs", "how often each head sees every photo", sweep, epochs, 0, TW_DIM_MAX), .otherwise = "10"},
    {TWI_TEXT("lr", "learning rate [the optimizer's own]", sweep, lr), .value = "X|auto"},
    {TWI_TEXT("optimizer", "how weights move", sweep, optimizer), .otherwise = "adam", .value = "SPEC"},
    {TWI_INT("batch_size", "photos a step", sweep, batch_size, 1, 65536), .otherwise = "32"},
    {TWI_INT("patience", "stop after so many epochs without a better validation loss; 0: never", sweep, patience, 0, TW_DIM_MAX),
        .otherwise = "3"},
    {TWI_FLOAT("val_split", "share of the photos that validates", sweep, val_split, 0, 0.99), .otherwise = "0.2"},
    {TWI_INT("seed", "of every random number", sweep, seed, 0, TWI_SEED_MAX), .otherwise = "1"},
    TWI_OPTION_THREADS(sweep),
    TWI_OPTION_CACHE(sweep),
    TWI_OPTION_CACHE_LIMIT(sweep),
    {TWI_TEXT("output_dir", "folder of the runs and the table; the same sweep goes on there [the first free of runs/sweep, runs/sweep-2 …]", sweep, output_dir),
        .value = "DIR"},
    TWI_OPTION_FORMAT(sweep),
    {0}};
// clang-format on
