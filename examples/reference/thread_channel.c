// Ends of channels for threads: one feeds tasks, another works for them.
//
//     cc thread_channel.c -pthread $(pkg-config --cflags --libs libasyncio)

#include <pthread.h>
#include <stdio.h>

#include <asyncio.h>

ASYNCIO_CHANNEL_TYPE(numbers, int);

// What the thread holds: it squares numbers until there are no more.
struct squarer {
    struct numbers_thread_receiver questions;
    struct numbers_thread_sender answers;
};

static void *square(void *arg)
{
    struct squarer *squarer = arg;
    int number, count = 0;
    while (asyncio_thread_receiver_receive(&squarer->questions, &number,
                                           ASYNCIO_FOREVER) == 0) {
        number *= number;
        if (asyncio_thread_sender_send(&squarer->answers, &number, 10) < 0)
            break;
        count++;
    }
    number = -count; // there may be no room for a last word
    if (asyncio_thread_sender_send_nowait(&squarer->answers, &number) < 0)
        fprintf(stderr, "nobody listens\n");
    asyncio_thread_receiver_release(&squarer->questions);
    asyncio_thread_sender_release(&squarer->answers);
    return NULL;
}

static int ask(struct numbers_sender *questions, struct numbers_receiver *in)
{
    int err = 0, answer;
    for (int i = 1; i <= 3 && err == 0; i++) {
        err = asyncio_sender_send(questions, &i);
        if (err == 0) err = asyncio_receiver_receive(in, &answer);
        if (err == 0) printf("%d squared is %d\n", i, answer);
    }
    asyncio_sender_close(questions); // the thread ends
    while (err == 0 && (err = asyncio_receiver_receive(in, &answer)) == 0)
        printf("%d in all\n", -answer);
    return err == -ENODATA ? 0 : err;
}

// Each holder has a reference of its own. A closed end is closed for all.
static void hold_and_close(struct squarer *unused)
{
    int number = 0;
    struct numbers_thread_sender sender = unused->answers;
    struct numbers_thread_receiver receiver = unused->questions;
    asyncio_thread_sender_retain(&sender);
    asyncio_thread_receiver_retain(&receiver);
    asyncio_thread_sender_close(&sender);
    if (asyncio_thread_receiver_receive_nowait(&receiver, &number) == -EAGAIN)
        printf("no questions\n");
    asyncio_thread_receiver_close(&receiver);
    asyncio_thread_sender_release(&sender);
    asyncio_thread_receiver_release(&receiver);
    asyncio_thread_sender_release(&unused->answers);
    asyncio_thread_receiver_release(&unused->questions);
}

static int async_main(void *arg)
{
    struct numbers_sender questions, answers_out = {0};
    struct numbers_receiver questions_in, answers = {0};
    struct squarer squarer = {0}, unused = {0};
    pthread_t thread;
    (void)arg;
    int err = asyncio_channel_create(&questions, &questions_in, 0);
    if (err == 0) err = asyncio_channel_create(&answers_out, &answers, 1);
    struct squarer *both[] = {&unused, &squarer};
    for (int i = 0; i < 2 && err == 0; i++) {
        err =
            asyncio_thread_receiver_create(&both[i]->questions, &questions_in);
        if (err == 0)
            err = asyncio_thread_sender_create(&both[i]->answers, &answers_out);
    }
    if (err == 0) hold_and_close(&unused);
    bool started =
        err == 0 && pthread_create(&thread, NULL, square, &squarer) == 0;
    asyncio_sender_close(&answers_out); // what is left are the thread's
    asyncio_receiver_close(&questions_in);
    if (started) {
        err = ask(&questions, &answers);
        asyncio_receiver_close(&answers);
        pthread_join(thread, NULL);
    } else {
        asyncio_thread_receiver_release(&squarer.questions);
        asyncio_thread_sender_release(&squarer.answers);
        if (err == 0) err = -EAGAIN;
    }
    asyncio_sender_close(&questions);
    asyncio_receiver_close(&answers);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: no questions
// expect: 1 squared is 1
// expect: 2 squared is 4
// expect: 3 squared is 9
// expect: 3 in all
