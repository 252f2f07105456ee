"""Prints the groups of same pictures, and the cursor for the next run.

Usage: duplicates.py HOST:PORT [CURSOR]
"""

import os
import sys

from samegate import Client


def main(target, cursor=""):
    with Client(target, api_key=os.environ.get("SAMEGATE_API_KEY")) as samegate:
        duplicates = samegate.find_duplicates(min_score=0.8, cursor=cursor)
        for group in duplicates:
            largest = max(group.images, key=lambda image: image.width * image.height)
            print(f"{len(group.images)} pictures; the largest is {largest.cont_sign} {largest.brief}")
            for pair in group.pairs:
                print(f"  {pair.score:.1%}  {pair.a}  {pair.b}")
        print(f"compared {duplicates.compared}; next time from {duplicates.cursor}")


if __name__ == "__main__":
    main(*sys.argv[1:])
