// topwork summary, as a function.

#include "job/job.h"

tw_status tw_summary(tw_context *tw, const tw_summary_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_summary_fields, options, err);
    return status ? status : twi_job_summary(tw, options, err);
}
