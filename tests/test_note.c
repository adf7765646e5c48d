// The note in the binary, used as a tool from outside would: everything that is
// known of the library here was read from the file, and the process that is
// looked at is never stopped.

#include <asyncio/run.h>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"

// --- the file ---------------------------------------------------------------

struct field {
    char name[24];
    uint32_t offset, size;
};

struct layout {
    uint32_t version, count;
    struct field fields[];
};

struct file {
    const char *data;
    size_t size;
    const struct layout *layout;
    uintptr_t loops;       // in the file's own addresses
    uintptr_t first_vaddr; // where its first part wants to be
};

static void read_note(struct file *file, const char *at, uintptr_t vaddr)
{
    uint32_t type, size;
    memcpy(&size, at + 4, 4);
    memcpy(&type, at + 8, 4);
    const char *data = at + 20;
    if (type == 1 && size >= sizeof(struct layout))
        file->layout = (const void *)data;
    int64_t distance;
    if (type == 2 && size == sizeof distance) {
        memcpy(&distance, data, sizeof distance);
        file->loops = vaddr + 20 + (uintptr_t)distance;
    }
}

// Walks the notes of one part of the file.
static void read_notes(struct file *file, const ElfW(Phdr) * part)
{
    for (size_t at = 0; at + 12 <= part->p_filesz;) {
        const char *note = file->data + part->p_offset + at;
        uint32_t head[2];
        memcpy(head, note, sizeof head);
        if (head[0] == 8 && memcmp(note + 12, "asyncio", 8) == 0)
            read_note(file, note, part->p_vaddr + at);
        at += 12 + ((head[0] + 3) & ~3u) + ((head[1] + 3) & ~3u);
    }
}

static void read_file(struct file *file)
{
    const ElfW(Ehdr) *header = (const void *)file->data;
    const ElfW(Phdr) *parts = (const void *)(file->data + header->e_phoff);
    bool seen = false;
    for (int i = 0; i < header->e_phnum; i++) {
        if (parts[i].p_type == PT_NOTE) read_notes(file, &parts[i]);
        if (parts[i].p_type != PT_LOAD || seen) continue;
        file->first_vaddr = parts[i].p_vaddr;
        seen = true;
    }
}

static bool open_file(struct file *file)
{
    struct stat info;
    *file = (struct file){0};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0) return false;
    void *data =
        mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED) return false;
    file->data = data;
    file->size = (size_t)info.st_size;
    read_file(file);
    return true;
}

static void close_file(struct file *file)
{
    munmap((void *)(uintptr_t)file->data, file->size);
}

static const struct field *field_of(const struct file *file, const char *name)
{
    for (uint32_t i = 0; i < file->layout->count; i++)
        if (strcmp(file->layout->fields[i].name, name) == 0)
            return &file->layout->fields[i];
    FAIL("the note has no field %s", name);
    return &file->layout->fields[0];
}

// --- the process ------------------------------------------------------------

struct reader {
    struct file file;
    pid_t pid;
    uintptr_t bias; // what the process's addresses differ by
};

static bool peek(const struct reader *reader, uintptr_t at, void *to,
                 size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)at, size};
    return process_vm_readv(reader->pid, &local, 1, &remote, 1, 0) ==
           (ssize_t)size;
}

// The value of a field, zero-extended; its size is in the note.
static uint64_t get(const struct reader *reader, uintptr_t object,
                    const char *name)
{
    const struct field *field = field_of(&reader->file, name);
    uint64_t value = 0;
    EXPECT_LE(field->size, sizeof value);
    if (field->size <= sizeof value)
        EXPECT(peek(reader, object + field->offset, &value, field->size));
    return value;
}

// A text, cut to fit: read by the byte, since it may end before a page does.
static void get_text(const struct reader *reader, uintptr_t at, char *text,
                     size_t size)
{
    size_t len = 0;
    while (len < size - 1 && peek(reader, at + len, text + len, 1) && text[len])
        len++;
    text[len] = '\0';
}

// Where the first part of the program was loaded.
static uintptr_t load_address(pid_t pid)
{
    char path[64], program[256] = "", line[512];
    uintptr_t address = 0, offset;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    if (readlink(path, program, sizeof program - 1) < 0) return 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    while (maps && address == 0 && fgets(line, sizeof line, maps))
        if (strstr(line, program) &&
            sscanf(line, "%zx-%*x %*s %zx", &address, &offset) == 2 &&
            offset != 0)
            address = 0;
    if (maps) fclose(maps);
    return address;
}

struct seen {
    unsigned loops, tasks;
    bool sleeper, waiter, unnamed;
};

enum { READY = 1, PARKED = 3, DONE = 4 }; // docs/layout.md

static void see_task(const struct reader *reader, uintptr_t task,
                     struct seen *seen)
{
    char name[64] = "", kind[64] = "", site[256];
    uintptr_t more = get(reader, task, "task.more");
    uintptr_t at = more ? get(reader, more, "more.name") : 0;
    if (at) get_text(reader, at, name, sizeof name);
    uint64_t state = get(reader, task, "task.state");
    uintptr_t wait = get(reader, task, "task.wait_kind");
    if (wait)
        get_text(reader, get(reader, wait, "wait_kind.name"), kind,
                 sizeof kind);
    get_text(reader, get(reader, task, "task.site"), site, sizeof site);
    seen->tasks++;
    if (strcmp(name, "sleeper") == 0) {
        seen->sleeper = true;
        EXPECT_EQ(state, PARKED);
        EXPECT_STR(kind, "sleep");
        EXPECT_CONTAINS(site, "test_note.c:");
        uintptr_t stack = get(reader, task, "task.stack");
        uintptr_t sp = get(reader, task, "task.sp");
        EXPECT_LT(get(reader, stack, "stack.low"), sp);
        EXPECT_LT(sp, get(reader, stack, "stack.top"));
    } else if (strcmp(name, "waiter") == 0) {
        seen->waiter = true;
        EXPECT_EQ(state, PARKED);
        EXPECT_STR(kind, "a future");
        uintptr_t future = get(reader, task, "task.wait_object");
        EXPECT_EQ(get(reader, future, "future.state"), 0); // pending
    } else {
        seen->unnamed = true;
        EXPECT_GT(get(reader, task, "task.number"), 0);
    }
}

// All tasks of a piece, whose blocks end there.
static void see_piece(const struct reader *reader, uintptr_t piece,
                      uintptr_t end, struct seen *seen)
{
    size_t size = field_of(&reader->file, "task")->size;
    uintptr_t task = piece + field_of(&reader->file, "piece")->size;
    for (int i = 0; task < end && i < 100; i++, task += size)
        if (get(reader, task, "task.state") != DONE)
            see_task(reader, task, seen);
}

static void see_loop(const struct reader *reader, uintptr_t loop,
                     struct seen *seen)
{
    uintptr_t piece = get(reader, loop, "loop.oldest_piece");
    seen->loops++;
    EXPECT_EQ(get(reader, loop, "loop.state"), 1); // running
    for (int i = 0; piece && i < 100; i++) {
        uintptr_t next = get(reader, piece, "piece.next");
        see_piece(reader, piece,
                  next ? get(reader, piece, "piece.end")
                       : get(reader, loop, "loop.next_block"),
                  seen);
        piece = next;
    }
}

static void see_process(const struct reader *reader, struct seen *seen)
{
    uintptr_t head = reader->bias + reader->file.loops;
    uintptr_t link = get(reader, head, "link.next");
    size_t offset = field_of(&reader->file, "loop.open")->offset;
    for (int i = 0; link && link != head && i < 100; i++) {
        see_loop(reader, link - offset, seen);
        link = get(reader, link, "link.next");
    }
}

// --- the process that is looked at ------------------------------------------

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(3600);
}

static int await_it(void *future)
{
    return asyncio_await_future(future);
}

static int be_looked_at(void *arg)
{
    int *pipe = arg;
    struct asyncio_future never = {0};
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, NULL, .name = "sleeper");
    asyncio_task_group_create_task(&group, await_it, &never, .name = "waiter");
    asyncio_ignore(asyncio_sleep(0));
    if (write(*pipe, "", 1) != 1) return -EIO;
    return asyncio_task_group_exit(&group, 0);
}

TEST_PLAIN(tasks_of_a_live_process_are_listed_from_outside, .real_time = true)
{
    struct reader reader = {0};
    struct seen seen = {0};
    int pipes[2];
    char byte;
    EXPECT_OR_RETURN(open_file(&reader.file));
    if (!EXPECT(reader.file.layout && reader.file.loops)) return;
    EXPECT_EQ(reader.file.layout->version, 2);

    EXPECT_OR_RETURN(pipe(pipes) == 0);
    reader.pid = fork();
    if (reader.pid == 0) _exit(asyncio_run(be_looked_at, &pipes[1]) != 0);
    close(pipes[1]);
    if (EXPECT_EQ(read(pipes[0], &byte, 1), 1)) {
        reader.bias = load_address(reader.pid) - reader.file.first_vaddr;
        see_process(&reader, &seen);
    }
    EXPECT_EQ(seen.loops, 1);
    EXPECT_EQ(seen.tasks, 3);
    EXPECT(seen.sleeper && seen.waiter && seen.unnamed);
    EXPECT_EQ(waitpid(reader.pid, NULL, WNOHANG), 0); // it lives on
    kill(reader.pid, SIGKILL);
    waitpid(reader.pid, NULL, 0);
    close(pipes[0]);
    close_file(&reader.file);
}

TEST_PLAIN(fields_of_the_note_lie_within_what_they_are_fields_of)
{
    struct file file;
    EXPECT_OR_RETURN(open_file(&file));
    if (!EXPECT(file.layout != NULL)) return;
    const struct field *task = field_of(&file, "task");
    const struct field *loop = field_of(&file, "loop");
    for (uint32_t i = 0; i < file.layout->count; i++) {
        const struct field *field = &file.layout->fields[i];
        EXPECT_GT(field->size, 0);
        EXPECT(memchr(field->name, '\0', sizeof field->name) != NULL);
        if (strncmp(field->name, "task.", 5) == 0)
            EXPECT_LE(field->offset + field->size, task->size);
        if (strncmp(field->name, "loop.", 5) == 0)
            EXPECT_LE(field->offset + field->size, loop->size);
    }
    close_file(&file);
}

// --- the list of loops ------------------------------------------------------

// This very process, looked at in the same way.
static unsigned count_loops(void)
{
    struct reader reader = {.pid = getpid()};
    unsigned count = 0;
    if (!open_file(&reader.file)) return 0;
    reader.bias = load_address(reader.pid) - reader.file.first_vaddr;
    uintptr_t head = reader.bias + reader.file.loops;
    uintptr_t link = get(&reader, head, "link.next");
    for (; link && link != head; link = get(&reader, link, "link.next"))
        count++;
    close_file(&reader.file);
    return count;
}

TEST_PLAIN(loops_are_listed_from_their_making_to_their_closing)
{
    struct asyncio_loop *one = NULL, *two = NULL;
    EXPECT_EQ(count_loops(), 0);
    EXPECT_OR_RETURN(asyncio_new_event_loop(&one) == 0);
    EXPECT_EQ(count_loops(), 1);
    if (EXPECT_EQ(asyncio_new_event_loop(&two), 0)) EXPECT_EQ(count_loops(), 2);
    asyncio_loop_close(one);
    asyncio_loop_close(one);
    EXPECT_EQ(count_loops(), two ? 1 : 0);
    asyncio_loop_free(one);
    asyncio_loop_free(two);
    EXPECT_EQ(count_loops(), 0);
}

TEST_PLAIN(forked_process_does_not_list_the_loops_of_its_parent)
{
    struct asyncio_loop *loop = NULL;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    pid_t child = fork();
    if (child == 0) _exit((int)count_loops());
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(count_loops(), 1);
    asyncio_loop_free(loop);
}
