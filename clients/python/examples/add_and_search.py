"""Adds a picture and finds it by another one.

Usage: add_and_search.py HOST:PORT STORED QUERY
"""

import os
import pathlib
import sys

from samegate import Client
from samegate.v1 import same_image_pb2 as pb


def main(target, stored, query):
    with Client(target, api_key=os.environ.get("SAMEGATE_API_KEY")) as samegate:
        # With ACCEPT it is no error that the same bytes are stored already.
        added = samegate.add(
            pathlib.Path(stored),
            brief=pathlib.Path(stored).name,
            on_duplicate=pb.ON_DUPLICATE_ACCEPT,
        )
        print("stored as", added.cont_sign, "before" if added.existed else "now")
        for match in samegate.search(pathlib.Path(query), limit=10).matches:
            print(f"{match.score:.1%}  {match.cont_sign}  {match.brief}")


if __name__ == "__main__":
    main(*sys.argv[1:])
