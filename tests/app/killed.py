"""Processes that are killed in the middle of a picture."""

import io
import os
import signal
import threading

import web
from job import Job, check, descendants
from kit import FAR, test
from make_pictures import noise

PIPE_AND_BUFFER = 2 * 65536  # what a reader may have left unread in a pipe


def large_picture():
    file = io.BytesIO()
    noise("RGB", (640, 480)).save(file, "JPEG", quality=95)
    return file.getvalue()


def only_worker(job):
    workers = [pid for pid, name in descendants(job.process.pid)
               if name == "asyncio-worker"]
    check(len(workers) == 1, "workers", descendants(job.process.pid))
    return workers[0]


def in_the_middle(kit, then):
    """Calls `then` while the only worker is in the middle of picture 1.

    That is a pipe, put in the place of the original while the second download
    still waits. Once the pipe has taken so much, the worker has decoded rows,
    and waits for more; it has no other way out than being killed.
    """
    replaced = threading.Event()
    kit.serve_good(1)
    kit.serve(web.after(lambda: replaced.wait(FAR), web.picture(kit.good(1))))
    kit.serve_good(1)
    with Job(kit.command("--workers", "1")) as job:
        job.read_until("original_images/img_1.jpg")
        kit.original(1).unlink()
        os.mkfifo(kit.original(1))
        replaced.set()
        with open(kit.original(1), "wb", buffering=0) as pipe:
            pipe.write(large_picture()[:PIPE_AND_BUFFER + 1])
            then(job)
            job.finish()
    kit.original(1).unlink()
    kit.check_folders()
    return job


@test("async_v2", "async_v3")
def a_killed_worker_is_one_failed_picture(kit):
    job = in_the_middle(
        kit, lambda job: os.kill(only_worker(job), signal.SIGKILL))
    job.check_failure(str(kit.original(1)), "process_single_image", "SIGKILL")
    check(kit.numbers("processed_images") == {2, 3}, job.lines)


@test("async_v2", "async_v3")
def a_killed_program_takes_its_workers_along(kit):
    job = in_the_middle(kit, lambda job: job.process.kill())
    check(job.status == -signal.SIGKILL, job.status)
    check(not kit.numbers("processed_images"), job.lines)
