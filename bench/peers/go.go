// Go: goroutines on one processor, but for what is about threads.
//
//	go WORKLOAD [PORT]
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	gathered    = 100000
	batch       = 1000
	lineTasks   = 10000
	lineTimes   = 20
	sleeperMany = 100000
	limitMany   = 1000000
	postMany    = 1000000
	threadCalls = 50000
	doesNot     = 3
)

func emit(workload, metric string, value float64, unit string) {
	fmt.Printf("%s go %s %.3f %s\n", workload, metric, value, unit)
}

func check(right bool, what string) {
	if !right {
		fmt.Fprintln(os.Stderr, "go:", what)
		os.Exit(1)
	}
}

func nanoseconds(start time.Time) float64 {
	return float64(time.Since(start).Nanoseconds())
}

// A line of /proc/self/status that is about KiB, as bytes.
func statusBytes(key string) float64 {
	file, err := os.Open("/proc/self/status")
	check(err == nil, "no /proc")
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if words := strings.Fields(lines.Text()); words[0] == key {
			kib, _ := strconv.ParseFloat(words[1], 64)
			return kib * 1024
		}
	}
	return 0
}

func usage() syscall.Rusage {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage
}

func processorNs() float64 {
	now := usage()
	return float64(now.Utime.Nano() + now.Stime.Nano())
}

// Runs fn so often side by side, and waits for all.
func together(count int, fn func()) {
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			fn()
			all.Done()
		}()
	}
	all.Wait()
}

func yields() {
	const each = 2000000
	start := time.Now()
	together(2, func() {
		for i := 0; i < each; i++ {
			runtime.Gosched()
		}
	})
	emit("W1", "yield", nanoseconds(start)/(2*each), "ns")
}

func spawns() {
	const times = 500000
	counted := 0
	start := time.Now()
	for i := 0; i < times; i++ {
		done := make(chan struct{})
		go func() {
			counted++
			close(done)
		}()
		<-done
	}
	emit("W2", "spawn_seq", nanoseconds(start)/times, "ns")
	start = time.Now()
	for i := 0; i < times/batch; i++ {
		together(batch, func() { counted++ })
	}
	emit("W2", "spawn_batch", nanoseconds(start)/times, "ns")
	check(counted == 2*times, "not all have run")
}

func gather(metric string) {
	counted := 0
	start := time.Now()
	together(gathered, func() {
		runtime.Gosched()
		counted++
	})
	emit("W3", metric, nanoseconds(start)/1e6, "ms")
	check(counted == gathered, "not all have run")
}

func sleepers(count int, size string) {
	var started int64
	runtime.GC()
	resident, tables := statusBytes("VmRSS:"), statusBytes("VmPTE:")
	start := time.Now()
	for i := 0; i < count; i++ {
		go func() {
			atomic.AddInt64(&started, 1)
			time.Sleep(1000 * time.Second)
		}()
	}
	for atomic.LoadInt64(&started) < int64(count) {
		runtime.Gosched()
	}
	taken, all := nanoseconds(start), float64(count)
	emit("W4", size+"_rss", (statusBytes("VmRSS:")-resident)/all, "B/task")
	emit("W4", size+"_pte", (statusBytes("VmPTE:")-tables)/all, "B/task")
	emit("W4", size+"_create", taken/all, "ns/task")
}

func passItems(capacity int, metric string) {
	const count = 1000000
	items, sum := make(chan int, capacity), make(chan int)
	start := time.Now()
	go func() {
		for i := 1; i <= count; i++ {
			items <- i
		}
		close(items)
	}()
	go func() {
		all := 0
		for item := range items {
			all += item
		}
		sum <- all
	}()
	right := <-sum == count*(count+1)/2
	emit("W5", metric, nanoseconds(start)/count, "ns")
	check(right, "items were lost")
}

func semaphore() {
	units, counted := make(chan struct{}, 8), 0
	start := time.Now()
	together(lineTasks, func() {
		for i := 0; i < lineTimes; i++ {
			units <- struct{}{}
			runtime.Gosched()
			counted++
			<-units
		}
	})
	emit("W6", "sem", nanoseconds(start)/(lineTasks*lineTimes), "ns")
	check(counted == lineTasks*lineTimes, "units were lost")
}

func naps() {
	var slept int64
	seed := uint32(1)
	start, processor := time.Now(), processorNs()
	var all sync.WaitGroup
	all.Add(sleeperMany)
	for i := 0; i < sleeperMany; i++ {
		seed = seed*1664525 + 1013904223
		nap := time.Duration(1+(seed>>16)%100) * time.Millisecond
		go func() {
			time.Sleep(nap)
			atomic.AddInt64(&slept, 1)
			all.Done()
		}()
	}
	all.Wait()
	emit("W7", "sleep_wall", nanoseconds(start)/1e6, "ms")
	emit("W7", "sleep_cpu", (processorNs()-processor)/1e6, "ms")
	check(slept == sleeperMany, "not all have slept")
}

func limit(i int) time.Duration {
	return time.Duration(30+i%60) * time.Second
}

func limits() {
	fired := func() { check(false, "a timer has fired that was stopped") }
	start := time.Now()
	for i := 0; i < limitMany; i++ {
		time.AfterFunc(limit(i), fired).Stop()
	}
	emit("W7", "tmo_seq", nanoseconds(start)/limitMany, "ns")
	timers := make([]*time.Timer, limitMany)
	start = time.Now()
	for i := range timers {
		timers[i] = time.AfterFunc(limit(i), fired)
	}
	for _, timer := range timers {
		timer.Stop()
	}
	emit("W7", "tmo_bulk", nanoseconds(start)/limitMany, "ns")
	start = time.Now()
	for i := 0; i < limitMany; i++ {
		_, cancel := context.WithTimeout(context.Background(), limit(i))
		cancel()
	}
	emit("W7", "limit", nanoseconds(start)/limitMany, "ns")
}

func cancels() {
	var started, cancelled int64
	context, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Add(sleeperMany)
	for i := 0; i < sleeperMany; i++ {
		go func() {
			atomic.AddInt64(&started, 1)
			timer := time.NewTimer(1000 * time.Second)
			select {
			case <-context.Done():
				cancelled++
			case <-timer.C:
			}
			timer.Stop()
			all.Done()
		}()
	}
	for atomic.LoadInt64(&started) < sleeperMany {
		runtime.Gosched()
	}
	runtime.Gosched()
	start := time.Now()
	cancel()
	all.Wait()
	emit("W10", "cancel", nanoseconds(start)/sleeperMany, "ns")
	check(cancelled == sleeperMany, "not all were cancelled")
}

func crossThreads() {
	posts, taken := make(chan int, 1024), 0
	start := time.Now()
	go func() {
		runtime.LockOSThread()
		for i := 0; i < postMany; i++ {
			posts <- i
		}
		close(posts)
	}()
	for range posts {
		taken++
	}
	emit("W11", "post", postMany/nanoseconds(start)*1e9, "ops/s")
	check(taken == postMany, "posts were lost")

	ask, answer := make(chan int), make(chan int)
	go func() {
		runtime.LockOSThread()
		for number := range ask {
			answer <- number + 1
		}
	}()
	start = time.Now()
	for i := 0; i < threadCalls; i++ {
		ask <- i
		check(<-answer == i+1, "calls were lost")
	}
	emit("W11", "to_thread", nanoseconds(start)/threadCalls/1e3, "us")
}

func serveEcho(connection net.Conn) {
	bytes := make([]byte, 65536)
	for {
		count, err := connection.Read(bytes)
		if err == nil {
			_, err = connection.Write(bytes[:count])
		}
		if err != nil {
			connection.Close()
			return
		}
	}
}

func echo(address string) {
	listener, err := net.Listen("tcp", address)
	check(err == nil, "cannot listen")
	for {
		connection, err := listener.Accept()
		check(err == nil, "cannot accept")
		go serveEcho(connection)
	}
}

func hello(writer http.ResponseWriter, _ *http.Request) {
	io.WriteString(writer, "Hello, World!")
}

func main() {
	workloads := map[string]func(){
		"W1": yields,
		"W2": spawns,
		"W3": func() {
			gather("cold_ms")
			emit("W3", "peak_rss", float64(usage().Maxrss)/1024, "MB")
			gather("warm_ms")
		},
		"W4a": func() { sleepers(100000, "100k") },
		"W4b": func() { sleepers(1000000, "1M") },
		"W5": func() {
			passItems(1, "q1")
			passItems(128, "q128")
		},
		"W6": semaphore,
		"W7": func() {
			naps()
			limits()
		},
		"W10": cancels,
		"W11": crossThreads,
	}
	if len(os.Args) == 3 && os.Args[1] == "echo" {
		echo("127.0.0.1:" + os.Args[2])
	} else if len(os.Args) == 3 && os.Args[1] == "http" {
		http.HandleFunc("/", hello)
		http.ListenAndServe("127.0.0.1:"+os.Args[2], nil)
	} else if len(os.Args) == 2 && workloads[os.Args[1]] != nil {
		workloads[os.Args[1]]()
	} else {
		os.Exit(doesNot)
	}
}
