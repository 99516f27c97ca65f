// Room: how much memory the process may still take. See room.h.
//
//   machine     MemAvailable of /proc/meminfo: free memory and what the kernel gives back when asked
//   container   control groups: limit − usage + cached files that nobody has touched lately, of the group and all above it.
//               v2: memory.max, memory.current, memory.stat (inactive_file); v1: memory.limit_in_bytes,
//               memory.usage_in_bytes, memory.stat (total_inactive_file)
//   process     RLIMIT_AS less the address space taken
//
// What cannot be read bounds nothing. Source: cgroups(7), Documentation/admin-guide/cgroup-v2.rst of the kernel.

#include "base/room.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

// The beginning of a small file, as text. false: cannot be read.
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    for (ssize_t got = 1; got > 0 && n + 1 < size; n += got > 0 ? (size_t)got : 0)
        got = read(fd, text + n, size - 1 - n);
    close(fd);
    text[n] = 0;
    return n > 0;
}

// The number behind a word at the beginning of a line; -1: not there.
static int64_t number_of(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL)
        if (strncmp(line, word, n) == 0 && !isalnum((unsigned char)line[n]) && line[n] != '_')
            return strtoll(line + n + (line[n] == ':'), NULL, 10);
    return -1;
}

static void bound(twi_room *room, int64_t bytes, const char *why)
{
    if (bytes >= room->bytes)
        return;
    room->bytes = bytes > 0 ? bytes : 0;
    room->why = why;
}

static void bound_by_machine(twi_room *room, const char *root)
{
    char path[4096], text[4096];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    int64_t kilobytes = read_text(path, text, sizeof text) ? number_of(text, "MemAvailable") : -1;
    if (kilobytes >= 0)
        bound(room, kilobytes * 1024, "the machine");
}

// ----------------------------------------------------------------------------------------------------- control groups

// The files of one version of control groups.
typedef struct version {
    const char *folder, *limit, *usage, *cached;
} version;

static const version one = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                            "total_inactive_file"},
                     two = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
                     mixed = {"/sys/fs/cgroup/unified", "memory.max", "memory.current", "inactive_file"};

static int64_t group_number(const char *folder, const char *file, const char *word)
{
    char path[4096], text[8192];
    if (snprintf(path, sizeof path, "%s/%s", folder, file) >= (int)sizeof path ||
        !read_text(path, text, sizeof text))
        return -1;
    if (word)
        return number_of(text, word);
    return isdigit((unsigned char)*text) ? strtoll(text, NULL, 10) : -1; // "max": no limit
}

static void bound_by_group(twi_room *room, const version *v, const char *folder)
{
    int64_t limit = group_number(folder, v->limit, NULL), usage = group_number(folder, v->usage, NULL);
    int64_t cached = group_number(folder, "memory.stat", v->cached);
    if (limit >= 0 && usage >= 0)
        bound(room, limit - usage + (cached > 0 ? cached : 0), "the container");
}

// The group at `path` and all above it. Inside a container the path may be the host's: then only the top is there.
static void bound_by_groups(twi_room *room, const char *root, const version *v, const char *path)
{
    char folder[4096];
    int n = snprintf(folder, sizeof folder, "%s%s", root, v->folder);
    int top = n, all = snprintf(folder, sizeof folder, "%s%s%s", root, v->folder, path);
    if (n >= (int)sizeof folder || all >= (int)sizeof folder)
        return;
    for (char *end = folder + all; end >= folder + top; end--)
        if (*end == '/' || !*end) {
            *end = 0;
            bound_by_group(room, v, folder);
        }
}

static bool lists_memory(const char *controllers, size_t n)
{
    const char *word = "memory";
    for (size_t i = 0; i + 6 <= n; i++)
        if (strncmp(controllers + i, word, 6) == 0 && (i == 0 || controllers[i - 1] == ',') &&
            (i + 6 == n || controllers[i + 6] == ','))
            return true;
    return false;
}

// Lines of /proc/self/cgroup: "0::/path" (v2), "4:memory:/path" (v1).
static void bound_by_container(twi_room *room, const char *root)
{
    char path[4096], text[8192];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!read_text(path, text, sizeof text))
        return;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        size_t n = (size_t)(group - controllers - 1);
        if (n == 0) {
            bound_by_groups(room, root, &two, group + 1);
            bound_by_groups(room, root, &mixed, group + 1);
        } else if (lists_memory(controllers + 1, n)) {
            bound_by_groups(room, root, &one, group + 1);
        }
    }
}

// -------------------------------------------------------------------------------------------------------------- process

twi_room twi_room_at(const char *root)
{
    twi_room room = {.bytes = INT64_MAX, .why = "nothing"};
    char path[4096], text[256];
    long long size = 0, resident = 0;
    int64_t page = sysconf(_SC_PAGESIZE);
    snprintf(path, sizeof path, "%s/proc/self/statm", root);
    if (read_text(path, text, sizeof text) && sscanf(text, "%lld %lld", &size, &resident) == 2)
        room.used = resident * page;
    bound_by_machine(&room, root);
    bound_by_container(&room, root);
    struct rlimit limit;
    if (!*root && getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        bound(&room, (int64_t)limit.rlim_cur - size * page, "the limit of address space (ulimit -v)");
    return room;
}

twi_room twi_room_now(void)
{
    return twi_room_at("");
}

bool twi_room_is_there(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED && munmap(p, bytes) == 0;
}

bool twi_room_is_limited(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

// ---------------------------------------------------------------------------------------------------------------- texts

tw_status twi_bytes_read(const char *text, const char *where, int64_t *bytes, tw_err *err)
{
    static const char letters[] = "kmgt";
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end), unit = 1;
    bool ok = end != text && !errno && isfinite(value) && value > 0;
    while (ok && *end == ' ')
        end++;
    const char *letter = ok && *end ? strchr(letters, tolower((unsigned char)*end)) : NULL;
    if (letter) {
        end++;
        bool is_binary = tolower((unsigned char)*end) == 'i';
        end += is_binary;
        unit = pow(is_binary ? 1024 : 1000, (double)(letter - letters + 1));
    }
    end += ok && tolower((unsigned char)*end) == 'b';
    if (!ok || *end || value * unit < 1 || value * unit > 1e18)
        return twi_fail(err, TW_EINVAL, "%s expects a size such as 2G or 500M, received '%s'", where, text);
    *bytes = (int64_t)(value * unit);
    return TW_OK;
}

const char *twi_bytes_text(char *buf, size_t size, int64_t bytes)
{
    double value = (double)bytes;
    if (value >= 999.5e6)
        snprintf(buf, size, "%.1f GB", value / 1e9);
    else if (value >= 999.5e3)
        snprintf(buf, size, "%.0f MB", value / 1e6);
    else
        snprintf(buf, size, "%.0f kB", value / 1e3);
    return buf;
}
