// Trials of kernels. See trials.h.
//
// Measured is the quickest of a few runs after one that warms up, on numbers of a usual size. One that takes half as long again
// as the best so far is not run a second time. Another way than the usual one must win by a tenth: less is noise, and would
// only change the last digits.

#include "engine/trials.h"

#include "engine/cache.h"
#include "engine/choices.h"

#include "base/source.h"
#include "base/str.h"

#include <dirent.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define SHARE      0.03 // of the time of all runs
#define RATE       2e10 // multiply-adds a second, for that time
#define LEAST      0.2  // seconds: with less, nothing is tried
#define HOPELESS   1.5
#define NOTICEABLE 0.9
enum { RUNS = 4, FORMAT = 1 };

struct twi_trials {
    char *dir, *path; // NULL: nothing is remembered
    char processor[128], kernels[128];
    json_t *all; // by key
    double runs, left, spent;
    int made;
    bool is_new, tries;
};

// With one thread what it works, not what passes: a neighbour on this core would decide otherwise.
static double now(void)
{
    struct timespec t;
    clock_gettime(omp_get_max_threads() > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// --------------------------------------------------------------------------------------------------------------- the file

// The processor's name as the system gives it.
static void name_processor(char *name, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(name, size, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        char *text = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
        if (!text)
            continue;
        snprintf(name, size, "%.100s", text + 1 + strspn(text + 1, " \t"));
        name[strcspn(name, "\n")] = 0;
        break;
    }
    if (file)
        fclose(file);
}

static bool is_way(const json_t *one)
{
    const json_t *tried = json_object_get(one, "tried");
    const char *chosen = twi_json_string(one, "chosen", "");
    bool is_known = false;
    for (int i = 0; twi_algorithm_names[i]; i++)
        is_known |= strcmp(chosen, twi_algorithm_names[i]) == 0;
    return is_known && json_is_array(tried);
}

// The trials of a file, or an empty object: of another format, another processor, or damaged.
static json_t *read_all(const twi_trials *t)
{
    tw_err ignored = {0};
    json_t *file = t->path && twi_file_exists(t->path) ? twi_json_read(t->path, &ignored) : NULL,
           *trials = json_object_get(file, "trials"), *one;
    bool ok = json_is_object(trials) && twi_json_int(file, "format", 0) == FORMAT &&
              strcmp(twi_json_string(file, "processor", ""), t->processor) == 0 &&
              strcmp(twi_json_string(file, "kernels", ""), t->kernels) == 0;
    const char *key;
    if (ok)
        json_object_foreach(trials, key, one) ok = ok && is_way(one);
    trials = ok ? json_incref(trials) : json_object();
    json_decref(file);
    return trials;
}

twi_trials *twi_trials_open(const char *dir, double runs, tw_err *err)
{
    twi_trials *t = twi_new(1, sizeof *t, "trials of kernels", err);
    if (!t)
        return NULL;
    t->runs = runs;
    name_processor(t->processor, sizeof t->processor);
    twi_ops_versions(t->kernels, sizeof t->kernels);
    if (dir) {
        twi_str path = {0};
        XXH64_hash_t hash =
            XXH3_64bits(t->kernels, strlen(t->kernels)) ^ XXH3_64bits(t->processor, strlen(t->processor)) * 3;
        twi_str_printf(&path, "%s/kernels-%016llx.json", dir, (unsigned long long)hash);
        t->path = twi_str_take(&path, err);
        t->dir = twi_strdup(dir, err);
    }
    t->all = read_all(t);
    if ((dir && (!t->path || !t->dir)) || !t->all) {
        twi_fail_memory(err, 0, "trials of kernels");
        twi_trials_close(t);
        return NULL;
    }
    return t;
}

static void write_all(twi_trials *t)
{
    tw_err ignored = {0};
    json_t *all = read_all(t); // with what others found meanwhile
    json_t *one;
    const char *key;
    json_object_foreach(t->all, key,
                        one) if (!json_array_size(json_object_get(json_object_get(all, key), "tried")))
        json_object_set(all, key, one);
    json_t *file = json_pack("{si ss ss sO}", "format", FORMAT, "processor", t->processor, "kernels",
                             t->kernels, "trials", all);
    if (file && !twi_cache_folder(t->dir, &ignored))
        twi_json_write(t->path, file, &ignored);
    json_decref(file);
    json_decref(all);
}

void twi_trials_close(twi_trials *t)
{
    if (!t)
        return;
    if (t->path && t->is_new)
        write_all(t);
    json_decref(t->all);
    twi_free(t->path);
    twi_free(t->dir);
    twi_free(t);
}

void twi_trials_forget(const char *dir)
{
    DIR *folder = opendir(dir);
    char path[4096];
    for (struct dirent *e; folder && (e = readdir(folder));)
        if (strncmp(e->d_name, "kernels-", 8) == 0 && twi_str_ends(e->d_name, ".json") &&
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path)
            unlink(path);
    if (folder)
        closedir(folder);
}

int twi_trials_made(const twi_trials *t, double *seconds)
{
    *seconds = t->spent;
    return t->made;
}

void twi_trials_begin(twi_trials *t, double macs)
{
    t->left = t->runs > 0 ? SHARE * t->runs * macs / RATE : 0;
    t->tries = t->left >= LEAST;
}

bool twi_trials_may(const twi_trials *t)
{
    return t->tries;
}

// -------------------------------------------------------------------------------------------------------------- the key

char *twi_trials_key(const twi_kernel_request *r, tw_err *err)
{
    twi_str text = {0};
    char shape[TWI_SHAPE_TEXT];
    twi_str_printf(&text, "%s", r->kind->name);
    for (int i = 0; i < r->n_in; i++)
        twi_str_printf(&text, " %s%s", r->is_absent[i] ? "-" : twi_shape_text(&r->in[i], shape),
                       r->is_constant[i] ? "" : "*");
    twi_str_printf(&text, " to %s", twi_shape_text(&r->out[0], shape));
    for (int i = 0; i < r->n_fusion; i++)
        twi_str_printf(&text, " %s %d %g %g", r->fusion[i].what == TWI_FUSE_ADD ? "add" : "then",
                       r->fusion[i].activation, r->fusion[i].alpha, r->fusion[i].beta);
    twi_str_printf(&text, " by %d from %s", omp_get_max_threads(),
                   r->in_layout[0] ? twi_layout_text(r->in_layout[0]) : "dense");
    twi_str_printf(&text, " with %016llx", (unsigned long long)XXH3_64bits(r->params, r->kind->params_size));
    return twi_str_take(&text, err);
}

const json_t *twi_trials_find(const twi_trials *t, const char *key, twi_way *way)
{
    const json_t *one = json_object_get(t->all, key);
    const char *chosen = twi_json_string(one, "chosen", "");
    if (isinf(t->runs) && one && !json_array_size(json_object_get(one, "tried")))
        return NULL; // there was no time then
    for (int i = 0; one && twi_algorithm_names[i]; i++)
        if (strcmp(chosen, twi_algorithm_names[i]) == 0)
            *way = (twi_way){(twi_algorithm)i, json_is_true(json_object_get(one, "liked"))};
    return one;
}

// ------------------------------------------------------------------------------------------------------------- measuring

// Memory that a kernel reads or writes.
static void *room_for(const twi_layout *layout, const tw_shape *shape, tw_err *err)
{
    size_t bytes = twi_layout_bytes(layout, shape);
    float *x = twi_new_aligned(bytes, 1, "a trial", err);
    for (size_t i = 0; x && i < bytes / sizeof *x; i++)
        x[i] = (float)(i % 31) * 0.01f - 0.1f;
    return x;
}

typedef struct trial {
    const twi_kernel *kernel;
    twi_kernel_args args;
    void *owned[TWI_OP_IN_MAX + TWI_OP_OUT_MAX + 2];
    int n_owned;
    twi_kernel *reorder; // of the first input, where it lies otherwise; NULL: as the kernel wants it
    twi_kernel_args reorder_args;
} trial;

static void *own(trial *x, void *memory)
{
    x->owned[x->n_owned++] = memory;
    return memory;
}

static tw_status prepare(trial *x, const twi_layout *lies, tw_err *err)
{
    const twi_kernel_request *r = &x->kernel->request;
    bool ok = true;
    for (int i = 0; ok && i < r->n_in; i++)
        if (!r->is_absent[i]) {
            x->args.in[i] = own(x, room_for(x->kernel->in_layout[i], &r->in[i], err));
            ok = x->args.in[i];
        }
    for (int i = 0; ok && i < r->n_out; i++) {
        x->args.out[i] = own(x, room_for(i ? NULL : x->kernel->out_layout, &r->out[i], err));
        ok = x->args.out[i];
    }
    if (ok && x->kernel->scratch_bytes) {
        x->args.scratch = own(x, twi_new_aligned(x->kernel->scratch_bytes, 1, "a trial", err));
        ok = x->args.scratch;
    }
    if (ok && !twi_layout_same(lies, x->kernel->in_layout[0])) {
        x->reorder = twi_reorder_new(&r->in[0], lies, x->kernel->in_layout[0], err);
        x->reorder_args.in[0] = own(x, room_for(lies, &r->in[0], err));
        ok = x->reorder && x->reorder_args.in[0];
        x->reorder_args.out[0] = (void *)x->args.in[0];
    }
    return ok ? TW_OK : TW_ENOMEM;
}

static tw_status run_once(const trial *x, double *seconds, tw_err *err)
{
    double start = now();
    tw_status status = x->reorder ? x->reorder->run(x->reorder, &x->reorder_args, err) : TW_OK;
    if (!status)
        status = x->kernel->run(x->kernel, &x->args, err);
    *seconds = now() - start;
    return status;
}

// best: of the ways before.
static tw_status time_way(const twi_kernel *kernel, const twi_layout *lies, double best, double *seconds,
                          tw_err *err)
{
    trial x = {.kernel = kernel};
    *seconds = INFINITY;
    tw_status status = prepare(&x, lies, err);
    for (int i = 0; !status && i <= RUNS; i++) {
        double one;
        status = run_once(&x, &one, err);
        if (i || one > HOPELESS * best) // the first warms up
            *seconds = fmin(*seconds, one);
        if (one > HOPELESS * best)
            break;
    }
    for (int i = 0; i < x.n_owned; i++)
        twi_free(x.owned[i]);
    twi_kernel_free(x.reorder);
    return status;
}

static json_t *describe(const twi_kernel *kernel, const twi_way *way, double seconds)
{
    json_t *one =
        json_pack("{ss ss ss}", "algorithm", twi_algorithm_names[way->algorithm], "impl", kernel->impl,
                  "layout", kernel->out_layout ? twi_layout_text(kernel->out_layout) : "dense");
    if (one && way->is_liked)
        json_object_set_new(one, "liked", json_true());
    if (one)
        json_object_set_new(one, "seconds", json_real(seconds));
    return one;
}

static tw_status remember(twi_trials *t, const char *key, const twi_way *way, json_t *tried, tw_err *err)
{
    json_t *one = json_pack("{ss so}", "chosen", twi_algorithm_names[way->algorithm], "tried", tried);
    if (one && way->is_liked)
        json_object_set_new(one, "liked", json_true());
    t->is_new = true;
    return one && json_object_set_new(t->all, key, one) == 0 ? TW_OK
                                                             : twi_fail_memory(err, 0, "trials of kernels");
}

tw_status twi_trials_make(twi_trials *t, const char *key, int n, twi_kernel *const *kernels,
                          const twi_way *ways, const twi_layout *lies, int *best, tw_err *err)
{
    double seconds[TWI_WAYS_MAX], start = now(), least = INFINITY;
    tw_status status = TW_OK;
    json_t *tried = json_array();
    int n_kernels = 0;
    *best = 0;
    for (int i = 0; i < n; i++)
        n_kernels += kernels[i] != NULL;
    bool is_worth = n_kernels > 1 && t->tries && t->left > 0;
    for (int i = 0; is_worth && !status && i < n; i++) {
        if (!kernels[i])
            continue;
        status = time_way(kernels[i], lies, least, &seconds[i], err);
        least = fmin(least, seconds[i]);
        if (seconds[i] < (i ? NOTICEABLE : 1) * seconds[0] && seconds[i] <= seconds[*best])
            *best = i;
        json_array_append_new(tried, describe(kernels[i], &ways[i], seconds[i]));
    }
    t->made += is_worth;
    t->spent += is_worth ? now() - start : 0;
    t->left -= now() - start;
    if (status || !t->tries) { // a run without trials decides nothing for others
        json_decref(tried);
        return status;
    }
    return remember(t, key, &ways[*best], tried, err);
}
