"""Steps that several checks take in the console."""

import contextlib
import json

from gateway import KEY


@contextlib.contextmanager
def console(world, path="#/posters/library", key=KEY, **options):
    """Opens the console and signs in; afterwards nothing forbidden may have happened."""
    page = world.browser.open(f"{world.gateway.origin}/console/{path}", **options)
    try:
        if key:
            sign_in(page, key)
        yield page
        assert page.faults == [], page.faults
    finally:
        page.close()


def sign_in(page, key, keep=False):
    page.until("!!document.querySelector('dialog.sign-in[open], dialog[open] form.sign-in')")
    page.fill("input[name=key]", key)
    if keep:
        page.click("input[name=keep]")
    page.press("Enter")
    page.until("!document.querySelector('dialog[open]') && !!document.querySelector('main h1')")


def until_tiles(page, count=1):
    page.until(f"document.querySelectorAll('.tile img').length >= {count}")


def names(page):
    """Names of the tiles, in the order of the grid."""
    read = "[...document.querySelectorAll('.tile')].sort((a, b) => a.dataset.index - b.dataset.index).map((t) => t.querySelector('.name').innerText)"
    return page.run(read)


def until_first(page, name):
    page.until(f"document.querySelector('#tile-0 .name')?.innerText === {json.dumps(name)}")


def until_closed(page):
    page.until("!document.querySelector('dialog[open]')")


def toast(page, text):
    page.until(f"[...document.querySelectorAll('.toast')].some((e) => e.innerText.includes({json.dumps(text)}))")
