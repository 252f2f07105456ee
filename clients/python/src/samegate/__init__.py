"""A client of samegate: finds the images of a library that are the same as another image.

    from samegate import Client

    with Client("localhost:50051", api_key="…") as samegate:
        sign = samegate.add(pathlib.Path("poster.jpg"), brief="poster 7").cont_sign
        for match in samegate.search(pathlib.Path("photo.jpg")).matches:
            print(match.score, match.brief)

Responses are the messages of the contract, in `samegate.v1.same_image_pb2`.
"""

from .bulk import Item, Outcome
from .client import Client, Tls
from .duplicates import Duplicates
from .errors import SamegateError, Violation
from .images import Image, Sign, Url

__all__ = [
    "Client",
    "Duplicates",
    "Image",
    "Item",
    "Outcome",
    "SamegateError",
    "Sign",
    "Tls",
    "Url",
    "Violation",
]
