/* Misuses libmongoqueue: misuse URI. Ends with 1 at the first answer that is wrong. */
#define _POSIX_C_SOURCE 200809L
#include "mongoqueue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define JOBS 20

static void expect(int line, int32_t wanted, int32_t code)
{
    char words[512];
    if (code == wanted) {
        /* Who was refused is told why, and nobody else. */
        if ((mq_error(words, sizeof words) > 0) == (code < 0))
            return;
        fprintf(stderr, "line %d: %d with the words \"%s\"\n", line, (int)code, words);
        exit(1);
    }
    mq_error(words, sizeof words);
    fprintf(stderr, "line %d: %d in place of %d: %s\n", line, (int)code, (int)wanted, words);
    exit(1);
}

#define EXPECT(wanted, call) expect(__LINE__, wanted, call)

static mq_handle connection, queue;

static void nulls(const char *uri)
{
    mq_handle out;
    size_t length;
    char small[2];
    EXPECT(MQ_NULL, mq_connect(NULL, NULL, &out));
    EXPECT(MQ_NULL, mq_connect(uri, NULL, NULL));
    EXPECT(MQ_NULL, mq_queue(connection, NULL, &out));
    EXPECT(MQ_NULL, mq_queue(connection, "q", NULL));
    EXPECT(MQ_NULL, mq_put(queue, NULL, 5, NULL, &out));
    EXPECT(MQ_NULL, mq_put(queue, (const uint8_t *)"1", 1, NULL, NULL));
    EXPECT(MQ_NULL, mq_put_many(queue, NULL, &out));
    EXPECT(MQ_NULL, mq_put_many(queue, "[]", NULL));
    EXPECT(MQ_NULL, mq_next(queue, 0, 0, NULL));
    EXPECT(MQ_NULL, mq_job(1, NULL));
    EXPECT(MQ_NULL, mq_payload(1, NULL));
    EXPECT(MQ_NULL, mq_complete(1, NULL, 5, NULL));
    EXPECT(MQ_NULL, mq_fail(1, NULL, NULL, MQ_RETRY));
    EXPECT(MQ_NULL, mq_get(queue, NULL, &out));
    EXPECT(MQ_NULL, mq_get(queue, "x", NULL));
    EXPECT(MQ_NULL, mq_stats(queue, NULL));
    EXPECT(MQ_NULL, mq_run(queue, NULL, NULL, &out));
    EXPECT(MQ_NULL, mq_run(queue, "x.wasm", NULL, NULL));
    EXPECT(MQ_OK, mq_stats(queue, &out));
    EXPECT(MQ_NULL, mq_read(out, small, sizeof small, NULL));
    EXPECT(MQ_NULL, mq_read(out, NULL, 5, &length));
    EXPECT(MQ_TOO_SMALL, mq_read(out, small, sizeof small, &length));
    EXPECT(MQ_OK, mq_read(out, NULL, 0, &length));
    EXPECT(MQ_OK, mq_free(out));
    EXPECT(MQ_HANDLE, mq_free(out));
    EXPECT(MQ_HANDLE, mq_read(out, NULL, 0, &length));
}

static void wrong(void)
{
    mq_handle out, lease;
    char words[8] = "1234567";
    static const uint8_t bad[] = {0xff, 0};
    EXPECT(MQ_HANDLE, mq_free(0));
    EXPECT(MQ_HANDLE, mq_free(UINT64_MAX));
    EXPECT(MQ_HANDLE, mq_heartbeat(UINT64_MAX));
    EXPECT(MQ_KIND, mq_stats(connection, &out));
    EXPECT(MQ_KIND, mq_queue(queue, "q", &out));
    EXPECT(MQ_KIND, mq_complete(queue, NULL, 0, NULL));
    EXPECT(MQ_KIND, mq_stop(queue));
    EXPECT(MQ_INVALID, mq_connect("no URI", NULL, &out));
    EXPECT(MQ_INVALID, mq_queue(connection, "", &out));
    EXPECT(MQ_INVALID, mq_queue(connection, (const char *)bad, &out));
    EXPECT(MQ_INVALID, mq_put(queue, (const uint8_t *)"{", 1, NULL, &out));
    EXPECT(MQ_INVALID, mq_put(queue, bad, (size_t)-1, NULL, &out));
    EXPECT(MQ_INVALID, mq_put(queue, bad, 1, "{\"prio\": 1}", &out));
    EXPECT(MQ_INVALID, mq_put(queue, bad, 1, "no JSON", &out));
    EXPECT(MQ_INVALID, mq_put_many(queue, "{}", &out));
    EXPECT(MQ_NO_SUCH_JOB, mq_get(queue, "nobody", &out));
    /* A message that is cut still ends. */
    if (mq_error(words, sizeof words) < sizeof words || words[7] != 0)
        exit(3);
    EXPECT(MQ_NO_SUCH_JOB, mq_get(queue, "nobody", &out));
    if (mq_error(NULL, 0) == 0)
        exit(3);

    /* Bytes that are no text, and a lease whose connection was closed first. */
    EXPECT(MQ_OK, mq_put(queue, bad, 1, "{\"content_type\": \"image/x\"}", &out));
    EXPECT(MQ_OK, mq_free(out));
    EXPECT(MQ_OK, mq_next(queue, 0, 0, &lease));
    EXPECT(MQ_OK, mq_free(connection));
    EXPECT(MQ_HANDLE, mq_queue(connection, "q", &out));
    EXPECT(MQ_KIND, mq_read(lease, words, sizeof words, &(size_t){0}));
    EXPECT(MQ_OK, mq_heartbeat(lease));
    EXPECT(MQ_OK, mq_complete(lease, bad, 1, "image/x"));
    EXPECT(MQ_HANDLE, mq_release(lease, 0));
    EXPECT(MQ_HANDLE, mq_fail(lease, "", NULL, MQ_RETRY));
    EXPECT(MQ_HANDLE, mq_free(lease));
}

/* Several settle the same lease: one of them does. */
static void *settle(void *lease)
{
    return mq_complete(*(mq_handle *)lease, NULL, 0, NULL) == MQ_OK ? lease : NULL;
}

static void *work(void *unused)
{
    mq_handle out;
    (void)unused;
    for (int n = 0; n < JOBS; n++) {
        EXPECT(MQ_OK, mq_put(queue, (const uint8_t *)"1", 1, NULL, &out));
        EXPECT(MQ_OK, mq_free(out));
    }
    return NULL;
}

static void threads(void)
{
    pthread_t all[THREADS];
    mq_handle lease, out;
    int settled = 0;
    for (int n = 0; n < THREADS; n++)
        pthread_create(&all[n], NULL, work, NULL);
    for (int n = 0; n < THREADS; n++)
        pthread_join(all[n], NULL);
    EXPECT(MQ_OK, mq_next(queue, 0, 0, &lease));
    for (int n = 0; n < THREADS; n++)
        pthread_create(&all[n], NULL, settle, &lease);
    for (int n = 0; n < THREADS; n++) {
        void *answer;
        pthread_join(all[n], &answer);
        settled += answer != NULL;
    }
    if (settled != 1) {
        fprintf(stderr, "settled %d times\n", settled);
        exit(4);
    }
    EXPECT(MQ_OK, mq_stats(queue, &out));
    EXPECT(MQ_OK, mq_free(out));
}

static void forked(void)
{
    mq_handle out;
    int status;
    pid_t child = fork();
    if (child == 0) {
        EXPECT(MQ_FORKED, mq_stats(queue, &out));
        EXPECT(MQ_FORKED, mq_free(queue));
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        exit(5);
    /* The parent goes on. */
    EXPECT(MQ_OK, mq_stats(queue, &out));
    EXPECT(MQ_OK, mq_free(out));
}

int main(int count, char **args)
{
    if (count != 2)
        return 2;
    EXPECT(MQ_OK, mq_connect(args[1], NULL, &connection));
    EXPECT(MQ_OK, mq_queue(connection, "q", &queue));
    nulls(args[1]);
    threads();
    forked();
    /* Closes the connection. Last, as it claims a job of its own kind. */
    EXPECT(MQ_OK, mq_free(queue));
    EXPECT(MQ_OK, mq_queue(connection, "bytes", &queue));
    wrong();
    EXPECT(MQ_OK, mq_free(queue));
    puts("as told");
    return 0;
}
