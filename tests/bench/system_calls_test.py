import unittest

from bench.system_calls import count

PROXY = """\
101 epoll_wait(5, [{events=EPOLLIN, data={u32=9, u64=9}}], 200, 1000) = 1
101 read(9, ""..., 16406) = 16406
101 sendto(10, ""..., 16384, MSG_DONTWAIT|MSG_NOSIGNAL, NULL, 0) = 16384
101 recvfrom(9, 0x5581, 16406, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
"""

RELAY = """\
77 splice(9, NULL, 12, NULL, 65536, SPLICE_F_MOVE|SPLICE_F_NONBLOCK) = 16384
77 splice(11, NULL, 10, NULL, 16384, SPLICE_F_MOVE|SPLICE_F_NONBLOCK) = 16384
77 splice(9, NULL, 12, NULL, 65536, SPLICE_F_MOVE|SPLICE_F_NONBLOCK) = -1 EAGAIN (Resource temporarily unavailable)
"""

THREADS = """\
55 read(7,  <unfinished ...>
56 write(8, ""..., 100 <unfinished ...>
55 <... read resumed>""..., 4096) = 300
56 <... write resumed>) = 100
55 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
55 recvmsg(7, {msg_name=NULL, msg_iov=[{iov_base=""..., iov_len=5}], msg_iovlen=1, msg_flags=0}, 0) = 5
55 +++ exited with 0 +++
"""


class SystemCalls(unittest.TestCase):
    def test_a_proxy_copies_each_byte_twice(self):
        self.assertEqual(count(PROXY.splitlines()), {"calls": 4, "copied": 16406 + 16384, "moved": 0})

    def test_splice_moves_and_copies_nothing(self):
        self.assertEqual(count(RELAY.splitlines()), {"calls": 3, "copied": 0, "moved": 2 * 16384})

    def test_an_interrupted_call_counts_once(self):
        self.assertEqual(count(THREADS.splitlines()), {"calls": 3, "copied": 405, "moved": 0})

    def test_signals_and_exits_are_no_calls(self):
        self.assertEqual(count(["55 +++ exited with 0 +++", ""]), {"calls": 0, "copied": 0, "moved": 0})


if __name__ == "__main__":
    unittest.main()
