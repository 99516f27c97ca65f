// topwork fetch, as a function.

#include "job/job.h"

tw_status tw_fetch(tw_context *tw, const tw_fetch_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_fetch_fields, options, err);
    return status ? status : twi_job_fetch(tw, options, err);
}
