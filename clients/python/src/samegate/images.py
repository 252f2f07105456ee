"""The image of a request: bytes, a file, a URL, or a stored image."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Union

from .errors import SamegateError


@dataclasses.dataclass(frozen=True)
class Url:
    """An image that the gateway fetches: http or https, up to 1024 bytes."""

    url: str


@dataclasses.dataclass(frozen=True)
class Sign:
    """A stored image, by its sign."""

    cont_sign: str


#: What searches accept; additions accept all but `Sign`.
Image = Union[bytes, pathlib.Path, Url, Sign]


def source(image: Image) -> dict[str, object]:
    """Returns the field of a request that names the image; reads a file.

    Raises SamegateError with the reason `FILE_UNREADABLE` for a file that cannot be read.
    """
    if isinstance(image, Url):
        return {"url": image.url}
    if isinstance(image, Sign):
        return {"cont_sign": image.cont_sign}
    if isinstance(image, (bytes, bytearray, memoryview)):
        return {"content": bytes(image)}
    if not isinstance(image, pathlib.PurePath):
        raise TypeError(f"an image is bytes, Path, Url or Sign, not {type(image).__name__}")
    try:
        return {"content": pathlib.Path(image).read_bytes()}
    except OSError as error:
        message = f"cannot read `{image}`: {error.strerror}"
        raise SamegateError(None, message, reason="FILE_UNREADABLE") from error
