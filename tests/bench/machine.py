"""What a reader has to know about the machine to judge the figures."""

import os
import platform
import subprocess


def _first(path, key, separator):
    with open(path, encoding="utf-8") as lines:
        return next((line.partition(separator)[2].strip().strip('"') for line in lines if line.startswith(key)),
                    "unknown")


def describe(services):
    library = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split(" (")[0]
    return {
        "processor": _first("/proc/cpuinfo", "model name", ":"),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "system": _first("/etc/os-release", "PRETTY_NAME", "="),
        "library": library.strip(),
        "services": {service.name: service.version() for service in services},
    }
