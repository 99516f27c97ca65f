// A disk that fails, for LD_PRELOAD: counts what a program does to files, and from the TW_FAULT_AT-th time on answers
// "no space left". TW_FAULT_LOG=FILE receives a line for each: "write /path". Standard output and error, pipes and devices
// are left alone; so is deleting, which works on full disks too.
//
// What stdio writes by itself does not pass here; its fsync does.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long count;

// True: fails.
static int is_full(const char *what, const char *path)
{
    static atomic_int log = -1;
    const char *at = getenv("TW_FAULT_AT"), *file = getenv("TW_FAULT_LOG");
    if (file) {
        if (log < 0)
            log = (int)(((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(
                file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666));
        dprintf(log, "%s %s\n", what, path);
    }
    if (atomic_fetch_add(&count, 1) + 1 < (at ? atol(at) : 1L << 60))
        return 0;
    errno = ENOSPC;
    return 1;
}

static int fails(const char *what, int fd)
{
    struct stat info;
    char link[64], path[4096];
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    return is_full(what, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opened(__typeof__(&open) real, const char *path, int flags, mode_t mode)
{
    if ((flags & O_CREAT) && access(path, F_OK) != 0 && is_full("create", path))
        return -1;
    return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                    \
    int name(const char *path, int flags, ...)        \
    {                                                 \
        va_list args;                                 \
        va_start(args, flags);                        \
        mode_t mode = mode_of(flags, args);           \
        va_end(args);                                 \
        return opened(NEXT(name), path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t n)
{
    return fails("write", fd) ? -1 : NEXT(write)(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return fails("write", fd) ? -1 : NEXT(pwrite)(fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    return fails("write", fd) ? -1 : NEXT(pwrite64)(fd, bytes, n, at);
}

int ftruncate(int fd, off_t size)
{
    return fails("truncate", fd) ? -1 : NEXT(ftruncate)(fd, size);
}

int fsync(int fd)
{
    return fails("fsync", fd) ? -1 : NEXT(fsync)(fd);
}

int mkdir(const char *path, mode_t mode)
{
    return access(path, F_OK) != 0 && is_full("mkdir", path) ? -1 : NEXT(mkdir)(path, mode);
}

int rename(const char *from, const char *to)
{
    return is_full("rename", to) ? -1 : NEXT(rename)(from, to);
}
