// topwork plan, as a function.

#include "job/job.h"

tw_status tw_plan(tw_context *tw, const tw_plan_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_plan_fields, options, err);
    return status ? status : twi_job_plan(tw, options, err);
}
