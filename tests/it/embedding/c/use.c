/* Uses all of libmongoqueue: use URI COMPONENT. Ends with 1 at the first answer that is wrong. */
/* The names of POSIX message queues begin alike: none of them is taken. */
#include "mongoqueue.h"

#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(int line, int32_t wanted, int32_t code)
{
    char words[512];
    if (code == wanted)
        return;
    mq_error(words, sizeof words);
    fprintf(stderr, "line %d: %d in place of %d: %s\n", line, (int)code, (int)wanted, words);
    exit(1);
}

#define EXPECT(wanted, call) expect(__LINE__, wanted, call)

/* Prints a result and frees it. */
static void show(mq_handle result)
{
    char text[4096];
    size_t length = 0;
    EXPECT(MQ_OK, mq_read(result, text, sizeof text, &length));
    EXPECT(MQ_OK, mq_free(result));
    printf("%.*s\n", (int)length, text);
}

static mq_handle put(mq_handle queue, const char *json, const char *options)
{
    mq_handle receipt;
    EXPECT(MQ_OK, mq_put(queue, (const uint8_t *)json, strlen(json), options, &receipt));
    return receipt;
}

static void pull(mq_handle queue)
{
    const char *output = "{\"done\": true}";
    mq_handle lease, result;
    show(put(queue, "{\"n\": 1}", "{\"id\": \"first\", \"retain_ms\": 3600000}"));
    show(put(queue, "{\"n\": 1}", "{\"id\": \"first\", \"retain_ms\": 3600000}"));
    EXPECT(MQ_OK, mq_next(queue, 0, 30000, &lease));
    EXPECT(MQ_OK, mq_heartbeat(lease));
    EXPECT(MQ_OK, mq_payload(lease, &result));
    show(result);
    EXPECT(MQ_OK, mq_complete(lease, (const uint8_t *)output, strlen(output), NULL));
    EXPECT(MQ_HANDLE, mq_complete(lease, NULL, 0, NULL));
    EXPECT(MQ_OK, mq_get(queue, "first", &result));
    show(result);

    EXPECT(MQ_OK, mq_free(put(queue, "2", "{\"id\": \"second\", \"headers\": {\"a\": \"b\"}}")));
    EXPECT(MQ_OK, mq_next(queue, 0, 0, &lease));
    EXPECT(MQ_OK, mq_release(lease, 0));
    EXPECT(MQ_OK, mq_next(queue, 0, 0, &lease));
    EXPECT(MQ_INVALID, mq_fail(lease, "no", NULL, -7));
    EXPECT(MQ_OK, mq_fail(lease, "no such mailbox", "smtp-550", MQ_REJECT));
    EXPECT(MQ_OK, mq_get(queue, "second", &result));
    show(result);
    EXPECT(MQ_NONE, mq_next(queue, 0, 0, &lease));
    if (lease != 0)
        exit(2);
}

int main(int count, char **args)
{
    mq_handle connection, queue, texts, result;
    if (count != 3)
        return 2;
    EXPECT(MQ_OK, mq_connect(args[1], "{\"consumer\": \"c\"}", &connection));
    EXPECT(MQ_OK, mq_queue(connection, "letters", &queue));
    pull(queue);

    EXPECT(MQ_OK, mq_put_many(queue,
                              "[{\"payload\": 1, \"options\": {\"unique_key\": \"k\"}},"
                              " {\"payload\": 2, \"options\": {\"max_attempts\": 0}}]",
                              &result));
    EXPECT(MQ_OK, mq_free(result));
    EXPECT(MQ_DUPLICATE, mq_put(queue, (const uint8_t *)"3", 1, "{\"unique_key\": \"k\"}", &result));
    EXPECT(MQ_OK, mq_stats(queue, &result));
    show(result);

    EXPECT(MQ_OK, mq_queue(connection, "texts", &texts));
    EXPECT(MQ_OK, mq_free(put(texts, "{\"text\": \"one two\"}", NULL)));
    EXPECT(MQ_OK, mq_run(texts, args[2], "{\"until_empty\": true, \"grants\": {\"next\": \"words\"}}",
                         &result));
    show(result);
    EXPECT(MQ_REFUSED, mq_run(texts, "nowhere.wasm", NULL, &result));
    EXPECT(MQ_OK, mq_stop(connection));
    /* Stopped before it began. */
    EXPECT(MQ_OK, mq_run(texts, args[2], "{\"grants\": {\"next\": \"words\"}}", &result));
    EXPECT(MQ_OK, mq_free(result));
    EXPECT(MQ_OK, mq_free(queue));
    EXPECT(MQ_OK, mq_free(texts));
    EXPECT(MQ_OK, mq_free(connection));
    return 0;
}
