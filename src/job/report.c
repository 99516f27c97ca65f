// topwork report: writes report.html of a run or a sweep again, from its files alone.

#include "report/report.h"

#include "base/source.h"
#include "job/job.h"
#include "job/run_dir.h"
#include "report/sweep.h"

// Of a sweep: from sweep.json.
static tw_status write_sweep(const char *dir, const char *path, tw_err *err)
{
    json_t *all = twi_json_read(path, err);
    twi_str page = {0};
    char *to = all ? twi_run_file(dir, "report.html", err) : NULL;
    if (to) {
        twi_sweep_html(all, dir, &page);
        if (page.failed)
            twi_fail_memory(err, 0, "the report");
        else
            twi_file_write(to, page.text, page.n, err);
    }
    twi_str_clear(&page);
    twi_free(to);
    json_decref(all);
    return err->status;
}

tw_status twi_job_report(tw_context *tw, const tw_report_options *o, tw_err *err)
{
    tw_err own = {0};
    char *sweep = twi_run_file(o->run, "sweep.json", &own);
    if (sweep && twi_file_exists(sweep))
        write_sweep(o->run, sweep, &own);
    else if (sweep)
        twi_report_html(o->run, &own);
    twi_free(sweep);
    if (!own.status)
        twi_print(tw, "%s/report.html\n", o->run);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
