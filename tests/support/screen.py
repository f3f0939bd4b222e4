"""A terminal, and what a full-screen program draws on it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

from support.scenario import eventually, expect_equal


class Screen:
    """`keysluice top` on a terminal of its own."""

    def __init__(self, world, bus):
        self.ours, self.theirs = pty.openpty()
        self.resize(30, 100)
        self.before = termios.tcgetattr(self.theirs)
        self.text = ""
        self.process = subprocess.Popen([world.programs / "keysluice", f"--bus={bus.address}", "top"],
                                        stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
                                        start_new_session=True)
        self.world = world

    def resize(self, rows, columns):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shows(self, what):
        self.shows_like(re.escape(what))

    def shows_like(self, pattern):
        def look():
            while select.select([self.ours], [], [], 0)[0]:
                self.text += os.read(self.ours, 1 << 16).decode(errors="replace")
            return re.search(pattern, self.text)
        eventually(look, self.world.patience(20), f"the screen shows {pattern!r}")

    def ends(self):
        expect_equal(self.process.wait(self.world.patience(20)), 0, "exit status of top")
        self.shows("\x1b[?1049l")
        expect_equal(termios.tcgetattr(self.theirs), self.before, "the terminal, afterwards")
        os.close(self.ours)
        os.close(self.theirs)
