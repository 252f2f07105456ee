#!/usr/bin/env python3
"""Runs the vendor's official Python SDK, unchanged, against a gateway.

    pip install baidu-aip chardet
    sdk_baidu_aip.py --base http://127.0.0.1:8080 --key local \
        --secret "$(cat samegate-data/rest-secret-local)" --images DIR

Makes all ten same_hq calls of the SDK with two images of DIR and checks each
response; exits with an error at the first wrong one. The images are deleted
before and after. For the calls with a URL, DIR is served on a loopback port, so
the gateway must be allowed to fetch from loopback.
"""

import argparse
import functools
import http.server
import pathlib
import sys
import threading

from aip import AipImageSearch

VENDOR = "https://aip.baidubce.com"
# Characters that a form must escape: reserved characters, a plus, Chinese.
BRIEF = '{"name": "a+b & c=d 100%", "city": "上海"}'


def main():
    options = arguments()
    one, other = images(options.images)
    url = serve(options.images) + "/" + other.name
    image = one.read_bytes()
    client = sdk(options.base, options.key, options.secret)

    client.sameHqDeleteByImage(image)
    client.sameHqDeleteByUrl(url)

    added = checked("sameHqAdd", client.sameHqAdd(image, BRIEF, {"tags": "1,2"}))
    sign = added["cont_sign"]
    again = client.sameHqAdd(image, "other")
    expect("a second sameHqAdd", again["error_code"] == 216681 and again["cont_sign"] == sign, again)
    other_sign = checked("sameHqAddUrl", client.sameHqAddUrl(url, "by url"))["cont_sign"]
    expect("sameHqAddUrl's sign", other_sign != sign, other_sign)

    found = checked("sameHqSearch", client.sameHqSearch(image, {"tags": "2", "tag_logic": "0", "rn": 5}))
    expect("sameHqSearch's match", best(found) == (sign, BRIEF), found)
    expect("sameHqSearch's has_more", found["has_more"] is False, found)
    expect("sameHqSearch's count", found["result_num"] == len(found["result"]), found)
    expect("sameHqSearch's score", 0.9 < found["result"][0]["score"] <= 1, found)
    found = checked("sameHqSearchUrl", client.sameHqSearchUrl(url))
    expect("sameHqSearchUrl's match", best(found) == (other_sign, "by url"), found)

    checked("sameHqUpdate", client.sameHqUpdate(image, {"brief": "new"}))
    checked("sameHqUpdateContSign", client.sameHqUpdateContSign(sign, {"tags": "7"}))
    found = checked("sameHqSearch", client.sameHqSearch(image, {"tags": "7"}))
    expect("the record after the updates", best(found) == (sign, "new"), found)
    checked("sameHqUpdateUrl", client.sameHqUpdateUrl(url, {"tags": "8,9"}))
    found = checked("sameHqSearchUrl", client.sameHqSearchUrl(url, {"tags": "9"}))
    expect("the record after sameHqUpdateUrl", best(found) == (other_sign, "by url"), found)

    checked("sameHqDeleteByImage", client.sameHqDeleteByImage(image))
    checked("sameHqDeleteByUrl", client.sameHqDeleteByUrl(url))
    deleted = client.sameHqUpdateContSign(sign, {"brief": "deleted"})
    expect("an update of a deleted image", deleted.get("error_code") == 216680, deleted)
    sign = checked("sameHqAdd", client.sameHqAdd(image, BRIEF))["cont_sign"]
    checked("sameHqDeleteBySign", client.sameHqDeleteBySign(sign))

    rejected = sdk(options.base, options.key, "wrong").sameHqSearch(image)
    expect("a wrong secret", rejected.get("error_code") == 14, rejected)
    print("all ten same_hq calls of baidu-aip %s succeed" % client.getVersion())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="scheme and host of the REST API")
    parser.add_argument("--key", required=True, help="API key of a REST key pair")
    parser.add_argument("--secret", required=True, help="its secret key")
    parser.add_argument("--images", required=True, type=pathlib.Path, help="folder with two images")
    return parser.parse_args()


def images(folder):
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".png", ".bmp"))
    if len(found) < 2:
        sys.exit("%s: contains fewer than two images" % folder)
    return found[0], found[1]


def serve(folder):
    """Serves a folder on a free loopback port until this program ends."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "http://127.0.0.1:%d" % server.server_port


def sdk(base, key, secret):
    """Makes a client with the URL of the gateway instead of the vendor's."""
    client = AipImageSearch("", key, secret)
    for owner in type(client).__mro__:
        for name, value in vars(owner).items():
            if isinstance(value, str) and value.startswith(VENDOR):
                setattr(client, name, base.rstrip("/") + value[len(VENDOR):])
    return client


def checked(call, response):
    expect(call, "error_code" not in response and isinstance(response.get("log_id"), int), response)
    return response


def best(found):
    hit = (found["result"] or [{}])[0]
    return hit.get("cont_sign"), hit.get("brief")


def expect(what, holds, response):
    if not holds:
        sys.exit("%s: unexpected: %r" % (what, response))
    print("ok: %s" % what)


if __name__ == "__main__":
    main()
