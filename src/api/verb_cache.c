// topwork cache, as a function.

#include "job/job.h"

tw_status tw_cache(tw_context *tw, const tw_cache_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_cache_fields, options, err);
    return status ? status : twi_job_cache(tw, options, err);
}
