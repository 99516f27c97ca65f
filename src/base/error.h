// Errors: how every part of the library reports what went wrong.
//
// Who detects an error writes the message; who passes it on adds nothing, or puts context in front with
// twi_err_context. Style: what, where, received, expected; lower case, no full stop, subject in single quotes:
//     conv2d 'block1_conv1': kernel has shape (3, 3, 3, 32) in vgg16.h5, expected (3, 3, 3, 64)
// Advice goes on further lines after '\n' ("\ntry  --weights none").
#ifndef TWI_BASE_ERROR_H
#define TWI_BASE_ERROR_H

#include "topwork.h"

#define TWI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

// Writes an error unless `err` is NULL or already set. Returns `status`, so `return twi_fail(...)` reads well.
tw_status twi_fail(tw_err *err, tw_status status, const char *fmt, ...) TWI_PRINTF(3, 4);

// The same with the file, layer or key it is about, and the byte offset there (-1: none).
tw_status twi_fail_at(tw_err *err, tw_status status, const char *where, int64_t offset, const char *fmt, ...)
    TWI_PRINTF(5, 6);

// "cannot open 'x': No such file or directory", from errno. `what` is the verb and object ("open 'x'").
tw_status twi_fail_errno(tw_err *err, tw_status status, const char *fmt, ...) TWI_PRINTF(3, 4);

// Out of memory while getting `bytes` for `what`.
tw_status twi_fail_memory(tw_err *err, size_t bytes, const char *what);

// Puts "context: " in front of the message of a set err. No effect on a clear one.
void twi_err_context(tw_err *err, const char *fmt, ...) TWI_PRINTF(2, 3);

// Puts a line of advice behind the message of a set err ("try  --cache off"). No effect on a clear one.
void twi_err_advise(tw_err *err, const char *fmt, ...) TWI_PRINTF(2, 3);

// Our own mistakes, never bad input: states a broken invariant and aborts. The only call of abort in the library.
#define TWI_BUG(why) twi_bug_(__FILE__, __LINE__, why)
_Noreturn void twi_bug_(const char *file, int line, const char *why);

#endif
