// topwork evaluate, as a function.

#include "job/job.h"

tw_status tw_evaluate(tw_context *tw, const tw_evaluate_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_evaluate_fields, options, err);
    return status ? status : twi_job_evaluate(tw, options, err);
}
