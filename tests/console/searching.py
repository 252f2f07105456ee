"""Searches by camera, file, paste and address; comparisons; duplicates."""

import base64
import io
import math
import re

import drawn
from browsing import delete
from checks import check
from gateway import pb
from PIL import Image
from pages import console, toast, until_closed, until_tiles

# What the camera sees: a part of this poster, turned clockwise.
FILMED, ANGLE, SCALE, FRAME, CENTRE = 42, 25, 1.3, (960, 720), (0.5, 0.55)
# Largest distance of a corner of an outline from the truth, as a share of the image's diagonal.
TOLERANCE = 0.02


def filmed():
    """Returns the frame of the camera, and the map from the poster to it."""
    return drawn.turned(drawn.poster(FILMED), ANGLE, SCALE, FRAME, CENTRE)


def polygon(page, selector):
    points = page.until(f"document.querySelector('{selector} .outline polygon')?.getAttribute('points')")
    return [tuple(map(float, point.split(","))) for point in points.split(" ")]


@check
def the_camera_finds_a_turned_part_and_outlines_it_where_it_is(world):
    _, to_frame = filmed()
    with console(world, "#/posters/search") as page:
        page.click_text("Camera")
        page.until("document.querySelector('video')?.videoWidth === 960")
        page.click_text("Take the photograph")
        page.until_text(f"poster {FILMED:03}", ".match")
        page.until("!!document.querySelector('.match img')")
        page.until_text("1 match", ".results")

        stored, query = polygon(page, ".match"), polygon(page, ".query")
        for (x, y), found in zip(stored, query):
            truth = to_frame(x, y)
            off = math.hypot((truth[0] - found[0]) * FRAME[0], (truth[1] - found[1]) * FRAME[1])
            assert off < TOLERANCE * math.hypot(*FRAME), (truth, found)
        # Only a photograph that was asked for: the camera is off again.
        assert page.run("document.querySelector('video') === null")


@check
def an_image_is_dropped_and_pasted_and_what_is_new_can_be_added(world):
    folder = world.folder
    (folder / "poster.jpg").write_bytes(drawn.encoded(drawn.poster(60), quality=40))
    (folder / "note.txt").write_text("a text")
    with console(world, "#/posters/search") as page:
        page.until_text("Matches appear here")
        page.drop(".drop-here", folder / "note.txt")
        toast(page, "note.txt is no image")
        page.drop(".drop-here", folder / "poster.jpg")
        page.until_text("poster 060", ".match")

        new = base64.b64encode(drawn.encoded(drawn.poster(940), "PNG")).decode()
        page.browser.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"], origin=page.origin, browserContextId=page.context)
        page.run(
            f"(async () => {{ const bytes = Uint8Array.from(atob('{new}'), (c) => c.charCodeAt(0));"
            "await navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) })]); })()"
        )
        paste(page)
        page.until_text("No match", ".results")
        page.click_text("Add it to the library")
        page.fill("dialog textarea", "pasted")
        page.press("Tab")
        page.type("6")
        page.press("Enter")
        toast(page, "1 image added.")
        page.until_text("pasted", ".match")
    [added] = world.gateway.list(brief_contains="pasted")
    assert list(added.tags) == [6], added
    delete(world, added.cont_sign)


def paste(page):
    held = {"key": "v", "windowsVirtualKeyCode": 86, "modifiers": 2, "commands": ["paste"]}
    page.send("Input.dispatchKeyEvent", type="keyDown", **held)
    page.send("Input.dispatchKeyEvent", type="keyUp", key="v", windowsVirtualKeyCode=86, modifiers=2)


@check
def an_address_is_fetched_by_the_gateway_and_never_by_the_page(world):
    with console(world, "#/posters/search") as page:
        page.click_text("From an address")
        page.fill("input[type=url]", "http://127.0.0.1:9/image.jpg")
        page.press("Enter")
        # The gateway fetches nothing from private addresses unless it is configured to.
        page.until_text("This did not work", ".results")
        page.until_text("http://127.0.0.1:9/image.jpg", ".query")
        # A search that failed has not said that there is no such image.
        page.run("(() => { const s = document.querySelector('input[type=range]'); s.value = 50; s.dispatchEvent(new Event('input')); })()")
        page.until_text("50%", ".filters output")
        assert "No match" not in page.text(".results"), page.text(".results")
        page.run("location.hash = '#/posters/library'")
        until_tiles(page)
        page.run("location.hash = '#/posters/search'")
        page.until_text("This did not work", ".results")
        assert not any(":9/" in url for url in page.requests), page.requests


@check
def the_least_score_and_the_tags_narrow_the_matches(world):
    [copy] = world.gateway.list(brief_contains="copy, cropped")
    with console(world, f"#/posters/search?sign={copy.cont_sign}") as page:
        page.until_text("poster 003", ".results")
        page.run("(() => { const s = document.querySelector('input[type=range]'); s.value = 100; s.dispatchEvent(new Event('input')); })()")
        page.until_text("below the least score", ".results")
        page.run("(() => { const s = document.querySelector('input[type=range]'); s.value = 0; s.dispatchEvent(new Event('input')); })()")
        page.until_text("poster 003", ".results")
        page.fill(".filters input[type=text]", "9")
        page.press("Tab")
        page.until("!document.querySelector('.results').innerText.includes('poster 003')")
        page.until("document.querySelectorAll('.match').length === 1 || document.querySelector('.results').innerText.includes('No match')")
    (world.folder / "stored.png").write_bytes(drawn.encoded(drawn.poster(60), "PNG"))
    with console(world, "#/posters/search") as page:
        page.choose_files("input[type=file]", world.folder / "stored.png")
        page.until_text("poster 060", ".results")
        page.fill(".filters input[type=text]", "65000")
        page.press("Tab")
        # It is stored, with another tag: adding it would be a duplicate.
        page.until_text("No image with these tags", ".results")
        assert "Add it" not in page.text(".results"), page.text(".results")


@check
def a_comparison_warps_the_query_onto_the_stored_image(world):
    folder = world.folder
    frame, to_frame = filmed()
    # A mark on the photograph; where it lands is known.
    mark = (0.55, 0.6)
    x, y = (round(part * side) for part, side in zip(to_frame(*mark), FRAME))
    drawn.ImageDraw.Draw(frame).rectangle((x - 14, y - 14, x + 14, y + 14), fill="#ff00ff")
    (folder / "marked.png").write_bytes(drawn.encoded(frame, "PNG"))
    with console(world, "#/posters/search") as page:
        page.choose_files("input[type=file]", folder / "marked.png")
        page.until_text(f"poster {FILMED:03}", ".match")
        page.click_text("Compare")
        page.until("!!document.querySelector('.warped')")
        # On the preview, which is larger than a thumbnail.
        assert page.run("Math.max(...['naturalWidth', 'naturalHeight'].map((side) => document.querySelector('.stage .framed img')[side]))") > 256
        words = page.text(".words")
        angle, scale = re.search(r"turned right by (\d+)° · enlarged to (\d+)% · \d+% of the stored image", words).groups()
        assert abs(int(angle) - ANGLE) <= 1 and abs(int(scale) - 100 * SCALE) <= 2, words
        page.run("(() => { const s = document.querySelector('.filters input[type=range]'); s.value = 100; s.dispatchEvent(new Event('input')); })()")
        page.until("document.querySelector('.warped').complete && document.querySelector('.warped').style.opacity === '1'")
        left, top, width, height = page.run("(({ x, y, width, height }) => [x, y, width, height])(document.querySelector('.stage .framed').getBoundingClientRect())")
        at = left + mark[0] * width, top + mark[1] * height
        page.until(f"document.elementFromPoint({at[0]}, {at[1]}) !== null")
        shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        red, green, blue = shown.getpixel((round(at[0]), round(at[1])))
        assert red > 220 and green < 40 and blue > 220, (red, green, blue)
        # 5 % further there is none.
        red, green, blue = shown.getpixel((round(at[0] + 0.06 * width), round(at[1])))
        assert not (red > 220 and green < 40 and blue > 220), (red, green, blue)
        for key in "sbdo":
            page.press(key)
            page.until(f"document.querySelector('.chip[aria-pressed=true]')?.innerText[0].toLowerCase() === '{key}'")


@check
def a_mirrored_copy_is_said_to_be_mirrored(world):
    mirrored = drawn.poster(50).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    (world.folder / "mirrored.png").write_bytes(drawn.encoded(mirrored, "PNG"))
    with console(world, "#/posters/search") as page:
        page.choose_files("input[type=file]", world.folder / "mirrored.png")
        page.until_text("poster 050", ".match")
        page.click_text("Compare")
        page.until_text("mirrored", ".words")
        assert "turned" not in page.text(".words"), page.text(".words")
        # Without the size of the query neither its angle nor its scale is known.
        said = page.run(
            "import('/console/geometry.js').then(({ words }) => words({ query: { corners: [{ x: 1 }, {}, { y: 1 }, { x: 1, y: 1 }] },"
            " stored: { corners: [{}, { x: 1 }, { x: 1, y: 1 }, { y: 1 }] }, overlap: 1 }, undefined, [400, 300]))"
        )
        assert said == ["mirrored", "100% of the stored image"], said


GROUPS = """
const { doomed, Groups, keptFor, toggle } = await import("/console/groups.js");
const image = (contSign, width) => ({ contSign, width, height: 100 });
const part = (share) => ({ corners: [{}, { x: share }, { x: share, y: 1 }, { y: 1 }] });
const pair = (a, b, ofA, ofB) => ({ a, b, score: 0.9, geometry: { query: part(ofA), stored: part(ofB), overlap: ofB } });
const groups = new Groups();
const signs = (images) => images.map((one) => one.contSign).join();
const said = [];
"""


@check
def only_a_whole_copy_of_a_kept_image_is_marked_to_be_deleted(world):
    steps = """
    groups.add({ images: [image("collage", 900), image("photo", 300), image("copy", 200), image("crop", 150)],
      pairs: [pair("photo", "collage", 1, 0.25), pair("collage", "copy", 0.25, 1), pair("copy", "photo", 0.95, 0.92), pair("crop", "photo", 1, 0.77)] });
    // A chain of three: the ends are no copies of each other.
    groups.add({ images: [image("a", 100), image("b", 300), image("c", 200)], pairs: [{ a: "a", b: "b" }, { a: "b", b: "c" }] });
    groups.add({ images: [image("d", 300), image("e", 200), image("f", 100)], pairs: [{ a: "d", b: "e" }, { a: "e", b: "f" }] });
    for (const group of groups.list) said.push(signs(doomed(group)));
    said.push(keptFor(groups.list[0], "copy").contSign);
    return said;
    """
    assert in_page(world, steps) == ["copy", "a,c", "e", "photo"]


@check
def decisions_hold_until_an_image_joins_the_group(world):
    steps = """
    const arrived = { images: [image("a", 300), image("b", 200)], pairs: [{ a: "a", b: "b" }] };
    const { group } = groups.add(arrived);
    toggle(group, "b");
    group.verdict = "accepted";
    groups.add(arrived);
    said.push(group.verdict, signs(doomed(group)));
    groups.add({ images: [image("b", 200), image("c", 100)], pairs: [{ a: "b", b: "c" }] });
    said.push(group.verdict, signs(doomed(group)));
    // Once it is settled, a later group with one of its images is a group again.
    group.verdict = "accepted";
    groups.forget("c");
    groups.settle();
    said.push(groups.list.length);
    groups.add(arrived);
    said.push(groups.list.length, signs(doomed(groups.list[0])));
    // The kept image was deleted by someone else.
    groups.list[0].verdict = "accepted";
    groups.forget("a");
    said.push(groups.list[0].verdict, signs(doomed(groups.list[0])));
    return said;
    """
    assert in_page(world, steps) == ["accepted", "", "open", "c", 0, 1, "b", "open", ""]


def in_page(world, steps):
    with console(world) as page:
        return page.run(f"(async () => {{ {GROUPS} {steps} }})()")


@check
def duplicates_are_found_and_resolved_by_the_keyboard(world):
    original = drawn.poster(960)
    kept = world.gateway.add(original, "deleted elsewhere")
    world.gateway.add(original.resize((original.width // 2, original.height // 2)), "its only copy")
    with console(world, "#/posters/duplicates") as page:
        page.until("!document.querySelector('main .primary').disabled")
        page.press("f")
        page.until("document.querySelectorAll('.group').length === 2 && document.querySelectorAll('.member').length === 5", timeout=180)
        page.until_text("204 of 204 images compared", "main", timeout=180)
        page.until("!document.querySelector('main .heading .primary').disabled")
        # The original has the most pixels; its crop is no whole copy of it. Names arrive after their images.
        doomed = "[...document.querySelectorAll('.member.doomed .name')].map((e) => e.textContent).sort()"
        page.until(f"{doomed}.every((name) => name)")
        shown = page.run(doomed)
        assert shown == ["copy, half as wide", "its only copy"], shown
        page.press("j")
        page.press("a")
        page.until_text("accepted", ".group .badge")
        # What was found and decided is still there after a visit elsewhere, and in another language.
        page.run("location.hash = '#/posters/library'")
        until_tiles(page)
        page.run("location.hash = '#/posters/duplicates'")
        page.until_text("accepted", ".group .badge")
        page.click_text("中文")
        page.until_text("已确认", ".group .badge")
        page.click_text("English")
        page.click_text("Accept the one shown")
        assert len(world.gateway.list()) == 204
        page.press("r")
        page.until_text("Delete 2 images?", "dialog")
        # Each with the one that is kept for it.
        page.until("document.querySelectorAll('dialog .keep img').length === 2 && document.querySelectorAll('dialog .delete img').length === 2")
        delete(world, kept)
        page.click_text("Delete 2")
        page.until_text("1 failed.", "dialog")
        shown = page.text("dialog .failures")
        assert "its only copy" in shown and "not deleted: deleted elsewhere" in shown, shown
        page.click_text("Close")
        toast(page, "1 image deleted.")
        until_closed(page)
        page.until_text("All groups are resolved")
    briefs = world.gateway.briefs()
    assert len(briefs) == 202, briefs
    for brief in ("poster 003", "copy, cropped", "its only copy"):
        assert brief in briefs, (brief, briefs)
