"""Python's asyncio, and uvloop below it.

    python.py asyncio|uvloop WORKLOAD [PORT]

echo and http are served by protocols; echo_stream by streams.
"""

import asyncio
import concurrent.futures
import os
import resource
import sys
import threading
import time

GATHERED = 100000
BATCH = 1000
LINE_TASKS = 10000
LINE_TIMES = 5
SLEEPERS = 100000
LIMITS = 300000
POSTS = 200000
THREAD_CALLS = 10000
PROCESS_CALLS = 2000
COLD_CALLS = 100
BULK = 10000
DOES_NOT = 3

PEER = sys.argv[1]
now = time.perf_counter_ns


def emit(workload, metric, value, unit):
    """One figure."""
    print(f"{workload} {PEER} {metric} {value:.3f} {unit}", flush=True)


def check(right, what):
    """Ends a program that has not done what it was to be measured at."""
    if not right:
        print(f"{PEER}: {what}", file=sys.stderr)
        os._exit(1)


def status_bytes(key):
    """A line of /proc/self/status that is about KiB, as bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(key + ":"):
                return float(line.split()[1]) * 1024
    return 0


async def yields():
    """W1"""
    each = 200000

    async def hand_over():
        for _ in range(each):
            await asyncio.sleep(0)

    start = now()
    await asyncio.gather(hand_over(), hand_over())
    emit("W1", "yield", (now() - start) / (2 * each), "ns")


async def spawns():
    """W2"""
    times, counted = 50000, 0

    async def count_up():
        nonlocal counted
        counted += 1

    start = now()
    for _ in range(times):
        await asyncio.create_task(count_up())
    emit("W2", "spawn_seq", (now() - start) / times, "ns")
    start = now()
    for _ in range(times // BATCH):
        tasks = [asyncio.create_task(count_up()) for _ in range(BATCH)]
        for task in tasks:
            await task
    emit("W2", "spawn_batch", (now() - start) / times, "ns")
    check(counted == 2 * times, "not all have run")


async def gather(metric):
    """W3, once"""
    async def yield_once():
        await asyncio.sleep(0)
        return 1

    start = now()
    ones = await asyncio.gather(*[yield_once() for _ in range(GATHERED)])
    emit("W3", metric, (now() - start) / 1e6, "ms")
    check(sum(ones) == GATHERED, "not all have run")


async def gathers():
    """W3"""
    await gather("cold_ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    emit("W3", "peak_rss", peak, "MB")
    await gather("warm_ms")


async def fall_asleep(count):
    """Tasks that sleep, all of them by now."""
    started = 0

    async def sleep_long():
        nonlocal started
        started += 1
        await asyncio.sleep(1000)

    tasks = [asyncio.create_task(sleep_long()) for _ in range(count)]
    while started < count:
        await asyncio.sleep(0)
    return tasks


async def sleepers(count, size):
    """W4"""
    resident, tables = status_bytes("VmRSS"), status_bytes("VmPTE")
    start = now()
    tasks = await fall_asleep(count)
    taken = now() - start
    check(len(tasks) == count, "not all sleep")
    emit("W4", size + "_rss", (status_bytes("VmRSS") - resident) / count,
         "B/task")
    emit("W4", size + "_pte", (status_bytes("VmPTE") - tables) / count,
         "B/task")
    emit("W4", size + "_create", taken / count, "ns/task")
    os._exit(0)


async def pass_items(capacity, metric):
    """W5, once"""
    count, total = 100000, 0
    queue = asyncio.Queue(capacity)

    async def produce():
        for i in range(count):
            await queue.put(i)

    async def consume():
        nonlocal total
        for _ in range(count):
            total += await queue.get()

    start = now()
    await asyncio.gather(produce(), consume())
    emit("W5", metric, (now() - start) / count, "ns")
    check(total == count * (count - 1) // 2, "items were lost")


async def queues():
    """W5"""
    await pass_items(1, "q1")
    await pass_items(128, "q128")


async def semaphore():
    """W6"""
    units, counted = asyncio.Semaphore(8), 0

    async def take_turns():
        nonlocal counted
        for _ in range(LINE_TIMES):
            async with units:
                await asyncio.sleep(0)
                counted += 1

    start = now()
    await asyncio.gather(*[take_turns() for _ in range(LINE_TASKS)])
    emit("W6", "sem", (now() - start) / (LINE_TASKS * LINE_TIMES), "ns")
    check(counted == LINE_TASKS * LINE_TIMES, "units were lost")


async def naps():
    """W7, 100,000 sleepers"""
    async def nap(seconds):
        await asyncio.sleep(seconds)
        return 1

    def milliseconds():
        seed = 1
        for _ in range(SLEEPERS):
            seed = (seed * 1664525 + 1013904223) % (1 << 32)
            yield 1 + (seed >> 16) % 100

    start, processor = now(), time.process_time_ns()
    ones = await asyncio.gather(*[nap(ms / 1000) for ms in milliseconds()])
    emit("W7", "sleep_wall", (now() - start) / 1e6, "ms")
    emit("W7", "sleep_cpu", (time.process_time_ns() - processor) / 1e6, "ms")
    check(sum(ones) == SLEEPERS, "not all have slept")


async def limits():
    """W7, timers that are cancelled"""
    loop = asyncio.get_running_loop()

    def fired():
        check(False, "a timer has fired that was cancelled")

    start = now()
    for i in range(LIMITS):
        loop.call_later(30 + i % 60, fired).cancel()
    emit("W7", "tmo_seq", (now() - start) / LIMITS, "ns")
    await asyncio.sleep(0)
    start = now()
    handles = [loop.call_later(30 + i % 60, fired) for i in range(LIMITS)]
    for handle in handles:
        handle.cancel()
    emit("W7", "tmo_bulk", (now() - start) / LIMITS, "ns")
    await asyncio.sleep(0)
    start = now()
    for i in range(LIMITS):
        async with asyncio.timeout(30 + i % 60):
            pass
    emit("W7", "limit", (now() - start) / LIMITS, "ns")


async def timers():
    """W7"""
    await naps()
    await limits()


async def cancels():
    """W10"""
    tasks = await fall_asleep(SLEEPERS)
    start = now()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    emit("W10", "cancel", (now() - start) / SLEEPERS, "ns")
    check(all(task.cancelled() for task in tasks), "not all were cancelled")
    os._exit(0)


async def threads():
    """W11"""
    loop, taken = asyncio.get_running_loop(), 0
    everything = loop.create_future()

    def take_one():
        nonlocal taken
        taken += 1
        if taken == POSTS:
            everything.set_result(None)

    def post_all():
        for _ in range(POSTS):
            loop.call_soon_threadsafe(take_one)

    start = now()
    other = threading.Thread(target=post_all)
    other.start()
    await everything
    emit("W11", "post", POSTS / (now() - start) * 1e9, "ops/s")
    other.join()

    await asyncio.to_thread(add_one, 1)
    start = now()
    for i in range(THREAD_CALLS):
        check(await asyncio.to_thread(add_one, i) == i + 1, "calls were lost")
    emit("W11", "to_thread", (now() - start) / THREAD_CALLS / 1e3, "us")


def add_one(number):
    """What threads and processes are asked to do."""
    return number + 1


async def processes():
    """W12"""
    loop = asyncio.get_running_loop()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for i in range(50):
            await loop.run_in_executor(pool, add_one, i)
        start = now()
        for i in range(PROCESS_CALLS):
            await loop.run_in_executor(pool, add_one, i)
        emit("W12", "roundtrip", (now() - start) / PROCESS_CALLS / 1e3, "us")
        taken = 0
        for i in range(COLD_CALLS):
            time.sleep(0.002)
            start = now()
            await loop.run_in_executor(pool, add_one, i)
            taken += now() - start
        emit("W12", "roundtrip_cold", taken / COLD_CALLS / 1e3, "us")
        start = now()
        sums = await asyncio.gather(*[loop.run_in_executor(pool, add_one, i)
                                      for i in range(BULK)])
        emit("W12", "bulk2w", BULK / (now() - start) * 1e9, "calls/s")
        check(sums == list(range(1, BULK + 1)), "calls were lost")


class Echo(asyncio.Protocol):
    """Writes what it is given."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Hello(asyncio.Protocol):
    """Answers each head."""

    ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
              b"Content-Length: 13\r\n\r\nHello, World!")

    def connection_made(self, transport):
        self.transport, self.rest = transport, b""

    def data_received(self, data):
        *heads, self.rest = (self.rest + data).split(b"\r\n\r\n")
        good = [head for head in heads
                if len(head.split(b"\r\n", 1)[0].split(b" ")) == 3]
        if good:
            self.transport.write(self.ANSWER * len(good))


async def serve_stream(reader, writer):
    """One connection, by a task."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(workload, port):
    """W8 and W9"""
    if workload == "echo_stream":
        server = await asyncio.start_server(serve_stream, "127.0.0.1", port,
                                            backlog=1024)
    else:
        protocol = Echo if workload == "echo" else Hello
        server = await asyncio.get_running_loop().create_server(
            protocol, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


WORKLOADS = {
    "W1": yields, "W2": spawns, "W3": gathers,
    "W4a": lambda: sleepers(100000, "100k"),
    "W4b": lambda: sleepers(1000000, "1M"),
    "W5": queues, "W6": semaphore, "W7": timers, "W10": cancels,
    "W11": threads, "W12": processes,
}


def main():
    """One workload."""
    workload = sys.argv[2]
    if PEER == "uvloop":
        import uvloop
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    if workload in ("echo", "echo_stream", "http") and len(sys.argv) == 4:
        asyncio.run(serve(workload, int(sys.argv[3])))
    elif workload in WORKLOADS:
        asyncio.run(WORKLOADS[workload]())
    else:
        sys.exit(DOES_NOT)


if __name__ == "__main__":
    main()
