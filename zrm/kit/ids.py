"""UUIDv7 (RFC 9562): 48 bits of milliseconds, then a counter, then randomness.

Made by us, without a round trip, and always increasing within a process: when the clock steps back, the last
millisecond seen is kept and the counter goes on, so ids made later still sort later.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_POOL_BYTES = 4096
_pool = b""
_used = 0
_pool_lock = threading.Lock()
_lock = threading.Lock()
_last_ms = 0
_counter = 0
_COUNTER_BITS = 26  # 12 bits of rand_a and the first 14 of rand_b
_COUNTER_FRESH = (1 << (_COUNTER_BITS - 1)) - 1  # start in the lower half, to leave room to count


def random_bytes(count: int) -> bytes:
    """So many bytes (at most 64) of the kernel's randomness, fetched a page at a time.

    Each system call lets another thread take the interpreter, and on a busy door it does not come back soon.
    """
    global _pool, _used
    with _pool_lock:
        if _used + count > len(_pool):
            _pool, _used = os.urandom(_POOL_BYTES), 0
        _used += count
        return _pool[_used - count : _used]


def _forget_pool() -> None:
    """After a fork: a child must not reuse its parent's randomness, nor wait for a lock held by a thread of its
    parent.
    """
    global _pool, _pool_lock
    _pool, _pool_lock = b"", threading.Lock()


os.register_at_fork(after_in_child=_forget_pool)


def new_id() -> UUID:
    """A fresh UUIDv7, greater than every one this process made before."""
    global _last_ms, _counter
    random = random_bytes(10)
    with _lock:
        ms = time.time_ns() // 1_000_000
        if ms > _last_ms:
            _last_ms = ms
            _counter = int.from_bytes(random[:4]) & _COUNTER_FRESH
        else:
            _counter += 1
            if _counter >> _COUNTER_BITS:
                _last_ms += 1
                _counter = int.from_bytes(random[:4]) & _COUNTER_FRESH
        ms, counter = _last_ms, _counter
    tail = int.from_bytes(random[4:]) & ((1 << 48) - 1)
    value = ms << 80 | 0x7 << 76 | (counter >> 14) << 64 | 0b10 << 62 | (counter & 0x3FFF) << 48 | tail
    return UUID(int=value)


def new_trace() -> str:
    """A trace id of 16 hex digits; it follows one contact from door to answer in the logs."""
    return random_bytes(8).hex()
