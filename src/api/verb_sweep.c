// topwork sweep, as a function.

#include "job/job.h"

tw_status tw_sweep(tw_context *tw, const tw_sweep_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_sweep_fields, options, err);
    return status ? status : twi_job_sweep(tw, options, err);
}
