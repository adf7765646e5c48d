//! tokio: futures on one thread, with its own scheduler.
//!
//!     tokio WORKLOAD [PORT]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, Semaphore};
use tokio::task::{spawn, spawn_blocking, yield_now, JoinHandle};
use tokio::time::{sleep, timeout};

const GATHERED: usize = 100_000;
const BATCH: usize = 1000;
const LINE_TASKS: usize = 10_000;
const LINE_TIMES: usize = 20;
const SLEEPERS: usize = 100_000;
const LIMITS: usize = 1_000_000;
const POSTS: usize = 1_000_000;
const THREAD_CALLS: usize = 50_000;
const DOES_NOT: i32 = 3;
const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
    Content-Length: 13\r\n\r\nHello, World!";

static COUNTED: AtomicUsize = AtomicUsize::new(0);

fn emit(workload: &str, metric: &str, value: f64, unit: &str) {
    println!("{workload} tokio {metric} {value:.3} {unit}");
}

fn check(right: bool, what: &str) {
    if !right {
        eprintln!("tokio: {what}");
        std::process::exit(1);
    }
}

fn ns(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64
}

/// A line of /proc/self/status that is about KiB, as bytes.
fn status_bytes(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024.0
}

/// Of this thread, which is the only one that works.
fn processor_ns() -> f64 {
    let times = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    times.split_whitespace().next().unwrap().parse().unwrap()
}

async fn yields() {
    const EACH: usize = 1_000_000;
    async fn hand_over() {
        for _ in 0..EACH {
            yield_now().await;
        }
    }
    let start = Instant::now();
    let (a, b) = (spawn(hand_over()), spawn(hand_over()));
    a.await.unwrap();
    b.await.unwrap();
    emit("W1", "yield", ns(start) / (2 * EACH) as f64, "ns");
}

async fn spawns() {
    const TIMES: usize = 1_000_000;
    let mut sum = 0;
    let start = Instant::now();
    for i in 0..TIMES {
        sum += spawn(async move { i }).await.unwrap();
    }
    emit("W2", "spawn_seq", ns(start) / TIMES as f64, "ns");
    let start = Instant::now();
    let mut tasks = Vec::with_capacity(BATCH);
    for i in 0..TIMES {
        tasks.push(spawn(async move { i }));
        if tasks.len() == BATCH {
            for task in tasks.drain(..) {
                sum += task.await.unwrap();
            }
        }
    }
    emit("W2", "spawn_batch", ns(start) / TIMES as f64, "ns");
    check(sum == TIMES * (TIMES - 1), "not all have run");
}

async fn gather(metric: &str) {
    let start = Instant::now();
    let mut counted = 0;
    let mut tasks = Vec::with_capacity(GATHERED);
    for _ in 0..GATHERED {
        tasks.push(spawn(async {
            yield_now().await;
            1
        }));
    }
    for task in tasks {
        counted += task.await.unwrap();
    }
    emit("W3", metric, ns(start) / 1e6, "ms");
    check(counted == GATHERED, "not all have run");
}

async fn fall_asleep(count: usize) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::with_capacity(count);
    for _ in 0..count {
        tasks.push(spawn(async {
            COUNTED.fetch_add(1, Relaxed);
            sleep(Duration::from_secs(1000)).await;
        }));
    }
    while COUNTED.load(Relaxed) < count {
        yield_now().await;
    }
    tasks
}

async fn sleepers(count: usize, size: &str) {
    let (resident, tables) = (status_bytes("VmRSS:"), status_bytes("VmPTE:"));
    let start = Instant::now();
    let tasks = fall_asleep(count).await;
    let (taken, all) = (ns(start), tasks.len() as f64);
    let resident = status_bytes("VmRSS:") - resident;
    let tables = status_bytes("VmPTE:") - tables;
    emit("W4", &format!("{size}_rss"), resident / all, "B/task");
    emit("W4", &format!("{size}_pte"), tables / all, "B/task");
    emit("W4", &format!("{size}_create"), taken / all, "ns/task");
    std::process::exit(0);
}

async fn pass_items(capacity: usize, metric: &str) {
    const COUNT: usize = 2_000_000;
    let (sender, mut receiver) = mpsc::channel::<usize>(capacity);
    let start = Instant::now();
    let producer = spawn(async move {
        for i in 0..COUNT {
            sender.send(i).await.unwrap();
        }
    });
    let consumer = spawn(async move {
        let mut sum = 0;
        while let Some(item) = receiver.recv().await {
            sum += item;
        }
        sum
    });
    producer.await.unwrap();
    let sum = consumer.await.unwrap();
    emit("W5", metric, ns(start) / COUNT as f64, "ns");
    check(sum == COUNT * (COUNT - 1) / 2, "items were lost");
}

async fn semaphore() {
    const TIMES: usize = LINE_TASKS * LINE_TIMES;
    let units = Arc::new(Semaphore::new(8));
    let start = Instant::now();
    let mut tasks = Vec::with_capacity(LINE_TASKS);
    for _ in 0..LINE_TASKS {
        let units = units.clone();
        tasks.push(spawn(async move {
            for _ in 0..LINE_TIMES {
                let _unit = units.acquire().await.unwrap();
                yield_now().await;
                COUNTED.fetch_add(1, Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    emit("W6", "sem", ns(start) / TIMES as f64, "ns");
    check(COUNTED.load(Relaxed) == TIMES, "units were lost");
}

async fn naps() {
    let (start, processor) = (Instant::now(), processor_ns());
    let mut seed = 1_u32;
    let mut tasks = Vec::with_capacity(SLEEPERS);
    for _ in 0..SLEEPERS {
        seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
        let nap = Duration::from_millis(u64::from(1 + (seed >> 16) % 100));
        tasks.push(spawn(sleep(nap)));
    }
    for task in tasks {
        task.await.unwrap();
    }
    emit("W7", "sleep_wall", ns(start) / 1e6, "ms");
    emit("W7", "sleep_cpu", (processor_ns() - processor) / 1e6, "ms");
}

/// Polls a future once: a timer is armed when it is first polled.
struct Once<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for Once<'_, F> {
    type Output = bool;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        Poll::Ready(self.0.as_mut().poll(context).is_ready())
    }
}

fn limit(i: usize) -> Duration {
    Duration::from_secs(30 + i as u64 % 60)
}

async fn limits() {
    let start = Instant::now();
    let mut fired = false;
    for i in 0..LIMITS {
        let timer = sleep(limit(i));
        tokio::pin!(timer);
        fired |= Once(timer.as_mut()).await;
    }
    emit("W7", "tmo_seq", ns(start) / LIMITS as f64, "ns");
    let start = Instant::now();
    let mut timers = Vec::with_capacity(LIMITS);
    for i in 0..LIMITS {
        let mut timer = Box::pin(sleep(limit(i)));
        fired |= Once(timer.as_mut()).await;
        timers.push(timer);
    }
    drop(timers);
    emit("W7", "tmo_bulk", ns(start) / LIMITS as f64, "ns");
    check(!fired, "a timer has fired that was cancelled");
    let start = Instant::now();
    let mut sum = 0;
    for i in 0..LIMITS {
        sum += timeout(limit(i), async { i }).await.unwrap();
    }
    emit("W7", "limit", ns(start) / LIMITS as f64, "ns");
    check(sum == LIMITS * (LIMITS - 1) / 2, "not all have run");
}

async fn cancels() {
    let tasks = fall_asleep(SLEEPERS).await;
    let mut cancelled = 0;
    let start = Instant::now();
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        cancelled += usize::from(task.await.is_err());
    }
    emit("W10", "cancel", ns(start) / SLEEPERS as f64, "ns");
    check(cancelled == SLEEPERS, "not all were cancelled");
}

async fn threads() {
    let (sender, mut receiver) = mpsc::unbounded_channel::<usize>();
    let start = Instant::now();
    let other = std::thread::spawn(move || {
        for i in 0..POSTS {
            sender.send(i).unwrap();
        }
    });
    let mut taken = 0;
    while receiver.recv().await.is_some() {
        taken += 1;
    }
    emit("W11", "post", POSTS as f64 / ns(start) * 1e9, "ops/s");
    other.join().unwrap();
    check(taken == POSTS, "posts were lost");

    let mut calls = 0;
    let start = Instant::now();
    for i in 0..THREAD_CALLS {
        let sum = spawn_blocking(move || i + 1).await.unwrap();
        calls += usize::from(sum == i + 1);
    }
    emit("W11", "to_thread", ns(start) / THREAD_CALLS as f64 / 1e3, "us");
    check(calls == THREAD_CALLS, "calls were lost");
}

async fn serve_echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut bytes = vec![0_u8; 65536];
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..count]).await?;
    }
}

/// Takes the whole heads out of what has come; returns how many were good.
fn take_heads(bytes: &mut [u8], len: &mut usize) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some(end) = bytes[at..*len].windows(4).position(|four| four == b"\r\n\r\n") {
        count += usize::from(bytes[at..at + end].contains(&b' '));
        at += end + 4;
    }
    bytes.copy_within(at..*len, 0);
    *len -= at;
    count
}

async fn serve_http(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut bytes, mut len) = (vec![0_u8; 4096], 0);
    loop {
        let count = stream.read(&mut bytes[len..]).await?;
        if count == 0 {
            return Ok(());
        }
        len += count;
        for _ in 0..take_heads(&mut bytes, &mut len) {
            stream.write_all(HELLO).await?;
        }
    }
}

async fn serve(workload: &str, port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        if workload == "http" {
            spawn(serve_http(stream));
        } else {
            spawn(serve_echo(stream));
        }
    }
}

async fn run(workload: String, port: u16) {
    match workload.as_str() {
        "W1" => yields().await,
        "W2" => spawns().await,
        "W3" => {
            gather("cold_ms").await;
            emit("W3", "peak_rss", status_bytes("VmHWM:") / 1048576.0, "MB");
            gather("warm_ms").await;
        }
        "W4a" => sleepers(100_000, "100k").await,
        "W4b" => sleepers(1_000_000, "1M").await,
        "W5" => {
            pass_items(1, "q1").await;
            pass_items(128, "q128").await;
        }
        "W6" => semaphore().await,
        "W7" => {
            naps().await;
            limits().await;
        }
        "W10" => cancels().await,
        "W11" => threads().await,
        "echo" | "http" if port > 0 => serve(&workload, port).await,
        _ => std::process::exit(DOES_NOT),
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let workload = arguments.next().unwrap_or_default();
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move { spawn(run(workload, port)).await.unwrap() });
}
