"""Pictures that cannot be processed, and what becomes of the others."""

import web
from job import Job, check
from kit import Disk, test, unwritable
from make_pictures import with_size


def bad_among_good(kit, page, *parts):
    """The second of three pictures is bad: what becomes of the others?"""
    kit.serve_good(1)
    kit.serve(page)
    kit.serve_good(1)
    job = kit.run()
    job.check_failure(str(kit.original(2)), *parts)
    check(kit.numbers("original_images") == {1, 2, 3})
    done = kit.numbers("processed_images")
    check(job.count("Processed") == len(done), job.lines, done)
    if kit.version == "sync_v1":
        check(done == {1}, done)
    elif kit.version == "async_v1":
        check(done <= {1, 3}, done)
    else:
        check(done == {1, 3}, done)


@test()
def a_page_of_html_is_no_picture(kit):
    bad_among_good(kit, web.html(), "is not a JPEG")


@test()
def an_empty_body_is_no_picture(kit):
    bad_among_good(kit, web.picture(b""), "is empty")


@test()
def a_picture_that_is_cut_short_is_named(kit):
    whole = kit.good()
    bad_among_good(kit, web.picture(whole[:len(whole) // 2]), "cut short")


@test()
def a_picture_that_claims_to_be_huge_is_refused(kit):
    huge = with_size(kit.good(), 64250, 64250)
    bad_among_good(kit, web.picture(huge), "64250x64250")


@test("async_v2", "async_v3")
def one_of_many_failures_comes_out_when_all_were_tried(kit):
    for _ in range(6):
        kit.serve(web.html())
        kit.serve_good(1)
    job = kit.run()
    job.check_failure("is not a JPEG")
    check(kit.numbers("processed_images") == {2, 4, 6, 8, 10, 12}, job.lines)


@test()
def a_full_disk_is_named_while_processing(kit):
    with Disk(kit, "processed_images"):
        kit.serve_good(1)
        kit.run().check_failure("No space left", str(kit.processed(1)))
        check(not kit.numbers("processed_images"))


@test()
def a_folder_that_cannot_be_written_is_named_while_processing(kit):
    kit.serve_good(1)
    with unwritable(kit, "processed_images"):
        kit.run().check_failure("cannot create", str(kit.processed(1)))


@test()
def a_full_disk_behind_standard_output_is_named(kit):
    kit.serve_good(1)
    with open("/dev/full", "w", encoding="ascii") as full:
        with Job(kit.command(), stdout=full) as job:
            job.finish().check_failure("cannot print", "No space left")
