// One file over HTTP: resumed where it was left, whole and right before it has its name.
#ifndef TWI_JOB_DOWNLOAD_H
#define TWI_JOB_DOWNLOAD_H

#include "job/context.h"

typedef struct twi_download {
    const char *url, *path;                            // path: of the whole file; path + ".part" grows
    const char *hash;                                  // MD5 (32 hex) or SHA-256 (64 hex), or NULL: not known
    const char *name;                                  // for progress
    tw_status (*check)(const char *path, tw_err *err); // of the whole file, before it has its name; or NULL
} twi_download;

// TW_EUNUSABLE: not there (404 …). TW_EMALFORMED: hash or check say no; what was got is removed. TW_EFAILED: no connection, or
// it broke; what was got stays for the next call. TW_EWRITE; TW_ECANCELLED; TW_EUNSUPPORTED: built without libcurl.
tw_status twi_download_file(tw_context *tw, const twi_download *d, tw_err *err);

// Whether a file has this hash (NULL: any). TW_EMALFORMED naming both.
tw_status twi_hash_check(const char *path, const char *hash, tw_err *err);

#endif
