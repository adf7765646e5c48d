#!/usr/bin/python3 -B
"""What programs write as traces, looked at by a checker that knows only the
format; and the checker, with what is wrong: traces.py TRACED. Prints TAP."""

import copy
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "app"), str(HERE.parents[1] / "tools/trace")]

import read  # noqa: E402
import tap  # noqa: E402

tap.LIMIT_S = 300  # a hundred thousand tasks, on a machine with other work
TRACED = os.path.abspath(sys.argv[1])
TIMELINE = str(HERE.parents[1] / "tools/trace/timeline.py")
FOLDER = tempfile.TemporaryDirectory(prefix="asyncio-trace-")
TRACE = os.path.join(FOLDER.name, "trace.json")


def run(*arguments, name=TRACE, status=0, debug=False):
    """Runs the program with a trace; returns what it says on standard error."""
    environment = dict(os.environ, ASYNCIO_TRACE=name)
    if debug:
        environment["ASYNCIO_DEBUG"] = "1"
    for old in Path(FOLDER.name).iterdir():
        old.unlink()
    ran = subprocess.run([TRACED, *arguments], env=environment, text=True,
                         stderr=subprocess.PIPE, check=False)
    assert ran.returncode == status, (ran.returncode, ran.stderr)
    return ran.stderr


def look(path=TRACE, whole=True):
    events = read.read(path)
    return events, read.check(events, whole)


def of(events, phase, category=None):
    return [event for event in events if event["ph"] == phase
            and category in (None, event.get("cat"))]


# --- programs ----------------------------------------------------------------

def all_that_a_program_does_is_in_a_sound_trace():
    run("all")
    events, counts = look()
    names = {event["name"] for event in of(events, "X", "task")}
    assert {f'worker "{i}"' for i in range(5)} <= names, names
    assert "renamed" in names and "called" in {
        event["name"] for event in of(events, "X", "callback")}
    jobs = of(events, "X", "job")
    assert len(jobs) == 5 + 8 + 1, len(jobs)
    assert {job["name"] for job in jobs} == {"square"}
    waits = {event["name"] for event in of(events, "b", "task")}
    assert {"sleep", "a semaphore", "executor", "the tasks of a group"} <= waits
    assert len(of(events, "i", "mark")) == 5
    # Each task but the first two was made by another one.
    made = [event for event in of(events, "b")
            if "runs" in event.get("args", {})]
    assert counts["arrows"] >= len(made) - 2, (counts, len(made))


def jobs_lie_between_their_arrows():
    run("all")
    events, _ = look()
    slices = read.slices_of(events)
    pairs = read.check_arrows(events, slices)
    jobs = of(events, "X", "job")
    into = [to for _, to in pairs if to["cat"] == "job"]
    back = [of_ for of_, to in pairs if of_["cat"] == "job"]
    alone = [job for job in jobs if "called at" in job["args"]]
    assert len(into) >= len(alone) == len(back), (len(into), len(alone),
                                                  len(back))
    for begin, end in pairs:
        assert begin["ts"] <= end["ts"] + end["dur"], (begin, end)


def debug_mode_sees_the_same():
    run("all", debug=True)
    look()


def several_loops_have_a_row_each():
    run("loops")
    events, _ = look()
    rows = {event["args"]["name"] for event in of(events, "M")
            if event["name"] == "thread_name"}
    assert {"loop 0", "loop 1", "loop 2"} <= rows, rows
    threads = {event["tid"] for event in of(events, "X", "task")}
    assert len(threads) == 3, threads


def no_event_of_a_hundred_thousand_tasks_is_missing():
    run("many", "100000")
    events, counts = look()
    assert not of(events, "i", "trace")
    assert len([1 for event in of(events, "b")
                if event.get("args", {}).get("runs") == "hold"]) == 100000
    assert counts["slices"] >= 200000


def a_program_that_exits_leaves_a_whole_file():
    run("exit")
    events, _ = look(whole=False)
    assert len(of(events, "b")) > 10
    assert Path(TRACE).read_text(encoding="utf-8").endswith("}\n]\n")


def a_program_that_crashes_leaves_a_whole_file():
    run("crash", status=-6)
    events, _ = look(whole=False)
    assert len(of(events, "b")) > 10
    assert Path(TRACE).read_text(encoding="utf-8").endswith("}\n]\n")


def two_processes_do_not_write_one_file():
    words = run("again")
    assert words.count("another process writes it") == 1, words
    events, _ = look()
    assert len({event["pid"] for event in events}) == 1


def each_process_has_a_file_where_the_name_says_so():
    run("again", name=os.path.join(FOLDER.name, "%p.json"))
    files = list(Path(FOLDER.name).glob("*.json"))
    assert len(files) == 2, files
    for path in files:
        events, _ = look(path)
        assert {str(event["pid"]) for event in events} == {path.stem}


def texts_of_picture(*options):
    drawn = subprocess.run([sys.executable, TIMELINE, TRACE, *options],
                           text=True, capture_output=True, check=True).stdout
    root = xml.etree.ElementTree.fromstring(drawn)
    return {text.text
            for text in root.iter("{http://www.w3.org/2000/svg}text")}


def a_picture_is_drawn_of_it():
    run("all")
    texts = texts_of_picture()
    assert {'worker "0" (worker)', "renamed (too_late)", "jobs",
            "worker process 0", "waits: sleep"} <= texts, texts


def what_is_too_small_to_be_seen_has_no_colour_explained():
    run("all")
    texts = texts_of_picture("--width", "207")  # next to no room
    assert "runs" in texts and "worker process 0" in texts, texts
    assert not [text for text in texts if text.startswith("waits")], texts


# --- the checker -------------------------------------------------------------

def event(phase, **fields):
    return dict({"ph": phase, "cat": "c", "name": "n", "pid": 1, "tid": 1,
                 "ts": 1.0}, **fields)


GOOD = [
    {"ph": "M", "name": "thread_name", "pid": 1, "tid": 1,
     "args": {"name": "loop"}},
    event("X", ts=0, dur=10),
    event("X", ts=1, dur=2.5),
    event("B", ts=4), event("E", ts=5),
    event("X", ts=20, dur=5),
    event("b", id=1, ts=0), event("b", id=1, ts=1, name="inner"),
    event("n", id=1, ts=1.5),
    event("e", id=1, ts=2, name="inner"), event("e", id=1, ts=3),
    event("s", id=2, ts=2), event("f", id=2, ts=21, bp="e"),
    event("i", ts=2, s="t"), event("C", ts=3, args={"tasks": 3}),
]


def refuses(events, part):
    try:
        read.check(copy.deepcopy(events))
    except read.Wrong as wrong:
        assert part in str(wrong), (part, str(wrong))
        return
    raise AssertionError(f"this was not refused: {part}")


def the_checker_takes_what_is_right():
    counts = read.check(copy.deepcopy(GOOD))
    assert counts == {"events": 15, "rows": 1, "slices": 4, "spans": 2,
                      "arrows": 1}, counts


def the_checker_refuses_events_that_are_none():
    for wrong, part in [
            (event("?"), "no phase"), ("X", "is an object"),
            (event("X"), "has dur"), (event("X", dur=-1), "dur is a time"),
            (event("i", ts="1"), "ts is a time"),
            (event("i", ts=True), "ts is a time"),
            (event("i", ts=float("nan")), "ts is a time"),
            (event("i", s="x"), "no scope"), (event("b"), "has id"),
            (event("s", id=1.5), "id is"), (event("i", pid="1"), "pid is"),
            (event("i", tid=True), "tid is"), (event("i", name=1), "name is"),
            (event("i", cat=1), "cat is"), (event("i", args=[]), "args is"),
            (event("f", id=1, bp="x"), "bp is"),
            (event("M", name="thread_name", args={}), "has name"),
            (event("M", name="colour", args={}), "no metadata")]:
        refuses(GOOD + [wrong], part)


def the_checker_refuses_what_does_not_fit_together():
    for more, part in [
            ([event("X", ts=9, dur=2)], "overlaps"),
            ([event("E", ts=30)], "without a beginning"),
            ([event("B", ts=30)], "begun and not ended"),
            ([event("B", ts=30), event("E", ts=31, name="m")], "is open"),
            ([event("e", id=1, ts=30)], "not what was begun"),
            ([event("b", id=1, ts=30)], "begun and not ended"),
            ([event("b", id=7, ts=30), event("e", id=7, ts=31, cat="d")],
             "not what was begun"),
            ([event("s", id=2, ts=3)], "begins twice"),
            ([event("f", id=3, ts=3)], "has not begun"),
            ([event("s", id=4, ts=15)], "in no slice"),
            ([event("s", id=4, ts=3), event("f", id=4, ts=40)], "in no slice"),
            ([event("f", id=5, ts=3), event("s", id=5, ts=8)],
             "has not begun")]:
        refuses(GOOD + more, part)


def the_checker_reads_both_forms_and_no_other():
    one = '{"ph":"i","name":"n","pid":1,"tid":1,"ts":1}'
    for text in [f"[{one}]", f"[{one},", f"[{one}", f"[\n{one},\n{one}",
                 f'{{"traceEvents":[{one}],"displayTimeUnit":"ns"}}']:
        assert len(read.parse(text)) == text.count("ph"), text
    for text in ["", "{}", "1", f"[{one}{one}]", f"[{one},,{one}]", '[{"ph":',
                 one.replace("1}", "NaN}").join("[]"),
                 f'[{one.replace("{", "{" + chr(34) + "ph" + chr(34) + ":1,")}]']:
        try:
            read.parse(text)
        except read.Wrong:
            continue
        raise AssertionError(f"this was not refused: {text}")


def a_trace_that_was_cut_may_lack_its_ends():
    cut = GOOD + [event("B", ts=30), event("b", id=9, ts=30)]
    refuses(cut, "begun and not ended")
    read.check(cut, whole=False)


TESTS = [
    all_that_a_program_does_is_in_a_sound_trace,
    jobs_lie_between_their_arrows,
    debug_mode_sees_the_same,
    several_loops_have_a_row_each,
    no_event_of_a_hundred_thousand_tasks_is_missing,
    a_program_that_exits_leaves_a_whole_file,
    a_program_that_crashes_leaves_a_whole_file,
    two_processes_do_not_write_one_file,
    each_process_has_a_file_where_the_name_says_so,
    a_picture_is_drawn_of_it,
    what_is_too_small_to_be_seen_has_no_colour_explained,
    the_checker_takes_what_is_right,
    the_checker_refuses_events_that_are_none,
    the_checker_refuses_what_does_not_fit_together,
    the_checker_reads_both_forms_and_no_other,
    a_trace_that_was_cut_may_lack_its_ends,
]


def main():
    if "--inject" in sys.argv:
        print("1..0 # SKIP the fault loop is for the runner's tests")
        return 0
    with FOLDER:
        return tap.run([(test.__name__, test) for test in TESTS])


if __name__ == "__main__":
    sys.exit(main())
