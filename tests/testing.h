// What every C test includes: cmocka, and a few checks that print both sides.
#ifndef TW_TESTING_H
#define TW_TESTING_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "topwork.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The error is clear; otherwise fails with its message.
#define expect_ok(err)                                   \
    do {                                                 \
        if ((err).status)                                \
            fail_msg("unexpected error: %s", (err).msg); \
    } while (0)

// The error has this status and its message contains `part`.
#define expect_error(err, wanted, part)                                                      \
    do {                                                                                     \
        if ((err).status != (wanted) || !strstr((err).msg, part))                            \
            fail_msg("expected %s with '%s', received %s: %s", tw_status_text(wanted), part, \
                     tw_status_text((err).status), (err).msg);                               \
    } while (0)

#define expect_near(a, b, tolerance)                                                          \
    do {                                                                                      \
        double a_ = (double)(a), b_ = (double)(b);                                            \
        if (!(fabs(a_ - b_) <= (tolerance)))                                                  \
            fail_msg("%s is %.9g, expected %.9g within %g", #a, a_, b_, (double)(tolerance)); \
    } while (0)

// Path of a file of the repository (TW_SOURCE_DIR or the working directory); static buffer.
static inline const char *test_path(const char *relative)
{
    static char path[4096];
    const char *root = getenv("TW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/%s", root ? root : ".", relative);
    return path;
}

#endif
