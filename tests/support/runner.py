"""What the runners of scenarios have in common: command line, one process for each scenario, results, the closing line."""

import argparse
import importlib
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

from support import processes
from support.scenario import REGISTRY, Failure, Skip
from support.world import World, patience_factor

TESTS = pathlib.Path(__file__).resolve().parent.parent
TIME_LIMIT = {False: 120, True: 600}  # seconds a scenario, short and full form, before patience
TAIL = 15


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--full", action="store_true", help="large payloads, all rounds")
    parser.add_argument("--only", metavar="PATTERN", default="", help="regular expression over the names")
    parser.add_argument("--retry", action="store_true",
                        help="a scenario that fails gets a second try, for busy machines; both are shown")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--bin", metavar="DIR", type=pathlib.Path, default=TESTS.parent / "build" / "bin")
    return parser.parse_args()


def load_scenarios(folders, pattern):
    """Those of these folders: what one of their files borrows from another folder's brings none along."""
    for folder in folders:
        for file in sorted((TESTS / folder).glob("*.py")):
            importlib.import_module(f"{folder}.{file.stem}")
    return {name: function for name, function in REGISTRY.items()
            if function.__module__.split(".")[0] in folders and re.search(pattern, name)}


def perform(function, world):
    """In the scenario's own process. Returns (word, text) as they are printed."""
    try:
        function(world)
        return "ok", "; ".join(world.notes)
    except Skip as reason:
        return "skip", str(reason)
    except Failure as failure:
        return "not ok", str(failure)
    except Exception:
        return "not ok", traceback.format_exc().rstrip()


def in_own_process(function, world, limit):
    """A scenario that hangs or takes descriptors with it harms no other: it ends with its process and all below."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        word, text = perform(function, world)
        with os.fdopen(writer, "w") as output:
            output.write(f"{word}\n{text}")
        sys.stdout.flush()
        os._exit(0)
    os.close(writer)
    signal.signal(signal.SIGALRM, lambda *_: processes.send_signal(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, limit)
    with os.fdopen(reader) as result:
        word, _, text = result.read().partition("\n")
    signal.setitimer(signal.ITIMER_REAL, 0)
    processes.kill_descendants()
    return (word, text) if word else ("not ok", f"did not end within {limit:g} s")


def tails(directory):
    for log in sorted(directory.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()
        if lines:
            yield f"    --- the end of {log.name}"
            yield from (f"    {line}" for line in lines[-TAIL:])


def run_one(name, function, world, limit):
    world.directory.mkdir()
    begin = time.monotonic()
    word, text = in_own_process(function, world, limit)
    took = time.monotonic() - begin
    if word == "skip":
        print(f"skip {name}: {text}")
    elif word == "ok":
        print(f"ok {name} ({took:.1f} s){': ' + text if text else ''}")
    else:
        print(f"not ok {name} ({took:.1f} s)")
        print("\n".join(["    " + line for line in text.splitlines()] + list(tails(world.directory))))
    sys.stdout.flush()
    shutil.rmtree(world.directory)
    return word


def run(description, folders, prepare):
    """Runs the scenarios of `folders`. `prepare(directory)` returns the certificates (or None), whether this kernel
    has what the scenarios are about, and a sentence that says so. Returns the exit status."""
    options = arguments(description)
    chosen = load_scenarios(folders, options.only)
    if options.list:
        print("\n".join(chosen))
        return 0
    processes.adopt_orphans()
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    with tempfile.TemporaryDirectory(prefix="keysluice-test-") as root:
        root = pathlib.Path(root)
        certificates, kernel, sentence = prepare(root)
        print(sentence, flush=True)
        for number, (name, function) in enumerate(chosen.items()):
            world = World(options.bin.resolve(), root / str(number), certificates, options.full, kernel)
            limit = TIME_LIMIT[options.full] * patience_factor()
            word = run_one(name, function, world, limit)
            if word == "not ok" and options.retry:
                print(f"second try of {name}:")
                word = run_one(name, function, world, limit)
            counts[word] += 1
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped")
    return 1 if counts["not ok"] else 0
