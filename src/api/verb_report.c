// topwork report, as a function.

#include "job/job.h"

tw_status tw_report(tw_context *tw, const tw_report_options *options, tw_err *err)
{
    if (!tw)
        return TW_EINVAL;
    tw_status status = tw_fields_check(tw_report_fields, options, err);
    return status ? status : twi_job_report(tw, options, err);
}
