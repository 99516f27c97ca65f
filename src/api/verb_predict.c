// topwork predict, as a function.

#include "job/job.h"

tw_status tw_predict(tw_context *tw, const tw_predict_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_predict_fields, options, err);
    return status ? status : twi_job_predict(tw, options, err);
}
