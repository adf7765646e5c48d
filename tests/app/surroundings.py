"""Namespaces of our own, where they are allowed: a loopback network with our
name server on it, and disks that are as small as a test wants them.

Nothing of it is seen outside, and all of it ends with this process.
"""

import ctypes
import fcntl
import os
import socket
import struct
import tempfile
import threading

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_REC_PRIVATE, MS_BIND, MS_RDONLY = 0x44000, 0x1000, 1
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
NAMES_THAT_DO_NOT_EXIST = 0x8183  # flags of a DNS answer: no such name
libc = ctypes.CDLL(None, use_errno=True)

# What enter() could get for us.
own_disks = own_names = False


def call(function, *args):
    if function(*args) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source, target, kind, flags, data):
    texts = [text and os.fsencode(text) for text in (source, target, kind)]
    call(libc.mount, *texts, ctypes.c_ulong(flags),
         data and os.fsencode(data))


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def unshare():
    """As root, or else as the root of a user namespace."""
    uid, gid = os.getuid(), os.getgid()
    try:
        call(libc.unshare, CLONE_NEWNS | CLONE_NEWNET)
    except PermissionError:
        call(libc.unshare, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {uid} 1")
        write("/proc/self/gid_map", f"0 {gid} 1")


def bring_loopback_up():
    with socket.socket() as any_socket:
        request = struct.pack("16sh22x", b"lo", IFF_UP_RUNNING)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request)


def answer_names(server):
    """Knows no name; says nothing at all about those that end in .silent."""
    while True:
        query, client = server.recvfrom(512)
        if b"\x06silent\x00" in query:
            continue
        flags = struct.pack(">HHHHH", NAMES_THAT_DO_NOT_EXIST, 1, 0, 0, 0)
        server.sendto(query[:2] + flags + question_of(query), client)


def question_of(query):
    end = query.index(b"\x00", 12) + 5
    return query[12:end]


def use_own_name_server():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=answer_names, args=(server,), daemon=True).start()
    with tempfile.NamedTemporaryFile("w", suffix=".resolv.conf") as file:
        file.write("nameserver 127.0.0.1\n")
        file.flush()
        mount(file.name, "/etc/resolv.conf", None, MS_BIND, None)


def enter():
    """Must be called before there are threads."""
    global own_disks, own_names
    try:
        unshare()
        bring_loopback_up()
        mount(None, "/", None, MS_REC_PRIVATE, None)
        own_disks = True
        use_own_name_server()
        own_names = True
    except OSError as error:
        print(f"# not all surroundings are our own: {error}")


def mount_disk(folder, kib, read_only):
    flags = MS_RDONLY if read_only else 0
    mount("tmpfs", folder, "tmpfs", flags, f"size={kib}k,mode=0755")


def unmount(folder):
    call(libc.umount, os.fsencode(folder))
