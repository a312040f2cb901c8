"""Misuses libmongoqueue: misuse.py LIBRARY URI. Ends with an error at the first wrong answer."""

import ctypes
import os
import sys
import threading

NULL, HANDLE, KIND, FORKED, INVALID = -1, -2, -3, -4, -7

mq = ctypes.CDLL(sys.argv[1])
for name in ("mq_put", "mq_complete"):
    getattr(mq, name).argtypes = {
        "mq_put": [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p],
        "mq_complete": [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p],
    }[name]
mq.mq_queue.argtypes = [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_void_p]
mq.mq_next.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p]
mq.mq_stats.argtypes = [ctypes.c_uint64, ctypes.c_void_p]
mq.mq_free.argtypes = [ctypes.c_uint64]
mq.mq_heartbeat.argtypes = [ctypes.c_uint64]


def new(function, *args):
    handle = ctypes.c_uint64(99)
    code = function(*args, ctypes.byref(handle))
    assert (code == 0) == (handle.value != 0), (code, handle)
    return code, handle.value


_, connection = new(mq.mq_connect, sys.argv[2].encode(), None)
_, queue = new(mq.mq_queue, connection, b"q")
assert mq.mq_queue(connection, b"q", None) == NULL
assert mq.mq_connect(None, None, None) == NULL
assert new(mq.mq_stats, connection)[0] == KIND
assert new(mq.mq_stats, 2**64 - 1)[0] == HANDLE
assert new(mq.mq_put, queue, b"{", 1, None)[0] == INVALID

# Closed twice, by many threads at once: one of them did it.
_, receipt = new(mq.mq_put, queue, b"1", 1, None)
answers = []
threads = [threading.Thread(target=lambda: answers.append(mq.mq_free(receipt))) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(answers) == [HANDLE] * 7 + [0], answers

# Settled, and then used.
_, lease = new(mq.mq_next, queue, 0, 0)
assert mq.mq_complete(lease, None, 0, None) == 0
assert mq.mq_complete(lease, None, 0, None) == HANDLE
assert mq.mq_heartbeat(lease) == HANDLE

child = os.fork()
if child == 0:
    os._exit(0 if mq.mq_heartbeat(lease) == FORKED else 1)
assert os.waitpid(child, 0)[1] == 0
assert new(mq.mq_stats, queue)[0] == 0

# In the wrong order: the queue of a closed connection.
assert mq.mq_free(connection) == 0
assert new(mq.mq_stats, queue)[0] == 0
assert mq.mq_free(connection) == HANDLE
print("as told")
