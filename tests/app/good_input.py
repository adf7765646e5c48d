"""Good pictures: what comes out, and how many downloads run at a time."""

import threading

import web
from job import check
from kit import FAR, THREADS, test


@test()
def good_pictures_become_the_edges_that_the_reference_makes(kit):
    kit.serve_good(12)
    kit.run().check_success(12)
    everything = set(range(1, 13))
    check(kit.numbers("original_images") == everything)
    check(kit.numbers("processed_images") == everything)


@test()
def a_second_run_replaces_what_the_first_has_left(kit):
    kit.serve_good(2)
    kit.run().check_success(2)
    kit.original(1).write_bytes(b"old")
    kit.processed(2).write_bytes(b"old")
    kit.run().check_success(2)


def together(kit, downloads, images, *options):
    """Nobody is answered before `downloads` requests are there."""
    crowd = threading.Barrier(downloads)
    for i in range(images):
        kit.serve(web.after(lambda: crowd.wait(FAR), web.picture(kit.good(i))))
    job = kit.run("--timeout", str(FAR), *options)
    job.check_success(images)
    check(job.most_downloads() == downloads, job.lines)


@test("sync_v1")
def downloads_come_one_after_the_other(kit):
    together(kit, 1, 3)


@test("async_v1")
def as_many_downloads_run_as_the_pool_has_threads(kit):
    together(kit, THREADS, 2 * THREADS)


@test("async_v2")
def all_downloads_run_at_once(kit):
    together(kit, 12, 12)


@test("async_v3")
def four_downloads_run_at_a_time(kit):
    together(kit, 4, 12)


@test("async_v3")
def another_number_of_downloads_can_be_said(kit):
    together(kit, 3, 12, "--limit", "3")


@test("async_v2", "async_v3")
def any_number_of_workers_gives_the_same_pictures(kit):
    kit.serve_good(6)
    for workers in ("1", "3", "16"):
        kit.run("--workers", workers).check_success(6)
