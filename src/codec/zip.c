// ZIP archives, reading: the central directory, and members as sources. See zip.h.
//
//   end record   'PK56', disk 2, disk 2, entries 2, entries 2, bytes 4, offset 4, comment bytes 2, comment  (ends the file)
//   zip64        locator 'PK67' before it: disk 4, offset 8, disks 4; record 'PK66': … entries 8 (at 32), bytes 8, offset 8
//   entry        'PK12' … flags 2 (at 8), method 2, time 4, crc 4, stored 4, size 4, name 2, extra 2, comment 2 … offset 4 (at 42)
//   local        'PK34' … name 2 (at 26), extra 2; name, extra, bytes
// Only the directory is believed; each local header is checked against it. Nothing is ever extracted to disk.
// Source   PKWARE APPNOTE 6.3.

#include "codec/zip.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END = 22, ENTRY = 46, LOCAL = 30, LOCATOR = 20, END64 = 56, COMMENT_MAX = 65535 };
enum { STORED = 0, DEFLATED = 8, EXPANSION_MAX = 1000 };

typedef struct member {
    char *name;                    // within the archive
    char *label;                   // "archive: name", for messages; made when asked for
    uint64_t header, stored, size; // where its local header is; bytes in the archive; bytes as they were
    uint32_t crc;
    unsigned method, flags;
    void *inflated;
    bool is_checked; // a stored member whose checksum was compared
} member;

struct twi_zip {
    twi_source *source;
    uint64_t directory; // where the directory starts: members end before it
    size_t n;
    member *at;
    size_t *by_name; // indices, sorted
};

static unsigned le16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t le64(const uint8_t *p)
{
    return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static bool is_signature(const uint8_t *p, char a, char b)
{
    return p[0] == 'P' && p[1] == 'K' && p[2] == a && p[3] == b;
}

bool twi_zip_is(const twi_source *source)
{
    uint8_t first[4];
    return twi_source_read(source, 0, first, 4, NULL) == TW_OK &&
           (is_signature(first, 3, 4) || is_signature(first, 5, 6));
}

// --------------------------------------------------------------------------------------------------------- directory

typedef struct directory {
    uint64_t at, bytes, entries;
} directory;

static tw_status bad_zip(const twi_source *s, uint64_t at, tw_err *err, const char *why)
{
    return twi_fail_at(err, TW_EMALFORMED, s->name, (int64_t)at, "%s: %s, not a readable zip archive",
                       s->name, why);
}

static tw_status read_zip64(const twi_source *s, uint64_t end, directory *d, tw_err *err)
{
    uint8_t locator[LOCATOR], record[END64];
    if (end < LOCATOR)
        return bad_zip(s, end, err, "its zip64 record is missing");
    tw_status status = twi_source_read(s, end - LOCATOR, locator, LOCATOR, err);
    if (status || !is_signature(locator, 6, 7))
        return status ? status : bad_zip(s, end, err, "its zip64 record is missing");
    uint64_t at = le64(locator + 8);
    status = twi_source_read(s, at, record, END64, err);
    if (status || !is_signature(record, 6, 6))
        return status ? status : bad_zip(s, at, err, "its zip64 record is damaged");
    *d = (directory){le64(record + 48), le64(record + 40), le64(record + 32)};
    return TW_OK;
}

// The end record is the last one whose comment reaches exactly to the end of the file.
static tw_status find_directory(twi_source *s, directory *d, tw_err *err)
{
    uint64_t n = s->size < END + COMMENT_MAX ? s->size : END + COMMENT_MAX, start = s->size - n;
    uint8_t *tail = twi_new((size_t)n, 1, "a zip directory", err);
    if (!tail)
        return TW_ENOMEM;
    tw_status status = twi_source_read(s, start, tail, (size_t)n, err);
    uint64_t end = 0;
    for (uint64_t i = n; !status && i >= END && !end; i--) {
        const uint8_t *p = tail + i - END;
        if (is_signature(p, 5, 6) && le16(p + 20) == n - i) {
            end = start + i - END;
            *d = (directory){le32(p + 16), le32(p + 12), le16(p + 10)};
            if (le16(p + 4) || le16(p + 6) || le16(p + 8) != d->entries)
                status = bad_zip(s, end, err, "its parts are in several files");
        }
    }
    bool is_found = n >= END && (end || (s->size == END && is_signature(tail, 5, 6)));
    twi_free(tail);
    if (!status && !is_found)
        status = bad_zip(s, s->size, err, "has no end record (cut off?)");
    bool is_zip64 = !status && (d->at == UINT32_MAX || d->bytes == UINT32_MAX || d->entries == UINT16_MAX);
    if (is_zip64)
        status = read_zip64(s, end, d, err);
    if (!status && (d->at > end || d->bytes > end - d->at || d->entries > d->bytes / ENTRY))
        status = bad_zip(s, end, err, "its directory does not fit in it");
    return status;
}

// Fields that did not fit in 32 bits are in the extra field 1, in this order.
static bool take_zip64(const uint8_t *extra, size_t n, member *m)
{
    for (size_t i = 0; i + 4 <= n;) {
        size_t id = le16(extra + i), size = le16(extra + i + 2);
        const uint8_t *p = extra + i + 4, *end = p + size;
        if (size > n - i - 4)
            return false;
        i += 4 + size;
        uint64_t *fields[] = {&m->size, &m->stored, &m->header};
        for (int k = 0; id == 1 && k < 3; k++) {
            if (*fields[k] != UINT32_MAX)
                continue;
            if (end - p < 8)
                return false;
            *fields[k] = le64(p);
            p += 8;
        }
    }
    return true;
}

// A name that stays inside: no absolute, no "..", nothing a C string would cut.
static bool is_safe(const char *name, size_t n)
{
    if (!n || strlen(name) != n || name[0] == '/' || strchr(name, '\\') || (n > 1 && name[1] == ':'))
        return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (!strncmp(part, "..", 2) && (!part[2] || part[2] == '/'))
            return false;
    }
    return true;
}

static tw_status take_entry(twi_zip *z, const uint8_t *p, size_t left, size_t *used, tw_err *err)
{
    twi_source *s = z->source;
    if (left < ENTRY || !is_signature(p, 1, 2))
        return bad_zip(s, z->directory, err, "an entry of its directory is damaged");
    size_t n_name = le16(p + 28), n_extra = le16(p + 30), n_comment = le16(p + 32);
    *used = ENTRY + n_name + n_extra + n_comment;
    if (*used > left)
        return bad_zip(s, z->directory, err, "an entry of its directory ends outside it");
    member m = {.header = le32(p + 42),
                .stored = le32(p + 20),
                .size = le32(p + 24),
                .crc = le32(p + 16),
                .method = le16(p + 10),
                .flags = le16(p + 8)};
    if (!take_zip64(p + ENTRY + n_name, n_extra, &m))
        return bad_zip(s, z->directory, err, "an entry's extra field is damaged");
    tw_status status = twi_source_spend(s, n_name + 1, 1, err);
    if (status)
        return status;
    m.name = twi_new(n_name + 1, 1, "a member's name", err);
    if (!m.name)
        return TW_ENOMEM;
    memcpy(m.name, p + ENTRY, n_name);
    z->at[z->n++] = m;
    if (!is_safe(m.name, n_name))
        return twi_fail_at(err, TW_EMALFORMED, s->name, -1,
                           "%s: refuses member '%.100s': its name leads outside", s->name, m.name);
    return TW_OK;
}

static int compare_names(const void *a, const void *b, void *zip)
{
    const twi_zip *z = zip;
    return strcmp(z->at[*(const size_t *)a].name, z->at[*(const size_t *)b].name);
}

static tw_status sort_names(twi_zip *z, tw_err *err)
{
    z->by_name = twi_new(z->n, sizeof *z->by_name, "member names", err);
    if (!z->by_name)
        return TW_ENOMEM;
    for (size_t i = 0; i < z->n; i++)
        z->by_name[i] = i;
    qsort_r(z->by_name, z->n, sizeof *z->by_name, compare_names, z);
    for (size_t i = 1; i < z->n; i++)
        if (!compare_names(&z->by_name[i - 1], &z->by_name[i], z))
            return twi_fail_at(err, TW_EMALFORMED, z->source->name, -1, "%s: has two members named '%.100s'",
                               z->source->name, z->at[z->by_name[i]].name);
    return TW_OK;
}

static tw_status read_directory(twi_zip *z, const directory *d, tw_err *err)
{
    tw_status status = twi_source_spend(z->source, d->bytes, 1, err);
    if (!status)
        status = twi_source_spend(z->source, d->entries, sizeof *z->at + sizeof *z->by_name, err);
    if (status)
        return status;
    uint8_t *bytes = twi_new((size_t)d->bytes, 1, "a zip directory", err);
    z->at = twi_new((size_t)d->entries, sizeof *z->at, "a zip directory", err);
    status = bytes && z->at ? twi_source_read(z->source, d->at, bytes, (size_t)d->bytes, err) : TW_ENOMEM;
    z->directory = d->at;
    size_t at = 0, used = 0;
    for (uint64_t i = 0; i < d->entries && !status; i++, at += used)
        status = take_entry(z, bytes + at, (size_t)d->bytes - at, &used, err);
    twi_free(bytes);
    return status ? status : sort_names(z, err);
}

twi_zip *twi_zip_open(twi_source *source, tw_err *err)
{
    directory d = {0};
    if (find_directory(source, &d, err))
        return NULL;
    twi_zip *z = twi_new(1, sizeof *z, "a zip archive", err);
    if (!z)
        return NULL;
    z->source = source;
    if (read_directory(z, &d, err)) {
        twi_zip_close(z);
        return NULL;
    }
    return z;
}

void twi_zip_close(twi_zip *zip)
{
    if (!zip)
        return;
    for (size_t i = 0; i < zip->n; i++) {
        twi_free(zip->at[i].name);
        twi_free(zip->at[i].label);
        twi_free(zip->at[i].inflated);
    }
    twi_free(zip->at);
    twi_free(zip->by_name);
    twi_free(zip);
}

size_t twi_zip_n(const twi_zip *zip)
{
    return zip->n;
}

const char *twi_zip_name(const twi_zip *zip, size_t i)
{
    return zip->at[i].name;
}

int64_t twi_zip_find(const twi_zip *zip, const char *name)
{
    for (size_t low = 0, high = zip->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, zip->at[zip->by_name[middle]].name);
        if (!order)
            return (int64_t)zip->by_name[middle];
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return -1;
}

// ----------------------------------------------------------------------------------------------------------- members

static tw_status bad_member(const twi_zip *z, const member *m, tw_status status, tw_err *err, const char *why)
{
    return twi_fail_at(err, status, z->source->name, (int64_t)m->header, "%s: member '%.100s' %s",
                       z->source->name, m->name, why);
}

// The member's bytes in the archive, after its local header was compared with the directory.
static tw_status member_window(const twi_zip *z, const member *m, twi_source *out, tw_err *err)
{
    uint8_t local[LOCAL];
    tw_status status = twi_source_read(z->source, m->header, local, LOCAL, err);
    if (status)
        return status;
    if (!is_signature(local, 3, 4) || le16(local + 8) != m->method || le16(local + 26) != strlen(m->name))
        return bad_member(z, m, TW_EMALFORMED, err,
                          "has a header that disagrees with the archive's directory");
    uint64_t start = m->header + LOCAL + le16(local + 26) + le16(local + 28);
    if (start > z->directory || m->stored > z->directory - start)
        return bad_member(z, m, TW_EMALFORMED, err, "ends outside the archive");
    return twi_source_window(out, z->source, start, m->stored, err);
}

static tw_status inflate_all(const twi_source *in, z_stream *stream, uint8_t *dst, uint64_t size,
                             bool *is_whole, tw_err *err)
{
    uint8_t piece[16 * 1024];
    int code = Z_OK;
    for (uint64_t from = 0; code == Z_OK;) {
        if (!stream->avail_in) {
            uint64_t left = in->size - from, n = left < sizeof piece ? left : sizeof piece;
            tw_status status = twi_source_read(in, from, piece, (size_t)n, err);
            if (status)
                return status;
            from += n;
            stream->next_in = piece;
            stream->avail_in = (uInt)n;
        }
        uint64_t room = size - stream->total_out, step = room < (1u << 30) ? room : 1u << 30;
        stream->next_out = dst + stream->total_out;
        stream->avail_out = (uInt)step;
        code = inflate(stream, Z_NO_FLUSH); // Z_BUF_ERROR: no input is left, or no room
    }
    if (code == Z_MEM_ERROR)
        return twi_fail_memory(err, 1 << 16, "decompression");
    *is_whole = code == Z_STREAM_END && stream->total_out == size && stream->total_in == in->size;
    return TW_OK;
}

static tw_status inflate_member(twi_zip *z, member *m, tw_err *err)
{
    twi_source in;
    tw_status status = member_window(z, m, &in, err);
    if (status)
        return status;
    if (m->size / EXPANSION_MAX > m->stored)
        return bad_member(z, m, TW_EMALFORMED, err, "claims to expand more than 1000 times, refused");
    status = twi_source_spend(z->source, m->size, 1, err);
    if (status)
        return status;
    uint8_t *dst = twi_new_aligned((size_t)m->size + 1, 1, "a zip member", err);
    if (!dst)
        return TW_ENOMEM;
    z_stream stream = {0};
    bool is_whole = false;
    // Negative: a bare deflate stream, as zip holds it.
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        status = twi_fail_memory(err, 1 << 16, "decompression");
    else
        status = inflate_all(&in, &stream, dst, m->size, &is_whole, err);
    inflateEnd(&stream);
    if (!status && !is_whole)
        status = bad_member(z, m, TW_EMALFORMED, err, "cannot be decompressed to the size it claims");
    if (!status && crc32_z(0, dst, (z_size_t)m->size) != m->crc)
        status = bad_member(z, m, TW_EMALFORMED, err, "is damaged: its checksum differs");
    if (status)
        twi_free(dst);
    else
        m->inflated = dst;
    return status;
}

// Reads a stored member once through: what is damaged on disk must not pass for weights.
static tw_status check_stored(const twi_zip *z, member *m, const twi_source *in, tw_err *err)
{
    uint8_t piece[64 * 1024];
    uint32_t crc = 0;
    for (uint64_t at = 0; at < in->size;) {
        uint64_t left = in->size - at, n = left < sizeof piece ? left : sizeof piece;
        tw_status status = twi_source_read(in, at, piece, (size_t)n, err);
        if (status)
            return status;
        crc = (uint32_t)crc32_z(crc, piece, (z_size_t)n);
        at += n;
    }
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    if (crc != m->crc)
        return bad_member(z, m, TW_EMALFORMED, err, "is damaged: its checksum differs");
#endif
    m->is_checked = true;
    return TW_OK;
}

tw_status twi_zip_member(twi_zip *zip, size_t i, twi_source *out, tw_err *err)
{
    member *m = &zip->at[i];
    if (m->flags & 1)
        return bad_member(zip, m, TW_EUNSUPPORTED, err, "is encrypted: not supported yet");
    if (m->method != STORED && m->method != DEFLATED)
        return bad_member(zip, m, TW_EUNSUPPORTED, err,
                          "uses a compression other than deflate: not supported yet");
    if (m->method == STORED && m->stored != m->size)
        return bad_member(zip, m, TW_EMALFORMED, err, "is stored in another size than its own");
    if (!m->label) {
        twi_str label = {0};
        twi_str_printf(&label, "%s: %s", zip->source->name, m->name);
        m->label = twi_str_take(&label, err);
        if (!m->label)
            return TW_ENOMEM;
    }
    tw_status status = TW_OK;
    if (m->method == STORED) {
        status = member_window(zip, m, out, err);
        if (!status && !m->is_checked)
            status = check_stored(zip, m, out, err);
    } else if (!m->inflated)
        status = inflate_member(zip, m, err);
    if (!status && m->method == DEFLATED)
        twi_source_memory(out, m->label, m->inflated, (size_t)m->size);
    if (!status)
        out->name = m->label;
    return status;
}
