"""Prints the libraries that a key may use, each with the number of its images; errors in one line.

Usage: libraries.py HOST:PORT
"""

import os
import sys

from samegate import Client, SamegateError


def main(target):
    with Client(target, api_key=os.environ.get("SAMEGATE_API_KEY"), timeout=10) as samegate:
        for library in samegate.libraries():
            is_known = library.HasField("image_count")
            print(library.library, library.image_count if is_known else "?")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SamegateError as error:
        sys.exit(str(error))
