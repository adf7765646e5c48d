// The least that a server on epoll can do: wait, recv, send.
//
//     floor_epoll echo|http PORT

#define PEER "floor_epoll"
#include "floor_net.h"

#include <sys/epoll.h>

#define EVENTS_MAX 512

static int epoll;

static void watch(int op, int fd, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.fd = fd};
    peer_check(epoll_ctl(epoll, op, fd, &event) == 0, "epoll_ctl");
}

// Returns false if the rest has to wait until the socket has room.
static bool send_rest(int fd, struct served *served)
{
    while (served->sent < served->len) {
        ssize_t len =
            send(fd, served->bytes + served->sent, served->len - served->sent,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (len < 0 && errno == EAGAIN) return false;
        if (len < 0) break; // recv will say so, too
        served->sent += (size_t)len;
    }
    return true;
}

static void serve(int fd)
{
    struct served *served = floor_served[fd];
    ssize_t len = recv(fd, served->bytes, BUFFER_SIZE, MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN) return;
    if (len <= 0) {
        close(fd);
        return;
    }
    floor_answer(served, (size_t)len);
    if (!send_rest(fd, served)) watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void accept_one(int listener)
{
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) return;
    floor_accepted(fd);
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];
    int listener = floor_listen(floor_port(argc, argv));
    epoll = epoll_create1(0);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_one(fd);
            else if (events[i].events & EPOLLIN)
                serve(fd);
            else if (send_rest(fd, floor_served[fd]))
                watch(EPOLL_CTL_MOD, fd, EPOLLIN);
        }
    }
}
