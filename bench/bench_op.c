// op: GFLOP/s and GB/s of single ops, beside what this machine reaches.
//
//   op [FILE…] [--batch=4] [--threads=CORES] [--direction=forward|backward]      FILE: bench/problems/*.txt without arguments
//
// Forward, each way there is (direct, Winograd, own) is timed, with weights laid out beforehand as in a frozen network. A
// kernel's result is compared with the reference's, for a batch of one, before its time is printed. GB/s counts each input and
// result once. `share` is of the larger of the two bounds that apply: multiplications a second, bytes a second.

#include "bench.h"
#include "problems.h"

#include "base/pool.h"
#include "job/measure.h"

#include <glob.h>
#include <math.h>
#include <omp.h>

enum { ROUNDS = 5, LEAST_RUNS = 3 };
static const double ROUND_SECONDS = 0.02, TOLERANCE = 1e-3; // of the largest number

typedef struct bench {
    const char *file;
    twi_direction direction;
    int64_t batch;
    int threads;
    double peak, triad; // multiply-adds and bytes a second
} bench;

// Numbers of a problem, and the same in a kernel's layouts.
typedef struct numbers {
    float *x[3], *y, *dy, *dx[3];
    void *laid[3], *y_laid, *scratch;
} numbers;

static void *new_numbers(size_t bytes)
{
    tw_err err = {0};
    void *x = twi_new_aligned(bytes, 1, "numbers", &err);
    bench_check(err.status, &err);
    memset(x, 0, bytes);
    return x;
}

static float *filled(const tw_shape *s)
{
    int64_t n = twi_shape_count(s);
    float *x = new_numbers((size_t)n * sizeof *x);
    bench_fill(x, n);
    return x;
}

static void copy(const tw_shape *s, const twi_layout *from_layout, const void *from,
                 const twi_layout *to_layout, void *to)
{
    tw_err err = {0};
    twi_kernel *reorder = twi_reorder_new(s, from_layout, to_layout, &err);
    bench_check(err.status, &err);
    void *scratch = new_numbers(reorder->scratch_bytes + 1);
    twi_kernel_args args = {.in[0] = from, .out[0] = to, .scratch = scratch};
    bench_check(reorder->run(reorder, &args, &err), &err);
    twi_free(scratch);
    twi_kernel_free(reorder);
}

static numbers open_numbers(const problem *p, const twi_kernel *k)
{
    numbers n = {.y = filled(&p->out), .dy = filled(&p->out), .scratch = new_numbers(k->scratch_bytes + 1)};
    for (int i = 0; i < p->n_in; i++) {
        n.x[i] = filled(&p->in[i]);
        n.dx[i] = filled(&p->in[i]);
        if (k->in_layout[i]) {
            n.laid[i] = new_numbers(twi_layout_bytes(k->in_layout[i], &p->in[i]));
            copy(&p->in[i], NULL, n.x[i], k->in_layout[i], n.laid[i]);
        }
    }
    if (k->out_layout)
        n.y_laid = new_numbers(twi_layout_bytes(k->out_layout, &p->out));
    return n;
}

static void close_numbers(numbers *n)
{
    for (int i = 0; i < 3; i++) {
        twi_free(n->x[i]);
        twi_free(n->dx[i]);
        twi_free(n->laid[i]);
    }
    twi_free(n->y);
    twi_free(n->dy);
    twi_free(n->y_laid);
    twi_free(n->scratch);
}

static twi_kernel_args args_of(const problem *p, const numbers *n)
{
    twi_kernel_args a = {.out[0] = n->y_laid ? n->y_laid : n->y, .grad_out = n->dy, .scratch = n->scratch};
    for (int i = 0; i < p->n_in; i++) {
        a.in[i] = n->laid[i] ? n->laid[i] : n->x[i];
        a.grad_in[i] = n->dx[i];
    }
    return a;
}

static twi_kernel *kernel_of(const bench *b, const problem *p, twi_algorithm algorithm)
{
    tw_err err = {0};
    twi_kernel_request q = {.kind = p->kind,
                            .params = &p->params,
                            .direction = b->direction,
                            .algorithm = algorithm,
                            .n_in = p->n_in,
                            .n_out = 1,
                            .out = {p->out},
                            .is_layout_free = algorithm != TWI_REFERENCE && b->direction == TWI_FORWARD};
    for (int i = 0; i < p->n_in; i++) {
        q.in[i] = p->in[i];
        q.is_constant[i] = i > 0 && b->direction == TWI_FORWARD && algorithm != TWI_REFERENCE;
        q.grads_wanted |= b->direction == TWI_BACKWARD ? 1u << i : 0;
    }
    twi_kernel *kernel = twi_kernel_new(&q, &err);
    bench_check(err.status, &err);
    return kernel;
}

// The largest difference from the reference kernel's results, over the largest of them.
static double distance(const problem *p, const twi_kernel *kernel, numbers *n, const twi_kernel *plain)
{
    tw_err err = {0};
    numbers other = open_numbers(p, plain);
    twi_kernel_args a = args_of(p, n), b = args_of(p, &other);
    bench_check(plain->run(plain, &b, &err), &err);
    if (kernel->request.direction == TWI_BACKWARD) // what forward gave may be read: the same for both
        memcpy(n->y, other.y, (size_t)twi_shape_count(&p->out) * sizeof(float));
    bench_check(kernel->run(kernel, &a, &err), &err);
    double worst = 0;
    bool is_forward = kernel->request.direction == TWI_FORWARD;
    if (n->y_laid)
        copy(&p->out, kernel->out_layout, n->y_laid, NULL, n->y);
    for (int i = 0; i < (is_forward ? 1 : p->n_in); i++) {
        const float *x = is_forward ? n->y : n->dx[i], *y = is_forward ? other.y : other.dx[i];
        const tw_shape *s = is_forward ? &p->out : &p->in[i];
        double most = 1e-30, off = 0;
        for (int64_t j = 0, count = twi_shape_count(s); j < count; j++) {
            most = fmax(most, fabs((double)y[j]));
            off = fmax(off, fabs((double)x[j] - (double)y[j]));
        }
        worst = fmax(worst, off / most);
    }
    close_numbers(&other);
    return worst;
}

// Fails where the kernel for a batch of one does not give what the reference gives.
static void verify(const bench *b, const problem *p, twi_algorithm algorithm)
{
    problem one = *p;
    one.in[0].dim[0] = 1;
    one.out.dim[0] = 1;
    twi_kernel *kernel = kernel_of(b, &one, algorithm), *plain = kernel_of(b, &one, TWI_REFERENCE);
    numbers n = open_numbers(&one, kernel);
    double off = distance(&one, kernel, &n, plain);
    if (!(off < TOLERANCE)) {
        fprintf(stderr, "bench: %s: '%s' differs from the reference by %g\n", p->name, kernel->impl, off);
        exit(1);
    }
    close_numbers(&n);
    twi_kernel_free(kernel);
    twi_kernel_free(plain);
}

// Seconds of one run: the best of several rounds.
static double time_kernel(const problem *p, const twi_kernel *kernel)
{
    tw_err err = {0};
    numbers n = open_numbers(p, kernel);
    twi_kernel_args a = args_of(p, &n);
    double best = INFINITY;
    for (int r = 0; r < ROUNDS; r++) {
        double start = bench_now(), end = start;
        int runs = 0;
        while (runs < LEAST_RUNS || end - start < ROUND_SECONDS) {
            bench_check(kernel->run(kernel, &a, &err), &err);
            runs++;
            end = bench_now();
        }
        best = fmin(best, (end - start) / runs);
    }
    close_numbers(&n);
    return best;
}

static void print_kernel(const bench *b, const problem *p, const twi_kernel *kernel, double seconds)
{
    bool is_forward = b->direction == TWI_FORWARD;
    double macs = p->kind->macs ? (double)p->kind->macs(&p->params, p->in, &p->out) : 0, bytes = 0;
    macs *= is_forward ? 1 : 2; // gradients of input and weights
    for (int i = 0; i < p->n_in; i++)
        bytes += (double)twi_shape_count(&p->in[i]) * sizeof(float) * (is_forward ? 1 : 2);
    bytes += (double)twi_shape_count(&p->out) * sizeof(float);
    const char *name = strrchr(b->file, '/') ? strrchr(b->file, '/') + 1 : b->file;
    int n = (int)strcspn(name, ".");
    printf(
        "{\"bench\": \"op\", \"case\": \"%.*s: %s\", \"direction\": \"%s\", \"batch\": %d, \"threads\": %d, "
        "\"impl\": \"%s\", "
        "\"value\": %.2f, \"unit\": \"GFLOP/s\", \"gb_s\": %.2f, \"us\": %.1f, \"share\": %.3f}\n",
        n, name, p->name, is_forward ? "forward" : "backward", (int)b->batch, b->threads, kernel->impl,
        2e-9 * macs / seconds, 1e-9 * bytes / seconds, 1e6 * seconds,
        fmax(macs / b->peak, bytes / b->triad) / seconds);
}

static void one_problem(void *self, const problem *p)
{
    const bench *b = self;
    static const twi_algorithm ways[] = {TWI_DIRECT, TWI_WINOGRAD};
    for (int i = 0; i < (b->direction == TWI_FORWARD ? 2 : 1); i++) {
        twi_kernel *kernel = kernel_of(b, p, ways[i]);
        if (kernel) {
            verify(b, p, ways[i]);
            print_kernel(b, p, kernel, time_kernel(p, kernel));
        }
        twi_kernel_free(kernel);
    }
    fflush(stdout);
}

// Bytes a second of a = b + 3 c over arrays that no cache holds.
static double measure_triad(void)
{
    int64_t n = 16 << 20;
    float *a = new_numbers((size_t)n * 4), *b = new_numbers((size_t)n * 4), *c = new_numbers((size_t)n * 4);
    double best = INFINITY;
    for (int r = 0; r < ROUNDS; r++) {
        double start = bench_now();
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++)
            a[i] = b[i] + 3 * c[i];
        best = fmin(best, bench_now() - start);
    }
    twi_free(a);
    twi_free(b);
    twi_free(c);
    return 12.0 * (double)n / best;
}

static int one_file(bench *b, const char *path)
{
    b->file = path;
    if (problems_read(path, b->batch, 0, one_problem, b) < 0)
        exit(1);
    return 1;
}

int main(int argc, char **argv)
{
    tw_err err = {0};
    bench b = {.batch = atoll(bench_option(argc, argv, "batch", "4")),
               .threads = atoi(bench_option(argc, argv, "threads", "0")),
               .direction = strcmp(bench_option(argc, argv, "direction", "forward"), "backward")
                                ? TWI_FORWARD
                                : TWI_BACKWARD};
    b.threads = b.threads > 0 ? b.threads : twi_cores();
    omp_set_num_threads(b.threads);
    bench_check(twi_measure_peak(b.threads, &b.peak, &err), &err);
    b.triad = measure_triad();
    printf("{\"bench\": \"op\", \"case\": \"machine\", \"threads\": %d, \"value\": %.1f, \"unit\": "
           "\"GFLOP/s\", \"gb_s\": %.1f}\n",
           b.threads, 2e-9 * b.peak, 1e-9 * b.triad);
    glob_t files = {0};
    int n = 0;
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-')
            n += one_file(&b, argv[i]);
    if (n == 0 && glob("bench/problems/*.txt", 0, NULL, &files) == 0)
        for (size_t i = 0; i < files.gl_pathc; i++)
            n += one_file(&b, files.gl_pathv[i]);
    globfree(&files);
    if (n == 0)
        fprintf(stderr,
                "usage: op [FILE…] [--batch=4] [--threads=N] [--direction=backward]\n"
                "FILE: a problem file, or those of bench/problems where that is below the current folder\n");
    return n == 0 ? 2 : 0;
}
