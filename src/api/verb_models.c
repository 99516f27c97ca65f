// topwork models, as a function.

#include "job/job.h"

tw_status tw_models(tw_context *tw, const tw_models_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_models_fields, options, err);
    return status ? status : twi_job_models(tw, options, err);
}
