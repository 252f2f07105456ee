#!/usr/bin/env python3
"""Measures the embedded engine end to end: makes attacks, starts a gateway, searches through its REST API.

The seed selects the sources from the library and determines the random choices of every attack: the same folders,
number and seed give the same queries. Copies, database and log are in a temporary folder. The gateway listens on free
ports and is always stopped. `make eval` calls this script; recall.py documents the table.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# The tests of the clients start a gateway in the same way.
sys.path.insert(0, str(HERE.parent / "tests" / "clients"))
from run import free_ports, start, stop, wait_until_ready  # noqa: E402

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="samegate-eval-", dir=args.scratch) as folder:
        folder = pathlib.Path(folder)
        sources = choose_sources(args, folder)
        attacks = folder / "attacks"
        script("attacks.py", attacks, sources, args.background, "--seed", args.seed)
        grpc, rest, admin = (f"127.0.0.1:{port}" for port in free_ports(3))
        gateway = start(args.gateway, folder, folder / "gateway.log", grpc, rest, admin)
        try:
            wait_until_ready(gateway, admin)
            measure(args, folder, rest, attacks / "manifest.json")
            print(usage(gateway.pid))
            if not stop(gateway):
                raise SystemExit("the gateway did not stop cleanly")
            measure_matches(args, attacks / "manifest.json")
        finally:
            gateway.kill()
            gateway.wait()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gateway", help="the samegate binary")
    parser.add_argument("--library", required=True, type=folder_of_images, help="folder: images to add")
    parser.add_argument("--background", required=True, type=folder_of_images, help="folder: for collages and photos")
    parser.add_argument("--negative", required=True, type=folder_of_images, help="folder: images without a match in the library")
    parser.add_argument("--matches", help="the example measure_matches: prints calibration and false queries too")
    parser.add_argument("--hard", type=folder_of_images, help="folder: sets of different images with a shared background")
    parser.add_argument("--sources", type=int, default=40, help="library images to attack (default 40)")
    parser.add_argument("--seed", default="0", help="seed of sources and attacks (default 0)")
    parser.add_argument("--scratch", help="parent of the temporary folder (default: the system's)")
    return parser.parse_args()


def folder_of_images(name):
    if not images(name):
        raise argparse.ArgumentTypeError(f"{name} is no folder with jpg, png or bmp files")
    return name


def images(folder):
    if not os.path.isdir(folder):
        return []
    return sorted(os.path.abspath(os.path.join(folder, f)) for f in os.listdir(folder) if f.lower().endswith(SUFFIXES))


def choose_sources(args, folder):
    library = images(args.library)
    chosen = random.Random(args.seed).sample(library, min(args.sources, len(library)))
    listed = folder / "sources.txt"
    listed.write_text("".join(f"{path}\n" for path in sorted(chosen)))
    return listed


def measure(args, folder, rest, manifest):
    secret = (folder / "data" / "rest-secret-local").read_text()
    keys = ["--key", "local", "--secret", secret]
    folders = ["--library", args.library, "--negative", args.negative, "--attacks", manifest]
    script("recall.py", "--base", f"http://{rest}", *keys, *folders)


def measure_matches(args, manifest):
    """Searches the engine alone with the same queries, with drawn templates and with the hard sets."""
    if not args.matches:
        return
    folders = ["--library", args.library, "--negative", args.negative, "--attacks", manifest]
    hard = ["--hard", args.hard] if args.hard else []
    subprocess.run([args.matches, *map(str, folders), "--templates", "yes", *hard], check=True)


def script(name, *arguments):
    subprocess.run([sys.executable, HERE / name, *map(str, arguments)], check=True)


def usage(pid):
    """Returns the resources that the gateway has used (proc(5)); nothing on systems without /proc."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        ticks = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    except OSError:
        return "gateway: no figures of memory and processor time on this system"
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return f"gateway: at most {int(peak) / 1024:.0f} MiB of memory, {seconds:.1f} s of processor time"


if __name__ == "__main__":
    main()
