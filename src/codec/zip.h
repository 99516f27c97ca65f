// ZIP archives: members by name, read by offset; written with stored members, as Keras does.
//
// Stored members are windows of the archive (nothing is copied); deflated ones are inflated into memory, taken from
// the source's budget. Names with "..", absolute names and members that expand more than 1000 times are refused.
#ifndef TWI_CODEC_ZIP_H
#define TWI_CODEC_ZIP_H

#include "base/source.h"

typedef struct twi_zip twi_zip;

bool twi_zip_is(const twi_source *source);
// Lends the source. TW_EMALFORMED.
twi_zip *twi_zip_open(twi_source *source, tw_err *err);
void twi_zip_close(twi_zip *zip); // also frees what inflated members lend
size_t twi_zip_n(const twi_zip *zip);
const char *twi_zip_name(const twi_zip *zip, size_t i);
// Index by exact name, or -1.
int64_t twi_zip_find(const twi_zip *zip, const char *name);
// The member as a source (named "archive.keras: config.json"), valid until the zip is closed; its checksum is compared
// when it is first asked for. Close it with twi_source_close.
tw_status twi_zip_member(twi_zip *zip, size_t i, twi_source *out, tw_err *err);

typedef struct twi_zip_writer twi_zip_writer;
// Writes to a temporary sibling of path; twi_zip_finish renames it. Members are stored, dated 1980-01-01.
twi_zip_writer *twi_zip_create(const char *path, tw_err *err);
tw_status twi_zip_put(twi_zip_writer *w, const char *name, const void *bytes, size_t n, tw_err *err);
// Streams a file's bytes in.
tw_status twi_zip_put_file(twi_zip_writer *w, const char *name, const char *file, tw_err *err);
// Finishes and renames: TW_OK means the whole archive is at path. NULL is fine (returns err's status).
tw_status twi_zip_finish(twi_zip_writer *w, tw_err *err);
void twi_zip_abandon(twi_zip_writer *w); // removes the temporary file

#endif
