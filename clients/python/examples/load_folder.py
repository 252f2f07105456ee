"""Loads a folder of pictures; a second run sends only what the first one has not.

Usage: load_folder.py HOST:PORT FOLDER

The file `.loaded` in the folder lists what is stored. A line is written when the gateway has
acknowledged the picture, which is on the disk then.
"""

import os
import pathlib
import sys

from samegate import Client, Item

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


def main(target, folder):
    folder = pathlib.Path(folder)
    journal = folder / ".loaded"
    stored = set(journal.read_text().splitlines()) if journal.exists() else set()
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and str(path.relative_to(folder)) not in stored
    ]
    print(f"{len(files)} to send, {len(stored)} stored by earlier runs")
    # The client takes an item when the gateway has room for it, so pictures are not held in memory.
    items = (Item(path, brief=str(path.relative_to(folder))) for path in files)
    failed = 0
    with Client(target, api_key=os.environ.get("SAMEGATE_API_KEY")) as samegate, journal.open("a") as done:
        for number, outcome in enumerate(samegate.add_all(items), start=1):
            if outcome.error:
                failed += 1
                print(f"{outcome.item.brief}: {outcome.error}", file=sys.stderr)
            else:
                print(outcome.item.brief, file=done, flush=True)
            if number % 100 == 0 or number == len(files):
                print(f"{number} of {len(files)}, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
