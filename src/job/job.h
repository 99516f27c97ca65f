// Jobs: what each verb does, on checked options. One file per verb (<verb>.c), train with its helpers.
#ifndef TWI_JOB_JOB_H
#define TWI_JOB_JOB_H

#include "job/context.h"

tw_status twi_job_train(tw_context *tw, const tw_train_options *o, tw_err *err);
tw_status twi_job_predict(tw_context *tw, const tw_predict_options *o, tw_err *err);
tw_status twi_job_evaluate(tw_context *tw, const tw_evaluate_options *o, tw_err *err);
tw_status twi_job_summary(tw_context *tw, const tw_summary_options *o, tw_err *err);
tw_status twi_job_models(tw_context *tw, const tw_models_options *o, tw_err *err);
tw_status twi_job_plan(tw_context *tw, const tw_plan_options *o, tw_err *err);
tw_status twi_job_cache(tw_context *tw, const tw_cache_options *o, tw_err *err);
tw_status twi_job_convert(tw_context *tw, const tw_convert_options *o, tw_err *err);
tw_status twi_job_sweep(tw_context *tw, const tw_sweep_options *o, tw_err *err);
tw_status twi_job_fetch(tw_context *tw, const tw_fetch_options *o, tw_err *err);
tw_status twi_job_report(tw_context *tw, const tw_report_options *o, tw_err *err);

#endif
