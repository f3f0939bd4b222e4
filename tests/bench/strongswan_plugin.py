"""strongSwan's load-tester plugin, which Debian leaves out: built from Debian's source for Debian's binaries."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.peers import ROOT

INSTALLED = Path("/usr/lib/ipsec/plugins")
BUILT = ROOT / "build/bench/libstrongswan-load-tester.so"
CONFIGURE = ["./configure", "--disable-defaults", "--enable-charon", "--enable-ikev2", "--enable-load-tester",
             "--enable-nonce", "--enable-openssl"]  # what the plugin's headers ask for
SOURCES = Path("/etc/apt")


def source_lists(folder):
    """Debian's package sources as this machine has them, for source packages, in a folder of their own."""
    for path in [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.exists():
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"^deb(?=\s)", "deb-src", text, flags=re.MULTILINE)
            text = re.sub(r"^Types:.*$", "Types: deb-src", text, flags=re.MULTILINE)
            (folder / path.name).write_text(text, encoding="utf-8")


def _fetched(folder):
    """The unpacked source of the version that is installed, without Debian's changes, which don't touch the plugin."""
    lists, parts = folder / "lists", folder / "parts"
    (lists / "partial").mkdir(parents=True)
    parts.mkdir()
    source_lists(parts)
    apt = ["apt-get", "-qq", "-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={parts}",
           "-o", f"Dir::State::Lists={lists}", "-o", "APT::Sandbox::User=root"]
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libstrongswan"], capture_output=True, text=True,
                             check=True).stdout
    subprocess.run([*apt, "update"], check=True, stdout=sys.stderr)
    subprocess.run([*apt, "source", "--tar-only", f"strongswan={version}"], cwd=folder, check=True, stdout=sys.stderr)
    archive = next(folder.glob("strongswan_*.orig.tar.*"))
    subprocess.run(["tar", "-xf", archive], cwd=folder, check=True)
    return next(folder.glob("strongswan-*/"))


def build():
    """Once; takes half a minute."""
    if BUILT.exists():
        return
    print("building strongSwan's load-tester plugin", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="keysluice-bench.") as name:
        source = _fetched(Path(name))
        subprocess.run(CONFIGURE, cwd=source, check=True, stdout=subprocess.DEVNULL)
        plugin = source / "src/libcharon/plugins/load_tester"
        fresh = source / BUILT.name
        subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-include", source / "config.h",
                        "-I", source / "src/libstrongswan", "-I", source / "src/libcharon",
                        '-DIPSEC_PIDDIR="/run"', '-DPLUGINDIR=""', *sorted(plugin.glob("load_tester_*.c")), "-o", fresh],
                       check=True)
        shutil.copy(fresh, BUILT)


def collected(folder):
    """A folder with all plugins, for the place where strongSwan looks for them."""
    plugins = folder / "plugins"
    shutil.copytree(INSTALLED, plugins)
    shutil.copy(BUILT, plugins)
    os.chmod(plugins, 0o755)
    return plugins
