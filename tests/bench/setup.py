"""Gets what the measurements need: the peers' packages, and our own programs."""

import os
import subprocess
import sys
from pathlib import Path

from bench.peers import ROOT

POLICY = Path("/usr/sbin/policy-rc.d")


def _missing(packages):
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
                           capture_output=True, text=True, check=False).stdout.split("\n")
    return [package for package in packages if f"{package} installed" not in shown]


def install(packages):
    """Installs missing peers without starting them as services: they run as plain processes here."""
    missing = _missing(packages)
    if not missing:
        return
    print(f"installing {' '.join(missing)}", file=sys.stderr)
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=environment,
                       check=True, stdout=sys.stderr)
    finally:
        if ours:
            POLICY.unlink()


def build():
    if not (ROOT / "build/build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=sys.stderr)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "bench", "all"], cwd=ROOT, check=True,
                   stdout=sys.stderr)
