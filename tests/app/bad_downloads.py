"""Downloads that fail, and what becomes of the others."""

import threading

import surroundings
import tap
import web
from job import check
from kit import FAR, THREADS, Disk, test, unwritable


@test()
def a_missing_page_is_named_with_its_status(kit):
    kit.serve(web.status(404))
    kit.run().check_failure("404", kit.addresses[0])


@test()
def a_server_that_fails_is_named_with_its_status(kit):
    kit.serve(web.status(503))
    kit.run().check_failure("503", kit.addresses[0])


@test()
def a_refused_connection_is_named(kit):
    url, holder = web.refused_url()
    with holder:
        kit.serve(url)
        kit.run().check_failure("Connection refused", url)


@test()
def an_unknown_host_is_named(kit):
    """Without a name server of our own there may be none at all."""
    words = ["unknown host"] if surroundings.own_names else []
    url = "http://no-such-host.invalid/x.jpg"
    kit.serve(url)
    kit.run("--timeout", "10").check_failure(url, *words)


@test()
def names_that_nobody_answers_for_end_with_the_limit(kit):
    if not surroundings.own_names:
        raise tap.Skip("no name server of our own")
    url = "http://host.silent/x.jpg"
    kit.serve(url)
    kit.run("--timeout", "1").check_failure("within 1 seconds", url)


@test()
def a_body_without_end_is_cut_by_the_limit(kit):
    kit.serve(web.endless())
    job = kit.run("--timeout", "1")
    job.check_failure("within 1 seconds", kit.addresses[0])
    check(not kit.numbers("original_images"))


@test()
def a_full_disk_is_named_while_downloading(kit):
    with Disk(kit, "original_images"):
        kit.serve(web.picture(b"\xff" * 300_000))
        kit.run().check_failure("No space left", str(kit.original(1)))
        check(not kit.numbers("original_images"))


@test()
def a_folder_that_cannot_be_written_is_named_while_downloading(kit):
    kit.serve_good(1)
    with unwritable(kit, "original_images"):
        kit.run().check_failure("cannot create", str(kit.original(1)))


@test()
def a_file_in_the_place_of_a_folder_is_named(kit):
    kit.out.write_text("a file")
    try:
        kit.serve_good(1)
        kit.run().check_failure("Not a directory", str(kit.out))
    finally:
        kit.out.unlink()


# --- the others -------------------------------------------------------------


@test("sync_v1")
def after_a_failed_download_no_other_is_asked_for(kit):
    kit.serve_good(1)
    kit.serve(web.status(404))
    kit.serve_good(1)
    job = kit.run()
    job.check_failure("404")
    check(kit.web.requested == ["/1.jpg", "/2.jpg"], kit.web.requested)
    check(kit.numbers("original_images") == {1})
    check(job.count("Processed") == 0, job.lines)


@test("async_v1")
def threads_finish_their_downloads_and_begin_no_new_ones(kit):
    """All threads are busy when the first download fails. Those that are free
    before the group has heard of it may begin another one, which is slow: so
    many that none is left would take seconds."""
    crowd, hung_up = threading.Barrier(THREADS), threading.Event()

    def fail(request):
        crowd.wait(FAR)
        request.close_connection = True
        web.status(404)(request)
        hung_up.set()

    def join_crowd():
        crowd.wait(FAR)
        hung_up.wait(FAR)

    kit.serve(fail)
    for i in range(1, THREADS):
        kit.serve(web.after(join_crowd, web.picture(kit.good(i))))
    for i in range(3 * THREADS):
        kit.serve(web.slow(web.status(404)))
    job = kit.run("--timeout", str(FAR))
    job.check_failure("404", kit.addresses[0])
    check(kit.numbers("original_images") == set(range(2, THREADS + 1)),
          kit.numbers("original_images"))
    check(job.count("Downloading ") < 4 * THREADS, job.lines)
    check(job.count("Processed") == 0, job.lines)


@test("async_v2", "async_v3")
def a_failed_download_cancels_the_others(kit):
    begun = threading.Barrier(4)
    kit.serve(web.after(lambda: begun.wait(FAR), web.status(404)))
    for _ in range(3):
        kit.serve(web.endless(lambda: begun.wait(FAR)))
    job = kit.run("--timeout", str(FAR))
    job.check_failure("404", kit.addresses[0])
    check(not kit.numbers("original_images"))
    check(job.count("Processed") == 0, job.lines)
