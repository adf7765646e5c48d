"""Reads traces in the JSON form of the Trace Event Format, and says what is
wrong with them.

Written from the format's description ("Trace Event Format", by the authors of
the viewer in Chromium): an array of events, or an object that has one as its
`traceEvents`; the bracket that closes the array may be missing. Times are
microseconds. What the viewers do with an event that is not as described is
their own affair: here it is an error.
"""

import json
import math

# Phases, and what each event needs beside `ph`, `pid`, `tid` and a name.
NEEDS = {
    "B": ("ts",),
    "E": ("ts",),
    "X": ("ts", "dur"),
    "i": ("ts",),
    "C": ("ts", "args"),
    "b": ("ts", "id", "cat"),
    "n": ("ts", "id", "cat"),
    "e": ("ts", "id", "cat"),
    "s": ("ts", "id", "cat"),
    "t": ("ts", "id", "cat"),
    "f": ("ts", "id", "cat"),
    "M": ("args",),
}
# Metadata, with the argument that each has.
METADATA = {
    "process_name": ("name", str),
    "process_labels": ("labels", str),
    "process_sort_index": ("sort_index", int),
    "thread_name": ("name", str),
    "thread_sort_index": ("sort_index", int),
}
SCOPES = {"g", "p", "t"}


class Wrong(Exception):
    """What is wrong with a trace, in words."""


def refuse_constant(word):
    raise Wrong(f"{word} is no number of JSON")


def unique_keys(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise Wrong(f"a key stands twice in one object: {keys}")
    return dict(pairs)


def parse(text):
    """The events of a trace."""
    def decode(text):
        return json.loads(text, parse_constant=refuse_constant,
                          object_pairs_hook=unique_keys)

    text = text.strip()
    try:
        whole = decode(text)
    except json.JSONDecodeError as error:
        if not text.startswith("["):
            raise Wrong(f"this is not JSON: {error}") from None
        try:
            whole = decode(text.rstrip(",") + "]")
        except json.JSONDecodeError:
            raise Wrong(f"this is not JSON, even with a ] added: {error}") \
                from None
    if isinstance(whole, dict):
        whole = whole.get("traceEvents")
    if not isinstance(whole, list):
        raise Wrong("there is no array of events")
    return whole


def read(path):
    """The events of a file."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        return parse(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Wrong(f"this is not UTF-8: {error}") from None


def is_time(value):
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and math.isfinite(value) and value >= 0)


def ns(us):
    """A time, in whole nanoseconds: what viewers compare."""
    return round(us * 1000)


def check_event(event):
    """What is wrong with an event by itself."""
    if not isinstance(event, dict):
        raise Wrong("an event is an object")
    phase = event.get("ph")
    if phase not in NEEDS:
        raise Wrong(f"there is no phase {phase!r}")
    for key in ("pid", "tid"):
        if type(event.get(key)) is not int:
            raise Wrong(f"{key} is a whole number")
    if phase != "E" and not isinstance(event.get("name"), str):
        raise Wrong("name is a text")
    for key in NEEDS[phase]:
        if key not in event:
            raise Wrong(f"a {phase!r} has {key}")
    for key in ("ts", "dur"):
        if key in event and not is_time(event[key]):
            raise Wrong(f"{key} is a time, and not {event[key]!r}")
    if "id" in event and (isinstance(event["id"], bool)
                          or not isinstance(event["id"], (int, str))):
        raise Wrong("id is a number or a text")
    if "cat" in event and not isinstance(event["cat"], str):
        raise Wrong("cat is a text")
    if "args" in event and not isinstance(event["args"], dict):
        raise Wrong("args is an object")
    if phase == "i" and event.get("s", "t") not in SCOPES:
        raise Wrong(f"there is no scope {event['s']!r}")
    if phase == "f" and event.get("bp", "e") != "e":
        raise Wrong(f"bp is \"e\", and not {event['bp']!r}")
    if phase == "M":
        check_metadata(event)


def check_metadata(event):
    if event["name"] not in METADATA:
        raise Wrong(f"there is no metadata {event['name']!r}")
    key, kind = METADATA[event["name"]]
    if not isinstance(event["args"].get(key), kind):
        raise Wrong(f"{event['name']} has {key} in its args")


def rows_of(events, phases):
    """Events by thread, in the order of their times."""
    rows = {}
    for event in events:
        if event["ph"] in phases:
            rows.setdefault((event["pid"], event["tid"]), []).append(event)
    for row in rows.values():
        row.sort(key=lambda event: ns(event["ts"]))
    return rows


def slices_of(events):
    """The slices of each thread, as (begin, end, event), outer ones first;
    those of one thread lie within each other or apart. One that was begun and
    not ended lasts for ever."""
    result = {}
    for thread, row in rows_of(events, "BEX").items():
        open_ones, found = [], []
        for event in row:
            at = ns(event["ts"])
            if event["ph"] == "X":
                found.append((at, at + ns(event["dur"]), event))
            elif event["ph"] == "B":
                open_ones.append(event)
            elif not open_ones:
                raise Wrong(f"an end without a beginning: {event}")
            else:
                begun = open_ones.pop()
                if event.get("name", begun["name"]) != begun["name"]:
                    raise Wrong(f"{begun['name']} is open, and {event} ends")
                found.append((ns(begun["ts"]), at, begun))
        found += [(ns(event["ts"]), math.inf, event) for event in open_ones]
        found.sort(key=lambda one: (one[0], -one[1]))
        check_nesting(found)
        result[thread] = found
    return result


def check_nesting(slices):
    outer = []
    for begin, end, event in slices:
        while outer and outer[-1][1] <= begin:
            outer.pop()
        if outer and end > outer[-1][1]:
            raise Wrong(f"{event} overlaps {outer[-1][2]}")
        outer.append((begin, end, event))


def check_async(events, whole):
    """Nestable asynchronous events: those of one category and id are a stack.
    Returns how many were begun."""
    stacks, count = {}, 0
    of_kind = [event for event in events if event["ph"] in "bne"]
    of_kind.sort(key=lambda event: ns(event["ts"]))
    for event in of_kind:
        key = (event["cat"], str(event["id"]), event.get("scope"))
        stack = stacks.setdefault(key, [])
        if event["ph"] == "b":
            stack.append(event)
            count += 1
        elif event["ph"] == "e":
            if not stack or stack[-1]["name"] != event["name"]:
                raise Wrong(f"what ends here is not what was begun: {event}")
            stack.pop()
    left = [stack[-1] for stack in stacks.values() if stack]
    if whole and left:
        raise Wrong(f"{len(left)} were begun and not ended: {left[0]}")
    return count


def places_of(points, slices):
    """The innermost slice around each of a thread's points, or None: the
    points are in the order of their times."""
    open_ones, following = [], iter(slices)
    coming = next(following, None)
    for point in points:
        at = ns(point["ts"])
        while coming and coming[0] <= at:
            open_ones = [one for one in open_ones if one[1] > coming[0]]
            open_ones.append(coming)
            coming = next(following, None)
        open_ones = [one for one in open_ones if one[1] >= at]
        yield open_ones[-1][2] if open_ones else None


def check_arrows(events, slices, whole=True):
    """Each arrow has one beginning, before its ends, and all lie in slices.
    Returns the pairs of slices. Where the trace is not whole, the slice of an
    arrow at the end of its row may be missing."""
    points = []
    for thread, row in rows_of(events, "stf").items():
        places = places_of(row, slices.get(thread, []))
        last = max((end for _, end, _ in slices.get(thread, [])), default=-1)
        points += [(event, place) for event, place in zip(row, places)
                   if whole or place or ns(event["ts"]) <= last]
    points.sort(key=lambda point: (ns(point[0]["ts"]),
                                   "stf".index(point[0]["ph"])))
    begun, pairs = {}, []
    for event, place in points:
        key = (event["cat"], event["name"], str(event["id"]))
        if place is None:
            raise Wrong(f"an arrow begins or ends in no slice: {event}")
        if event["ph"] != "s" and key not in begun and whole:
            raise Wrong(f"an arrow ends that has not begun: {event}")
        if event["ph"] != "s":
            pairs += [(begun[key], place)] if key in begun else []
        elif key in begun:
            raise Wrong(f"the same arrow begins twice: {event}")
        else:
            begun[key] = place
    return pairs


def check(events, whole=True):
    """Looks at all of a trace; of one that is not whole, something may be
    missing at its end. Returns what was counted."""
    for number, event in enumerate(events):
        try:
            check_event(event)
        except Wrong as wrong:
            raise Wrong(f"event {number}: {wrong}: {event}") from None
    slices = slices_of(events)
    if whole and any(end == math.inf for row in slices.values()
                     for _, end, _ in row):
        raise Wrong("a slice was begun and not ended")
    spans = check_async(events, whole)
    pairs = check_arrows(events, slices, whole)
    return {
        "events": len(events),
        "rows": len(slices),
        "slices": sum(len(row) for row in slices.values()),
        "spans": spans,
        "arrows": len(pairs),
    }
