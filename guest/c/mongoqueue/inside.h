/* What the files of the SDK share. Nothing for handlers. */
#ifndef MONGOQUEUE_INSIDE_H
#define MONGOQUEUE_INSIDE_H

#include <stdarg.h>

#include "bindings/job_handler.h"
#include "guest.h"

/* Memory, or the end of the attempt. */
void *mq_alloc(size_t size);

char *mq_vformat(const char *format, va_list values);

/* A copy that ends with a zero byte. */
char *mq_copy(const void *bytes, size_t size);

/* As the contract has it: UTF-8, of its own memory. */
job_handler_string_t mq_outward(const char *text);

/* The same of a text that may be missing, or is empty. */
job_handler_option_string_t mq_outward_option(const char *text);

/* As C has it. */
const char *mq_inward(job_handler_string_t text);

mongoqueue_jobs_types_payload_t mq_outward_payload(mq_payload payload);
mq_payload mq_inward_payload(mongoqueue_jobs_types_payload_t payload);

/* What a call of the host came to; keeps the words of one that failed. */
mq_error mq_answered(bool done, const mongoqueue_jobs_types_error_t *error);

#endif
