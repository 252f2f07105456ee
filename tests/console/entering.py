"""Signing in: keys, tokens, and links that lead here."""

import contextlib
import http.server
import threading

import drawn
from browsing import delete
from checks import check
from chromium import OTHER_SITE
from gateway import KEY, READ_KEY
from pages import console, sign_in, toast, until_first, until_tiles


@check
def a_wrong_key_is_said_and_the_right_one_is_in_no_place_that_lasts(world):
    with console(world, key=None) as page:
        page.until("!!document.querySelector('input[name=key]')")
        # No header can carry this: it is never sent.
        page.fill("input[name=key]", "密钥")
        page.press("Enter")
        page.until("document.querySelector('input[name=key]').validity.customError")
        page.fill("input[name=key]", "wrong")
        page.press("Enter")
        page.until_text("does not know this key", "dialog")
        sign_in(page, KEY)
        until_tiles(page)

        kept = page.run("JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie])")
        assert KEY not in kept, kept
        assert not any(KEY in url for url in page.requests)


@check
def a_key_stays_over_a_reload_only_on_wish(world):
    with console(world, key=None) as page:
        sign_in(page, KEY, keep=True)
        until_tiles(page)
        page.send("Page.reload")
        until_tiles(page)
        page.click("[aria-label='Sign out']")
        page.until("!!document.querySelector('dialog[open] input[name=key]')")


@check
def a_key_that_is_withdrawn_is_asked_for_again_and_the_work_goes_on(world):
    with console(world) as page:
        until_tiles(page)
        world.gateway.replace_key("another-key")
        try:
            page.fill("input[type=search]", "copy")
            sign_in(page, "another-key")
            until_first(page, "copy, cropped")
            world.gateway.replace_key("a-third-key")
            page.fill("input[type=search]", "half")
            # Another key may do something else, and the page shows that.
            sign_in(page, READ_KEY)
            page.until_text("Read only", "nav")
            until_first(page, "copy, half as wide")
        finally:
            world.gateway.replace_key(KEY)


@check
def a_token_that_expires_is_asked_for_again_and_nothing_is_lost(world):
    signs = [world.gateway.add(drawn.poster(970 + n), f"token {n}") for n in range(6)]
    issuer = world.gateway.issuer
    with console(world, key=None) as page:
        short = issuer.token("studio", 10)
        sign_in(page, short)
        until_first(page, "token 5")
        page.click(".tile .mark")
        page.click("#tile-5", ["Shift"])
        page.until_text("6 selected", ".selection")
        page.press("t")
        page.until("!!document.querySelector('dialog[open] input[name=tags]')")
        page.type("66")
        world.gateway.until(lambda: not world.gateway.knows(short), "the token has expired")
        page.press("Enter")
        page.until_text("This token has expired", "dialog.sign-in, dialog:has(form.sign-in)")
        assert world.gateway.list(tags=[66]) == []
        sign_in(page, issuer.token("studio", 600))
        toast(page, "6 images changed.")
        # And what was typed.
        short = issuer.token("studio", 5)
        page.run(f"import('/console/session.js').then(({{ session }}) => session.setKey('{short}', false))")
        page.run(f"location.hash = '#/posters/image/{signs[0]}'")
        page.click_text("Edit")
        page.fill("dialog textarea", "typed before")
        world.gateway.until(lambda: not world.gateway.knows(short), "the token has expired")
        page.click_text("Save")
        page.until_text("This token has expired", "dialog:has(form.sign-in)")
        sign_in(page, issuer.token("studio", 600))
        toast(page, "Saved.")
        page.until_text("typed before", "h1")
    assert len(world.gateway.list(tags=[66])) == 6
    delete(world, *signs)


@check
def a_link_of_another_site_opens_the_console_in_a_window_and_nothing_else(world):
    origin = world.gateway.origin
    with linking(f'<a href="{origin}/">a link</a><iframe src="{origin}/console/"></iframe><script src="{origin}/console/main.js"></script>') as site:
        page = world.browser.open(site)
        try:
            # The frame and the script are rejected.
            world.gateway.until(lambda: 'reason="cross_site"} 2' in world.gateway.metrics(), "both are rejected")
            page.click("a")
            page.until("!!document.querySelector('dialog[open] input[name=key]')")
            assert page.run("location.origin") == origin
            assert page.run("window.opener === null")
            sign_in(page, KEY)
            until_tiles(page)
        finally:
            page.close()
    assert 'reason="cross_site"} 2' in world.gateway.metrics()


@contextlib.contextmanager
def linking(markup):
    """Serves a page at another address of this machine, which is another site to a browser."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(markup.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer((OTHER_SITE, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{OTHER_SITE}:{server.server_port}/"
        finally:
            server.shutdown()


@check
def a_read_key_sees_everything_and_no_button_that_changes(world):
    with console(world, key=READ_KEY) as page:
        until_tiles(page)
        page.until_text("Read only", "nav")
        page.click(".tile .mark")
        page.until_text("1 selected", ".selection")
        page.press("Delete")
        screens = {
            "library": "202 images, newest first",
            f"image/{world.gateway.list()[0].cont_sign}": "Sides",
            "duplicates": "Find duplicates",
        }
        for path, is_there in screens.items():
            page.run(f"location.hash = '#/posters/{path}'")
            page.until_text(is_there, "main")
            shown = page.text()
            for word in ("Delete", "Edit", "Set tags", "Replace brief", "Accept all"):
                assert word not in shown, (path, word)
        assert page.run("document.querySelector('dialog') === null")
