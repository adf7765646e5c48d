#!/usr/bin/python3 -B
"""What the headers refuse at compile time: refused.py INCLUDE -- C-COMPILER...
[-- C++-COMPILER...]. Each call is compiled as it is meant, and with a mistake
that no warning is enough for. Prints TAP."""

import functools
import itertools
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "app"))

import tap  # noqa: E402

PROGRAM = """
#include <asyncio.h>

struct job { int number; };
ASYNCIO_CHANNEL_TYPE(jobs, struct job);
ASYNCIO_CHANNEL_TYPE(words, char *);

struct ends {
    struct jobs_sender out;
    struct jobs_receiver in;
    struct jobs_thread_sender thread_out;
    struct jobs_thread_receiver thread_in;
    struct words_receiver words_in;
    struct asyncio_queue queue;
    struct asyncio_task *task;
    struct asyncio_future future;
    struct asyncio_lock lock;
};

int call(struct ends *ends);
int call(struct ends *ends)
{
    struct job job = {1}, *pointer = &job, *pointers[3] = {&job};
    void *slots[4];
    char bytes[sizeof(void *)];
    int number = 1;
    (void)ends, (void)pointer, (void)pointers, (void)slots;
    (void)bytes, (void)number;
    return %s;
}
"""

# What is called; as it is meant; and what must not compile.
CALLS = [
    ("a queue hands out pointers",
     ["asyncio_queue_get(&ends->queue, &pointer)",
      "asyncio_queue_get(&ends->queue, pointers)",
      "asyncio_queue_get(&ends->queue, &slots[1])",
      "asyncio_queue_get_nowait(&ends->queue, &pointer)"],
     ["asyncio_queue_get(&ends->queue, &number)",
      "asyncio_queue_get(&ends->queue, pointer)",
      "asyncio_queue_get(&ends->queue, bytes)",
      "asyncio_queue_get(&ends->queue, &bytes)",
      "asyncio_queue_get_nowait(&ends->queue, &number)",
      "asyncio_queue_get_nowait(&ends->queue, &pointer->number)"]),
    ("a channel carries one type",
     ["asyncio_sender_send(&ends->out, &job)",
      "asyncio_sender_send_nowait(&ends->out, (const struct job *)&job)",
      "asyncio_receiver_receive(&ends->in, &job)",
      "asyncio_receiver_receive_nowait(&ends->in, &job)",
      "asyncio_channel_create(&ends->out, &ends->in, 1)"],
     ["asyncio_sender_send(&ends->out, &number)",
      "asyncio_sender_send(&ends->out, &pointer)",
      "asyncio_sender_send_nowait(&ends->out, slots)",
      "asyncio_receiver_receive(&ends->in, &number)",
      "asyncio_receiver_receive(&ends->in, (const struct job *)&job)",
      "asyncio_receiver_receive_nowait(&ends->in, &pointer)",
      "asyncio_channel_create(&ends->out, &ends->words_in, 1)"]),
    ("so do its ends for threads",
     ["asyncio_thread_sender_send(&ends->thread_out, &job, 1)",
      "asyncio_thread_receiver_receive(&ends->thread_in, &job, 1)"],
     ["asyncio_thread_sender_send(&ends->thread_out, &number, 1)",
      "asyncio_thread_receiver_receive(&ends->thread_in, &number, 1)"]),
    ("a case of select has what its channel carries",
     ["ASYNCIO_SELECT_SEND(&ends->out, &job).result",
      "ASYNCIO_SELECT_RECEIVE(&ends->in, &job).result",
      "ASYNCIO_SELECT_TASK(ends->task).result",
      "ASYNCIO_SELECT_FUTURE(&ends->future).result"],
     ["ASYNCIO_SELECT_SEND(&ends->out, &number).result",
      "ASYNCIO_SELECT_RECEIVE(&ends->in, &number).result",
      "ASYNCIO_SELECT_TASK(&ends->future).result",
      "ASYNCIO_SELECT_FUTURE(ends->task).result"]),
    ("what is awaited is a task, a future or a coroutine",
     ["asyncio_await(ends->task)",
      "asyncio_await(&ends->future)",
      "asyncio_shield(ends->task)"],
     ["asyncio_await(&number)",
      "asyncio_await(number)",
      "asyncio_await(&ends->queue)",
      "asyncio_shield(&number)",
      "asyncio_wait_for(&number, 1)",
      "asyncio_gather(&number, 1)"]),
    ("slots are an array",
     ["((struct asyncio_queue)ASYNCIO_QUEUE(slots)).bounded_"],
     ["((struct asyncio_queue)ASYNCIO_QUEUE(&slots[0])).bounded_",
      "((struct asyncio_queue)ASYNCIO_QUEUE(&number)).bounded_"]),
]


def commands(arguments):
    include, *rest = arguments
    compilers = [list(words) for dashes, words in
                 itertools.groupby(rest, lambda word: word == "--")
                 if not dashes]
    languages = (("C", "-std=c17", "c"), ("C++", "-std=c++20", "c++"))
    for compiler, (name, standard, language) in zip(compilers, languages):
        yield name, [*compiler, standard, "-x", language, "-w",
                     f"-I{include}", "-fsyntax-only", "-"]


def compiles(command, expression):
    ran = subprocess.run(command, input=PROGRAM % expression, text=True,
                         capture_output=True, check=False)
    return ran.returncode == 0, ran.stderr


def check(command, meant, mistakes):
    for expression in meant:
        well, said = compiles(command, expression)
        assert well, f"{expression}\n{said}"
    for expression in mistakes:
        assert not compiles(command, expression)[0], f"taken: {expression}"


def tests():
    for language, command in commands(sys.argv[1:]):
        for name, meant, mistakes in CALLS:
            yield (f"{name} ({language})",
                   functools.partial(check, command, meant, mistakes))


def main():
    if "--inject" in sys.argv:
        print("1..0 # SKIP the fault loop is for the runner's tests")
        return 0
    return tap.run(list(tests()))


if __name__ == "__main__":
    sys.exit(main())
