// Hashes of files, as publishers give them: MD5 or SHA-256 in hex. See download.h.

#include "job/download.h"

#include "base/mem.h"
#include "base/source.h"
#include "base/str.h"

#include <openssl/evp.h>
#include <string.h>

enum { CHUNK = 1 << 16 };

static tw_status digest(const char *path, const EVP_MD *kind, char *hex, size_t size, tw_err *err)
{
    twi_source s;
    tw_status status = twi_source_open(&s, path, err);
    if (status)
        return status;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    uint8_t *chunk = twi_new(CHUNK, 1, "a hash", err), out[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool ok = c && chunk && EVP_DigestInit_ex(c, kind, NULL) == 1;
    for (uint64_t at = 0; ok && !status && at < s.size; at += CHUNK) {
        size_t here = s.size - at < CHUNK ? (size_t)(s.size - at) : CHUNK;
        status = twi_source_read(&s, at, chunk, here, err);
        ok = EVP_DigestUpdate(c, chunk, here) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(c, out, &n) == 1 && 2 * n < size;
    for (unsigned i = 0; ok && i < n; i++) {
        static const char digits[] = "0123456789abcdef";
        hex[2 * i] = digits[out[i] >> 4];
        hex[2 * i + 1] = digits[out[i] & 15];
        hex[2 * i + 2] = 0;
    }
    EVP_MD_CTX_free(c);
    twi_free(chunk);
    twi_source_close(&s);
    return status || ok ? status : twi_fail_memory(err, 0, "a hash");
}

tw_status twi_hash_check(const char *path, const char *hash, tw_err *err)
{
    char found[2 * EVP_MAX_MD_SIZE + 1] = "";
    if (!hash)
        return TW_OK;
    bool is_md5 = strlen(hash) == 32;
    tw_status status = digest(path, is_md5 ? EVP_md5() : EVP_sha256(), found, sizeof found, err);
    if (!status && !twi_str_same(found, hash))
        status = twi_fail_at(err, TW_EMALFORMED, path, -1, "%s of '%s' is %s, expected %s",
                             is_md5 ? "MD5" : "SHA-256", twi_base_name(path), found, hash);
    return status;
}
