import os
import subprocess
import sys
import time
import unittest

from bench import processes

# A parent that only waits, its child that burns 0.3 s in a thread which has ended when the figures are read.
BURNER = """
import subprocess, sys
child = '''
import sys, threading, time
def burn():
    while time.thread_time() < 0.3:
        pass
thread = threading.Thread(target=burn)
thread.start()
thread.join()
print("done", flush=True)
sys.stdin.read()
'''
subprocess.run([sys.executable, "-c", child])
"""


class Processes(unittest.TestCase):
    def setUp(self):
        self.burner = subprocess.Popen([sys.executable, "-c", BURNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.end)

    def end(self):
        self.burner.communicate(timeout=10)

    def test_cpu_counts_descendants_and_ended_threads(self):
        started = processes.cpu_by_process([self.burner.pid])
        self.assertEqual(self.burner.stdout.readline(), b"done\n")
        family = processes.tree(self.burner.pid)
        self.assertEqual(len(family), 2)
        used = processes.cpu_between(started, processes.cpu_by_process(family))
        self.assertGreater(used, 0.3e9)
        self.assertLess(used, 5e9)

    def test_memory_is_that_of_all_processes(self):
        self.burner.stdout.readline()
        family = processes.tree(self.burner.pid)
        alone = [processes.pss([pid])["all"] for pid in family]
        self.assertGreater(min(alone), 500)
        self.assertAlmostEqual(processes.pss(family)["all"], sum(alone), delta=0.2 * sum(alone))

    def test_nobody_traces_it(self):
        self.assertFalse(processes.is_traced(self.burner.pid))


class Differences(unittest.TestCase):
    def test_a_new_process_counts_from_its_start(self):
        self.assertEqual(processes.cpu_between({1: 10}, {1: 15, 2: 7}), 12)

    def test_a_lost_process_spoils_the_measurement(self):
        with self.assertRaisesRegex(RuntimeError, "ended while"):
            processes.cpu_between({1: 10, 2: 3}, {1: 15})

    def test_this_process_is_its_parents_child(self):
        self.assertEqual(processes.parent_of(os.getpid()), os.getppid())

    def test_the_clock_is_the_process_clock(self):
        before = time.process_time_ns()
        self.assertGreaterEqual(processes.cpu_ns(os.getpid()), before)


if __name__ == "__main__":
    unittest.main()
