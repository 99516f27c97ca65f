// libcurl, loaded when the first file is fetched: no other verb needs it, and starting should not wait for it.
#ifndef TWI_JOB_CURL_H
#define TWI_JOB_CURL_H

#include "base/error.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo

#define TWI_CURL_FUNCTIONS(F) \
    F(curl_global_init)       \
    F(curl_easy_init)         \
    F(curl_easy_setopt)       \
    F(curl_easy_getinfo)      \
    F(curl_easy_perform)      \
    F(curl_easy_cleanup)      \
    F(curl_easy_strerror)     \
    F(curl_slist_append)      \
    F(curl_slist_free_all)

typedef struct twi_curl {
#define F(name) __typeof__(&name) name;
    TWI_CURL_FUNCTIONS(F)
#undef F
} twi_curl;

// TW_EUNSUPPORTED: the library is not installed.
tw_status twi_curl_load(twi_curl *curl, tw_err *err);

#endif
