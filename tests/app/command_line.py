"""What the programs say to those who call them."""

from job import Job, check
from kit import test


@test()
def help_goes_to_standard_output(kit):
    with Job([kit.program, "--help"]) as job:
        job.finish()
    check(job.status == 0 and job.errors == "", job.status, job.errors)
    for word in ("usage:", "LIST", "--out", "--workers", "--limit",
                 "--timeout"):
        check(any(word in line for line in job.lines), word, job.lines)


@test()
def a_wrong_command_line_is_explained(kit):
    kit.serve_good(1)
    for options, part in ((["--nothing"], "unknown option --nothing"),
                          (["-x"], "unknown option -x"),
                          (["--out"], "--out needs a value"),
                          (["--workers", "0"], "not '0'"),
                          (["--workers", "many"], "not 'many'"),
                          (["--limit", "0"], "--limit takes a number"),
                          (["--timeout", "-1"], "not '-1'"),
                          (["--timeout", "nan"], "not 'nan'"),
                          (["another.txt"], "one list at a time")):
        kit.run(*options).check_failure(part)
    check(not kit.web.requested, kit.web.requested)


@test()
def a_list_that_is_missing_or_empty_is_named(kit):
    with Job([kit.program, kit.root / "none.txt"]) as job:
        job.finish().check_failure("none.txt", "No such file")
    (kit.root / "list.txt").write_text("# nothing\n\n")
    kit.run().check_failure("list.txt holds no address")


@test()
def a_list_line_that_is_no_address_is_named(kit):
    kit.serve("htp:/nothing")
    kit.run().check_failure("htp:/nothing")
