"""The screenshots of docs/console.md: `WRITE=1 make console` writes them."""

import io
import os

import drawn
from checks import check
from gateway import ROOT
from PIL import Image
from pages import console, until_tiles
from searching import filmed

FOLDER = ROOT / "docs" / "images"
MAX_BYTES = 60_000


@check
def every_screen_has_a_small_screenshot_in_the_documentation(world):
    (world.folder / "photo.jpg").write_bytes(drawn.encoded(filmed()[0]))
    for seed in (21, 34, 55):
        poster = drawn.poster(seed)
        world.gateway.add(poster.resize((poster.width // 2, poster.height // 2)), f"small {seed}", [9])
        world.gateway.add(drawn.turned(poster, 12, 1, poster.size, (0.5, 0.5))[0], f"turned {seed}", [9])
    shown = {}
    with console(world) as page:
        until_tiles(page, 12)
        page.click(".tile .mark")
        page.click("#tile-2", ["Shift"])
        page.until_text("3 selected", ".selection")
        shown["library"] = settled(page)
        page.run("location.hash = '#/posters/search'")
        page.choose_files("input[type=file]", world.folder / "photo.jpg")
        page.until("document.querySelectorAll('.match img').length > 0")
        shown["search"] = settled(page)
        page.click_text("Compare")
        page.until("!!document.querySelector('.warped')")
        shown["compare"] = settled(page)
        page.run("location.hash = '#/posters/duplicates'")
        page.press("f")
        page.until("document.querySelectorAll('.member img').length >= 5", timeout=180)
        shown["duplicates"] = settled(page)
        page.run("location.hash = '#/cloud/state'")
        page.until("!!document.querySelector('.calls td')")
        shown["state"] = settled(page)
    image = world.gateway.list(brief_contains="poster 042")[0]
    with console(world, f"#/posters/image/{image.cont_sign}", dark=True) as page:
        page.until("!!document.querySelector('.details')")
        shown["image"] = settled(page)
    with console(world, width=390, height=780, touch=True) as page:
        until_tiles(page, 6)
        shown["phone"] = settled(page)
    for name, image in shown.items():
        file = FOLDER / f"console-{name}.webp"
        if os.environ.get("WRITE"):
            file.write_bytes(small(image))
        assert file.exists(), f"{file}: run WRITE=1 make console"
        assert file.stat().st_size <= MAX_BYTES, file
    document = (ROOT / "docs" / "console.md").read_text()
    for name in shown:
        assert f"(images/console-{name}.webp)" in document, name


def settled(page):
    """Takes a screenshot once every image is decoded and nothing but the screen is shown."""
    page.run("document.querySelectorAll('.toast').forEach((e) => e.remove())")
    page.run("Promise.all([...document.images].map((i) => i.decode().catch(() => {})))")
    page.run("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))).then(() => 1)")
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def small(image):
    for quality in range(80, 20, -10):
        data = drawn.encoded(image, "WEBP", quality=quality, method=6)
        if len(data) <= MAX_BYTES:
            return data
    raise AssertionError("the screenshot has too much detail")
