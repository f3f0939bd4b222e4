"""Keeps the measured sections of docs/benchmarks.md, each between two marks, and leaves the rest of it alone."""

from bench.peers import ROOT

PATH = ROOT / "docs/benchmarks.md"
EVERYWHERE = ["host", "guest stable", "guest newest"]
PLACES = {"handshakes": EVERYWHERE, "memory": EVERYWHERE, "relay": EVERYWHERE,
          "latency": EVERYWHERE, "rekey": ["host", "guest newest"],
          "handoff": ["guest stable"], "ike": ["host"],
          "xfrm": ["guest stable", "guest newest"], "installs": ["guest stable"], "bus": ["host"]}


def marks(topic, place):
    return f"<!-- measured: {topic}, {place} -->", f"<!-- end: {topic}, {place} -->"


def replaced(text, topic, place, section):
    """`text` with the section put between its marks, which have to be there."""
    start, end = marks(topic, place)
    if text.count(start) != 1 or text.count(end) != 1:
        raise RuntimeError(f"{PATH.name} must hold the lines \"{start}\" and \"{end}\" once each")
    head, rest = text.split(start)
    return f"{head}{start}\n\n{section}\n\n{end}{rest.split(end)[1]}"


def write(topic, place, section):
    PATH.write_text(replaced(PATH.read_text(encoding="utf-8"), topic, place, section), encoding="utf-8")
