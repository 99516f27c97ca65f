// topwork train, as a function.

#include "job/job.h"

tw_status tw_train(tw_context *tw, const tw_train_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_train_fields, options, err);
    return status ? status : twi_job_train(tw, options, err);
}
