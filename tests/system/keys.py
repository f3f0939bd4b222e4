"""keysluice key on a terminal: what is typed is not shown, and no value leaves by any way but the files."""

import os
import pathlib
import pty
import resource
import select
import signal
import stat
import subprocess
import termios

from support import processes
from support.scenario import eventually, expect, expect_equal, scenario

KEY = bytes(range(20)).hex()
TEXT = "sixteen letters!"
PASSPHRASE = "open sesame"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
TYPED_AS = {signal.SIGINT: b"\x03", signal.SIGQUIT: b"\x1c"}


class Terminal:
    """`keysluice key …` with a terminal of its own, which says what a person would see."""

    def __init__(self, world, *words):
        self.world, self.seen = world, b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            for number in ENDING:  # a shell has its background commands ignore some, and so all below them
                signal.signal(number, signal.SIG_DFL)
            os.execv(program(world), ["keysluice", "key", *map(str, words)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.master)

    def read(self):
        if select.select([self.master], [], [], 0.05)[0]:
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:  # nobody has it open any more
                pass

    def shows_typing(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def wait_for(self, text):
        def there():
            self.read()
            return text.encode() in self.seen
        eventually(there, self.world.patience(20), f"{text!r} is on the terminal: {self.seen}")

    def answer(self, question, answer):
        self.wait_for(question)
        expect(not self.shows_typing(), f"what is typed behind {question!r} is not shown")
        expect(answer not in pathlib.Path(f"/proc/{self.pid}/cmdline").read_text(), "the command line does not have it")
        os.write(self.master, answer.encode() + b"\n")
        self.seen = b""

    def end(self):
        """The exit status, or the negative number of a signal; all that the command says has been read then."""
        ended = []

        def gone():
            self.read()
            ended[:] = os.waitpid(self.pid, os.WNOHANG)
            return ended[0] == self.pid
        eventually(gone, self.world.patience(20), "the command ends")
        self.read()
        return os.waitstatus_to_exitcode(ended[1])


def program(world):
    return str(world.programs / "keysluice")


def key(world, *words, text=None, status=0):
    """Without a terminal. Everything it says."""
    done = subprocess.run([program(world), "key", *map(str, words)], input=text, capture_output=True, text=True,
                          timeout=world.patience(30), check=False, start_new_session=True)
    expect_equal(done.returncode, status, f"exit status of key {words}, which said {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def place(world):
    return ("--folder", world.directory / "keys.d")


def content(world, name):
    return (world.directory / "keys.d" / f"{name}.key").read_text()


def typed_answers(world, *words, answers, status=0):
    """All that was on the terminal meanwhile, in which no answer may be."""
    shown = b""
    with Terminal(world, *words, *place(world)) as terminal:
        for question, answer in answers:
            terminal.answer(question, answer)
        expect_equal(terminal.end(), status, f"exit status; the terminal has {terminal.seen}")
        shown = terminal.seen.decode()
        expect(terminal.shows_typing(), "what is typed afterwards is shown again")
    for _, answer in answers:
        expect(answer not in shown, f"{answer!r} is not in {shown!r}")
    return shown


@scenario("keys: a key that is typed is not shown, in hexadecimal or as text")
def typed(world):
    typed_answers(world, "define", "A", "--kind", "hmac-sha1",
                  answers=[("A, hmac-sha1, 40 hexadecimal digits (not shown): ", KEY)])
    expect_equal(content(world, "A"), f"keysluice-key 1 hmac-sha1\n{KEY}\n", "the file of A")
    typed_answers(world, "define", "B", "--kind", "aes-128", "--text",
                  answers=[("B, aes-128, 16 characters (not shown): ", TEXT)])
    expect(TEXT.encode().hex() in content(world, "B"), "the file of B has it")
    said = typed_answers(world, "define", "C", "--kind", "aes-128", answers=[("(not shown): ", KEY)], status=1)
    expect("20" in said and "16" in said, f"how many octets came, and how many were expected: {said}")
    expect(not (world.directory / "keys.d" / "C.key").exists(), "nothing was written")
    said = typed_answers(world, "replace", "A", "--text", answers=[("(not shown): ", "twenty letters or so")])
    expect("A.old" in said, f"the key before has a name: {said}")
    expect_equal(content(world, "A.old"), f"keysluice-key 1 hmac-sha1\n{KEY}\n", "the file of A.old")


@scenario("keys: from one host to the other under a passphrase that is typed")
def exported(world):
    key(world, "define", "A", "--kind", "hmac-sha1", *place(world), text=KEY)
    out = world.directory / "out"
    said = typed_answers(world, "export", "A", "--output", out, status=1,
                         answers=[("passphrase (not shown): ", PASSPHRASE), ("the same again: ", "open barley")])
    expect("passphrase-unusable" in said and not out.exists(), f"two passphrases export nothing: {said}")
    typed_answers(world, "export", "A", "--output", out,
                  answers=[("passphrase (not shown): ", PASSPHRASE), ("the same again: ", PASSPHRASE)])
    expect_equal(stat.S_IMODE(out.stat().st_mode), 0o600, "mode of the exported file")
    expect(KEY not in out.read_text(), "the exported file is encrypted")
    said = typed_answers(world, "import", out, "--name", "B", status=1,
                         answers=[("passphrase (not shown): ", "open barley")])
    expect("passphrase-wrong" in said, f"another passphrase does not open it: {said}")
    typed_answers(world, "import", out, "--name", "B", answers=[("passphrase (not shown): ", PASSPHRASE)])
    expect_equal(content(world, "B"), content(world, "A"), "what came through")
    said = key(world, "import", out, "--name", "C", *place(world), status=1)
    expect("there is no terminal" in said, f"without a terminal it says so: {said}")


@scenario("keys: a signal at the question leaves a terminal that shows what is typed")
def interrupted(world):
    for number in ENDING:
        with Terminal(world, "define", "A", "--kind", "hmac-sha1", *place(world)) as terminal:
            terminal.wait_for("(not shown): ")
            expect(not terminal.shows_typing(), "the terminal does not show what is typed")
            if number in TYPED_AS:
                os.write(terminal.master, KEY[:10].encode() + TYPED_AS[number])
            else:
                os.kill(terminal.pid, number)
            expect_equal(terminal.end(), -number, "how the command ended")
            expect(terminal.shows_typing(), f"after signal {number} the terminal shows what is typed")
            expect(KEY[:10].encode() not in terminal.seen, "what had been typed was not shown")
    expect(not (world.directory / "keys.d").exists(), "nothing was written")


@scenario("keys: whoever stops the question and comes back is asked again")
def stopped(world):
    with Terminal(world, "define", "A", "--kind", "hmac-sha1", *place(world)) as terminal:
        terminal.wait_for("(not shown): ")
        # Its process group has nobody to stop for, so the kernel does not stop it; the terminal is itself meanwhile.
        terminal.seen = b""
        os.kill(terminal.pid, signal.SIGTSTP)
        terminal.answer("(not shown): ", KEY)
        expect_equal(terminal.end(), 0, f"exit status; the terminal has {terminal.seen}")
    expect(KEY in content(world, "A"), "the key was taken")


@scenario("keys: no value of a key in what any verb says, or in another process's sight")
def secrecy(world):
    key(world, "generate", "G", "--kind", "aes-gcm-256", *place(world))
    key(world, "define", "A", "--kind", "hmac-sha1", *place(world), text=KEY + "\n")
    (world.directory / "passphrase").write_text(PASSPHRASE + "\n")
    (world.directory / "passphrase").chmod(0o600)
    values = [content(world, name).split()[3] for name in ("G", "A")]
    by_file = ("--passphrase-file", world.directory / "passphrase")
    said = ""
    for form in ((), ("--json",)):
        out = world.directory / f"out{len(form)}"
        for words in (("list",), ("export", "A", "--output", out, *by_file),
                      ("export", "G", "--plain", "--output", f"{out}.plain"),
                      ("import", out, "--name", f"I{len(form)}", *by_file), ("replace", f"I{len(form)}", "--generate"),
                      ("replace", "A", "--from", out, *by_file)):
            said += key(world, *words, *form, *place(world))
        for words, text in ((("define", "A", "--kind", "hmac-sha1"), KEY), (("define", "X", "--kind", "aes-128"), KEY),
                            (("replace", "G"), KEY), (("import", world.directory / "passphrase"), None)):
            said += key(world, *words, *form, *place(world), text=text, status=1)
    for value in (*values, PASSPHRASE):
        expect(value[:10] not in said.lower(), f"{value} is in what was said")
    with subprocess.Popen([program(world), "key", "define", "B", "--kind", "hmac-sha1", *map(str, place(world))],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        eventually(lambda: processes.name_of(process.pid) == "keysluice", world.patience(20), "it runs")
        seen = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes() + pathlib.Path(
            f"/proc/{process.pid}/environ").read_bytes()
        process.communicate(KEY.encode(), timeout=world.patience(30))
        expect(KEY.encode() not in seen, "command line and environment do not have it")
        expect_equal(process.returncode, 0, "exit status")


@scenario("keys: killed while it writes, or with a full disk, the key is as it was, and nothing is in the next one's way")
def killed(world):
    key(world, "generate", "A", "--kind", "aes-128", *place(world))
    before = content(world, "A")
    replace = [program(world), "key", "replace", "A", "--generate", *map(str, place(world))]
    # The kernel takes 10 octets of the file; at the next one it kills, or where that is ignored, refuses.
    for ignoring, status in ((False, -signal.SIGXFSZ), (True, 1)):
        done = subprocess.run(replace, capture_output=True, timeout=world.patience(30), check=False,
                              restore_signals=not ignoring,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)))
        expect_equal(done.returncode, status, f"exit status, with {done.stdout} {done.stderr}")
        expect_equal(content(world, "A"), before, "the key's file")
        expect_equal((world.directory / "keys.d" / ".A.key.new").exists(), not ignoring, "a half file was left")
    key(world, "replace", "A", "--generate", *place(world))
    expect_equal(content(world, "A.old"), before, "the key before")
    expect(content(world, "A") != before, "the key is another one")
    (world.directory / "keys.d" / ".A.key.new").write_text("what a crash has left")
    key(world, "delete", "A", *place(world))
    expect_equal(list((world.directory / "keys.d").iterdir()), [], "what is left in the folder")
