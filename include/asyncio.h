// Everything of libasyncio that programs use, for people in a hurry. What is
// for tests (asyncio/testing.h, asyncio/simulator.h) is included by them, and
// the companions (asyncio/http.h and others), which are libraries of their own,
// one by one.
#pragma once

#include <asyncio/as_completed.h>
#include <asyncio/barrier.h>
#include <asyncio/base.h>
#include <asyncio/channel.h>
#include <asyncio/condition.h>
#include <asyncio/context.h>
#include <asyncio/debug.h>
#include <asyncio/draft.h>
#include <asyncio/error.h>
#include <asyncio/event.h>
#include <asyncio/executor.h>
#include <asyncio/file.h>
#include <asyncio/folder.h>
#include <asyncio/future.h>
#include <asyncio/gather.h>
#include <asyncio/group.h>
#include <asyncio/introspect.h>
#include <asyncio/lock.h>
#include <asyncio/loop.h>
#include <asyncio/protocol.h>
#include <asyncio/queue.h>
#include <asyncio/run.h>
#include <asyncio/runner.h>
#include <asyncio/scope.h>
#include <asyncio/select.h>
#include <asyncio/semaphore.h>
#include <asyncio/server.h>
#include <asyncio/shared.h>
#include <asyncio/signal.h>
#include <asyncio/socket.h>
#include <asyncio/staggered.h>
#include <asyncio/stream.h>
#include <asyncio/subprocess.h>
#include <asyncio/task.h>
#include <asyncio/thread_channel.h>
#include <asyncio/thread_future.h>
#include <asyncio/threadsafe.h>
#include <asyncio/timeout.h>
#include <asyncio/trace.h>
#include <asyncio/transport.h>
#include <asyncio/wait.h>
#include <asyncio/whole_file.h>
#include <asyncio/workers.h>
