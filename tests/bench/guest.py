"""Runs a topic in the test guest, on a stock kernel with kTLS, and brings its figures back."""

import json
import subprocess
import sys
from pathlib import Path

from bench.peers import ROOT

BEGIN = "keysluice-bench-result "
TIMEOUT_SECONDS = 3000


def counts_instructions(topic):
    """Whether the guest's clock counts instructions, on its one CPU, so that times repeat. Memory needs no clock."""
    return topic != "memory"


def run(kernel, topic, form):
    """Measures inside; the guest's standard error passes through, its result comes on standard output."""
    counted = ["--icount"] if counts_instructions(topic) else []
    command = [str(ROOT / "tests/guest/run"), "--kernel", kernel, *counted, "--timeout", str(TIMEOUT_SECONDS), "--",
               str(ROOT / "tests/bench/run"), topic, "--inside", *(["--short"] if form == "short" else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=TIMEOUT_SECONDS + 60)
    for line in done.stdout.splitlines():
        if line.startswith(BEGIN):
            return json.loads(line.removeprefix(BEGIN))
    raise RuntimeError(f"no figures came from the guest, which ended with status {done.returncode}:\n{done.stdout}")


def hand_out(result):
    print(BEGIN + json.dumps(result), flush=True)


def prepare():
    """Modules that a service may not load itself once it has dropped its privileges, as modules-load.d does elsewhere,
    and huge pages only on request: khugepaged rounds a heap up to 2 MiB whenever it comes by, which is chance."""
    subprocess.run(["modprobe", "-a", "tls", "chacha20poly1305", "gcm", "aesni_intel"], stdout=sys.stderr, check=True)
    Path("/sys/kernel/mm/transparent_hugepage/enabled").write_text("madvise", encoding="ascii")
