// topwork report: writes report.html of a run again, from the run's files alone.

#include "report/report.h"

#include "job/job.h"

tw_status twi_job_report(tw_context *tw, const tw_report_options *o, tw_err *err)
{
    tw_status status = twi_report_html(o->run, err);
    if (!status)
        twi_print(tw, "%s/report.html\n", o->run);
    return status;
}
