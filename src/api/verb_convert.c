// topwork convert, as a function.

#include "job/job.h"

tw_status tw_convert(tw_context *tw, const tw_convert_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_convert_fields, options, err);
    return status ? status : twi_job_convert(tw, options, err);
}
