// Downloads. See download.h.
//
// What was got so far lies in path.part, its version (ETag) in path.part.etag. The next call asks for the rest, and only if it
// still is that version: a server that has another one, or takes no ranges, answers with the whole, and the part begins anew.
// Broken connections are taken up again a few times, as long as something comes.

#include "job/download.h"

#include "base/mem.h"
#include "base/source.h"
#include "base/str.h"

#ifdef TW_HAVE_CURL

#include "job/curl.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPTS = 4, ETAG_MAX = 256 };

tw_status twi_curl_load(twi_curl *curl, tw_err *err)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    bool is_whole = library != NULL;
#define F(name)                                                \
    {                                                          \
        void *symbol = library ? dlsym(library, #name) : NULL; \
        memcpy(&curl->name, &symbol, sizeof symbol);           \
        is_whole = is_whole && symbol;                         \
    }
    TWI_CURL_FUNCTIONS(F)
#undef F
    if (is_whole && curl->curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return TW_OK;
    return twi_fail(err, TW_EUNSUPPORTED,
                    "fetching needs libcurl (libcurl.so.4), which is not installed\n"
                    "try  apt install libcurl4");
}

typedef struct transfer {
    const twi_curl *curl;
    tw_context *tw;
    const twi_download *d;
    CURL *easy;
    int fd;
    int64_t at;          // bytes in the part
    int64_t asked;       // where this answer should begin
    bool has_begun;      // its first bytes came
    bool is_other;       // it begins elsewhere than asked
    int write_error;     // errno
    char etag[ETAG_MAX]; // of this answer
    char *part, *etag_path;
    char why[CURL_ERROR_SIZE];
    twi_progress progress;
} transfer;

// ------------------------------------------------------------------------------------------------------------- answers

static bool is_header(const char *line, const char *name)
{
    return strncasecmp(line, name, strlen(name)) == 0;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *self)
{
    transfer *t = self;
    char line[512];
    snprintf(line, sizeof line, "%.*s", (int)(n < sizeof line - 1 ? n : sizeof line - 1), bytes);
    line[strcspn(line, "\r\n")] = 0;
    if (is_header(line, "HTTP/"))
        t->etag[0] = 0; // of the answer before, a redirection
    if (is_header(line, "ETag:")) {
        const char *value = line + 5 + strspn(line + 5, " ");
        // A weak tag does not promise the same bytes.
        if (*value == '"' && strlen(value) < sizeof t->etag)
            snprintf(t->etag, sizeof t->etag, "%s", value);
    }
    if (is_header(line, "Content-Range: bytes "))
        t->is_other = strtoll(line + 21, NULL, 10) != t->asked;
    return size * n;
}

// The whole came where a rest was asked for, or the first part of a new file.
static bool begin(transfer *t)
{
    long code = 0;
    t->has_begun = true;
    t->curl->curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    if (t->is_other)
        return false;
    if (code == 206)
        return true;
    t->at = 0;
    if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0) {
        t->write_error = errno;
        return false;
    }
    if (t->etag[0])
        twi_file_write(t->etag_path, t->etag, strlen(t->etag), NULL);
    else
        unlink(t->etag_path);
    return true;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *self)
{
    transfer *t = self;
    if (!t->has_begun && !begin(t))
        return 0;
    for (size_t done = 0; done < size * n;) {
        ssize_t wrote = write(t->fd, bytes + done, size * n - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            t->write_error = wrote < 0 ? errno : ENOSPC;
            return 0;
        }
        done += (size_t)wrote;
        t->at += wrote;
    }
    return size * n;
}

static int on_progress(void *self, curl_off_t total, curl_off_t now, curl_off_t a, curl_off_t b)
{
    transfer *t = self;
    (void)now, (void)a, (void)b;
    int64_t before = t->has_begun ? t->at - (int64_t)now : 0;
    if (total > 0)
        twi_progress_set(&t->progress, t->at / 1000, (before + (int64_t)total) / 1000, NULL);
    return twi_is_cancelled(t->tw);
}

// ------------------------------------------------------------------------------------------------------------ requests

// "If-Range: "tag"" where the part's version is known.
static struct curl_slist *conditions(const transfer *t)
{
    char tag[ETAG_MAX] = "", line[ETAG_MAX + 16];
    int fd = t->at ? open(t->etag_path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read(fd, tag, sizeof tag - 1) : 0;
    if (fd >= 0)
        close(fd);
    if (n <= 0 || tag[0] != '"' || strpbrk(tag, "\r\n"))
        return NULL;
    snprintf(line, sizeof line, "If-Range: %s", tag);
    return t->curl->curl_slist_append(NULL, line);
}

static CURLcode ask(transfer *t, long *code)
{
    const twi_curl *c = t->curl;
    struct curl_slist *headers = conditions(t);
    t->easy = c->curl_easy_init();
    if (!t->easy)
        return CURLE_OUT_OF_MEMORY;
    t->asked = t->at;
    t->has_begun = t->is_other = false;
    t->why[0] = 0;
    c->curl_easy_setopt(t->easy, CURLOPT_URL, t->d->url);
    c->curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->why);
    c->curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    c->curl_easy_setopt(t->easy, CURLOPT_FAILONERROR, 1L);
    c->curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 1L);
    c->curl_easy_setopt(t->easy, CURLOPT_MAXREDIRS, 10L);
    // What began under TLS stays under TLS.
    c->curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    c->curl_easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR,
                        twi_str_starts(t->d->url, "https:") ? "https" : "http,https");
    c->curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT, 30L);
    c->curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    c->curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, 60L);
    c->curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "topwork");
    c->curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    c->curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    c->curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    c->curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    c->curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, 0L);
    c->curl_easy_setopt(t->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    c->curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
    if (headers)
        c->curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
    // Not RESUME_FROM: it would refuse a server's answer with the whole.
    char range[32];
    snprintf(range, sizeof range, "%lld-", (long long)t->at);
    if (t->at)
        c->curl_easy_setopt(t->easy, CURLOPT_RANGE, range);
    CURLcode result = c->curl_easy_perform(t->easy);
    *code = 0;
    c->curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, code);
    c->curl_easy_cleanup(t->easy);
    c->curl_slist_free_all(headers);
    return result;
}

// Whether another try may end better.
static bool may_recover(CURLcode result, long code)
{
    switch (result) {
    case CURLE_HTTP_RETURNED_ERROR:
        return code >= 500 || code == 429 || code == 408 || code == 416;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

static tw_status explain(const transfer *t, CURLcode result, long code, tw_err *err)
{
    const char *url = t->d->url;
    char kept[96] = "";
    if (t->at)
        snprintf(kept, sizeof kept, "\n%.1f MB are kept; the same line goes on with the rest",
                 (double)t->at * 1e-6);
    if (twi_is_cancelled(t->tw))
        return twi_fail(err, TW_ECANCELLED, "cancelled%s", kept);
    if (t->write_error)
        return twi_fail_at(err, TW_EWRITE, t->part, -1, "cannot write '%s': %s%s", t->part,
                           strerror(t->write_error), kept);
    if (result == CURLE_HTTP_RETURNED_ERROR && code < 500)
        return twi_fail_at(err, TW_EUNUSABLE, url, -1,
                           "%s: the server answers %ld%s\ntry  --base-url URL, a folder that has '%s'", url,
                           code, code == 404 ? ", not found" : "", twi_base_name(t->d->path));
    const char *why = t->why[0] ? t->why : t->curl->curl_easy_strerror(result);
    return twi_fail_at(
        err, TW_EFAILED, url, -1,
        "cannot get %s: %s%s\nwithout a network: get that file elsewhere and put it here as\n  %s", url, why,
        kept, t->d->path);
}

static void pause_for(transfer *t, double seconds)
{
    for (double began = twi_seconds(); twi_seconds() - began < seconds && !twi_is_cancelled(t->tw);)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static tw_status fetch_all(transfer *t, tw_err *err)
{
    double wait = 0;
    for (int left = ATTEMPTS;;) {
        long code;
        int64_t before = t->at;
        CURLcode result = ask(t, &code);
        if (result == CURLE_OK && t->is_other)
            result = CURLE_RANGE_ERROR;
        if (result == CURLE_OK) {
            if (!t->has_begun && !t->asked)
                begin(t); // an empty file
            return TW_OK;
        }
        // The part is longer than the file, or another file: it begins anew.
        if (code == 416 || t->is_other) {
            t->at = 0;
            unlink(t->etag_path);
            if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0)
                t->write_error = errno;
        }
        bool again =
            (may_recover(result, code) || t->is_other) && !t->write_error && !twi_is_cancelled(t->tw);
        left = t->at > before ? ATTEMPTS : left - 1;
        if (!again || left <= 0)
            return explain(t, result, code, err);
        pause_for(t, wait);
        wait = t->at > before ? 0 : 2 * wait + 0.5;
    }
}

// ---------------------------------------------------------------------------------------------------------------- files

static tw_status open_part(transfer *t, tw_err *err)
{
    struct stat info;
    t->fd = open(t->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (t->fd < 0)
        return twi_fail_errno(err, TW_EWRITE, "write '%s'", t->part);
    if (flock(t->fd, LOCK_EX | LOCK_NB) != 0)
        return twi_fail_at(err, TW_EWRITE, t->part, -1, "another topwork is fetching '%s'",
                           twi_base_name(t->d->path));
    if (fstat(t->fd, &info) != 0)
        return twi_fail_errno(err, TW_EWRITE, "read '%s'", t->part);
    t->at = info.st_size;
    return lseek(t->fd, 0, SEEK_END) < 0 ? twi_fail_errno(err, TW_EWRITE, "write '%s'", t->part) : TW_OK;
}

static tw_status finish(transfer *t, tw_err *err)
{
    if (fsync(t->fd) != 0)
        return twi_fail_errno(err, TW_EWRITE, "write '%s'", t->part);
    tw_err wrong = {0};
    if (twi_hash_check(t->part, t->d->hash, &wrong) || (t->d->check && t->d->check(t->part, &wrong))) {
        unlink(t->part);
        unlink(t->etag_path);
        return twi_fail_at(err, TW_EMALFORMED, t->d->url, -1,
                           "%s is not the file expected and was removed: %s", t->d->url, wrong.msg);
    }
    if (rename(t->part, t->d->path) != 0)
        return twi_fail_errno(err, TW_EWRITE, "write '%s'", t->d->path);
    unlink(t->etag_path);
    return TW_OK;
}

tw_status twi_download_file(tw_context *tw, const twi_download *d, tw_err *err)
{
    twi_curl curl;
    transfer t = {.curl = &curl, .tw = tw, .d = d, .fd = -1};
    twi_str part = {0}, etag = {0};
    twi_str_printf(&part, "%s.part", d->path);
    twi_str_printf(&etag, "%s.part.etag", d->path);
    t.part = part.text;
    t.etag_path = etag.text;
    tw_status status =
        part.failed || etag.failed ? twi_fail_memory(err, 0, "a file name") : twi_curl_load(&curl, err);
    if (!status)
        status = open_part(&t, err);
    if (!status) {
        if (t.at)
            twi_note(tw, "going on after %.1f MB of %s", (double)t.at * 1e-6, twi_base_name(d->path));
        twi_progress_begin(&t.progress, tw, d->name, 0, "kB", "%s", d->url);
        status = fetch_all(&t, err);
    }
    if (!status)
        status = finish(&t, err);
    if (!status)
        twi_progress_end(&t.progress, "%.1f MB", (double)t.at * 1e-6);
    if (t.fd >= 0)
        close(t.fd);
    twi_str_clear(&part);
    twi_str_clear(&etag);
    return status;
}

#else

tw_status twi_download_file(tw_context *tw, const twi_download *d, tw_err *err)
{
    (void)tw;
    return twi_fail(err, TW_EUNSUPPORTED, "this topwork was built without libcurl and cannot fetch %s",
                    d->url);
}

#endif
