"""Browsing, filters, changes of images."""

import random

import drawn
from checks import check
from gateway import pb
from pages import console, names, toast, until_closed, until_first, until_tiles


@check
def the_library_shows_the_newest_images_first(world):
    with console(world) as page:
        until_tiles(page, 12)
        assert names(page)[:4] == ["copy, cropped", "copy, half as wide", "poster 199", "poster 198"], names(page)[:4]
        page.until_text("202 images, newest first")
        page.until_text("202 of 500,000 images")


@check
def tags_and_text_of_the_brief_filter(world):
    with console(world) as page:
        until_tiles(page)
        page.click(".tile .mark")
        page.until_text("1 selected", ".selection")
        page.click_text("#9 2")
        page.until_text("2 images found")
        # What is not listed any more is not selected, and the keyboard stays where it is.
        assert page.run("document.querySelector('.selection').hidden")
        assert page.run("document.activeElement.textContent") == "#9 2"
        page.click_text("#2 40")
        page.until_text("0 images found")
        page.click_text("all tags")
        page.until_text("42 images found")
        page.click_text("#2 40")
        page.fill("input[type=search]", "HALF")
        until_first(page, "copy, half as wide")
        # The total of a search in briefs is known at its end.
        page.until_text("1 image found")
        page.fill("input[type=search]", "no such brief")
        page.until_text("Nothing found")


@check
def all_means_the_images_that_were_listed(world):
    with console(world) as page:
        until_tiles(page)
        page.until_text("202 images, newest first")
        sign = world.gateway.add(drawn.poster(940), "added meanwhile")
        page.run("document.querySelector('.grid').focus()")
        page.press("a", ["Control"])
        page.until_text("202 selected", ".selection")
        page.press("Escape")
        page.until("document.querySelector('.selection').hidden")
        page.fill("input[type=search]", "p")
        page.until_text("Newest first")
        page.run("document.querySelector('.grid').focus()")
        page.press("a", ["Control"])
        toast(page, "is not known yet")
    delete(world, sign)


@check
def a_change_is_seen_by_another_client(world):
    sign = world.gateway.add(drawn.poster(900), "before", [3])
    with console(world, f"#/posters/image/{sign}") as page:
        page.click_text("Edit")
        page.fill("dialog textarea", "after")
        page.fill("dialog input[name=tags]", "4 5")
        page.click_text("Save")
        toast(page, "Saved.")
        page.until_text("after", "h1")
    [image] = world.gateway.list(brief_contains="after")
    assert list(image.tags) == [4, 5], image.tags
    delete(world, sign)


@check
def an_image_is_shown_by_its_preview_and_by_its_thumbnail_where_there_is_none(world):
    image = world.gateway.list(brief_contains="poster 020")[0]
    sides = "(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])(document.querySelector('figure img'))"
    with console(world, f"#/posters/image/{image.cont_sign}") as page:
        page.until_text("Preview", "figcaption")
        page.until("document.querySelector('figure img').complete")
        assert page.run(sides) == [image.width, image.height]
    small = world.gateway.add(drawn.poster(902).resize((200, 150)), "small")
    with console(world, f"#/posters/image/{small}") as page:
        page.until_text("Thumbnail", "figcaption")
        page.until("document.querySelector('figure img').complete")
        assert page.run(sides) == [200, 150]
    delete(world, small)


@check
def a_change_in_two_tabs_is_not_lost_without_a_question(world):
    sign = world.gateway.add(drawn.poster(901), "first", [])
    with console(world, f"#/posters/image/{sign}") as page:
        page.until_text("first", "h1")
        world.gateway.call("UpdateImage", pb.UpdateImageRequest(library="posters", cont_sign=sign, brief="second"))
        page.click_text("Edit")
        page.fill("dialog textarea", "third")
        page.click_text("Save")
        page.until_text("It was changed elsewhere", "dialog")
        page.until_text("second", "dialog")
        page.click_text("Cancel")
        page.until_text("second", "h1")
    delete(world, sign)


@check
def an_image_that_another_tab_has_deleted_is_said_to_be_gone(world):
    signs = [world.gateway.add(drawn.poster(903 + n), f"gone {n}") for n in range(2)]
    with console(world, f"#/posters/image/{signs[0]}") as page:
        page.click_text("Delete")
        page.until_text("This cannot be undone", "dialog")
        page.click_text("Cancel")
        until_closed(page)
        assert len(world.gateway.list(brief_contains="gone")) == 2
        page.click_text("Delete")
        page.click_text("Delete", "dialog button")
        toast(page, "1 image deleted.")
        until_first(page, "gone 1")
        page.click("#tile-0 .name")
        page.until_text("gone 1", "h1")
        page.click_text("Edit")
        page.fill("dialog textarea", "too late")
        delete(world, signs[1])
        page.click_text("Save")
        toast(page, "not in the library any more")
    assert world.gateway.list(brief_contains="gone") == []


@check
def one_brief_replaces_those_of_the_selected_images(world):
    signs = [world.gateway.add(drawn.poster(905 + n), f"old {n}") for n in range(2)]
    with console(world) as page:
        until_first(page, "old 1")
        page.click(".tile .mark")
        page.click("#tile-1", ["Control"])
        page.until_text("2 selected", ".selection")
        page.click_text("Replace brief")
        page.until_text("This replaces the briefs of 2 images.", "dialog")
        page.fill("dialog textarea", "x" * 257)
        page.until("!document.querySelector('dialog textarea').validity.valid")
        page.fill("dialog textarea", "new for both")
        page.click_text("Save")
        toast(page, "2 images changed.")
    assert len(world.gateway.list(brief_contains="new for both")) == 2
    delete(world, *signs)


@check
def the_keyboard_alone_selects_tags_and_deletes(world):
    signs = [world.gateway.add(drawn.poster(910 + n), f"keys {n}") for n in range(3)]
    with console(world) as page:
        until_first(page, "keys 2")
        page.press("Tab")
        page.until("document.activeElement.classList.contains('skip')")
        page.press("Enter")
        tab_to(page, "document.activeElement.classList.contains('grid')")
        page.press(" ")
        page.press("ArrowRight", ["Shift"])
        page.press("ArrowRight", ["Shift"])
        page.until_text("3 selected", ".selection")
        page.press("t")
        page.until("!!document.querySelector('dialog[open] input[name=tags]')")
        page.type("77")
        page.press("Enter")
        toast(page, "3 images changed.")
        assert len(world.gateway.list(tags=[77])) == 3
        page.until_text("#77", "#tile-0")
        page.until("document.activeElement.classList.contains('grid')")
        page.press("Home")
        page.press(" ")
        page.press("ArrowRight", ["Shift"])
        page.press("ArrowRight", ["Shift"])
        page.until_text("3 selected", ".selection")
        page.press("Delete")
        page.until_text("Delete 3 images?", "dialog")
        page.until_text("keys 1", "dialog")
        assert len(world.gateway.list(tags=[77])) == 3
        tab_to(page, "document.activeElement.innerText === 'Delete 3'")
        page.press("Enter")
        toast(page, "3 images deleted.")
        until_first(page, "copy, cropped")
    assert world.gateway.list(tags=[77]) == [], signs


@check
def dropped_files_are_added_scaled_down_where_needed_or_rejected(world):
    folder = world.folder
    (folder / "note.txt").write_text("a text")
    (folder / "fine.jpg").write_bytes(drawn.encoded(drawn.poster(920)))
    # 10 MB: noise does not compress.
    big = drawn.Image.frombytes("RGB", (2000, 1800), random.Random(1).randbytes(2000 * 1800 * 3))
    (folder / "big.png").write_bytes(drawn.encoded(big, "PNG"))
    assert (folder / "big.png").stat().st_size > 10_000_000
    with console(world) as page:
        until_tiles(page)
        page.drop(".grid", folder / "note.txt", folder / "fine.jpg", folder / "big.png")
        page.until_text("Add 3 images", "dialog")
        page.fill("dialog input[name=tags]", "88")
        page.press("Enter")
        page.until_text("2 done.", "dialog")
        shown = page.text("dialog")
        assert "note.txt is no image that the gateway can read" in shown, shown
        assert "big.png was scaled down from 10" in shown, shown
        page.click_text("Close")
        until_closed(page)
        page.until_text("204 images, newest first")
    added = world.gateway.list(tags=[88])
    assert sorted(image.brief for image in added) == ["big.png", "fine.jpg"], added
    delete(world, *(image.cont_sign for image in added))


@check
def a_brief_is_text_whatever_it_contains(world):
    evil = '<img src=x onerror="fetch(`//evil.test`)"><script>alert(1)</script>'
    signs = [
        world.gateway.add(drawn.poster(930), evil),
        world.gateway.add(drawn.poster(931), "صورة من اليمين"),
        world.gateway.add(drawn.poster(932), "😀" * 64),
        world.gateway.add(drawn.poster(933), '{"sku": 17, "url": "https://shop.example/17"}'),
    ]
    with console(world) as page:
        until_first(page, '{"sku": 17, "url": "https://shop.example/17"}')
        page.until("document.querySelectorAll('.tile').length > 4")
        assert names(page)[3] == evil, names(page)[:5]
        assert page.run("getComputedStyle(document.querySelector('#tile-2 .name')).direction") == "rtl"
        for sign in signs:
            page.run(f"location.hash = '#/posters/image/{sign}'")
            page.until(f"document.querySelector('code.sign')?.innerText === {sign!r}")
        assert page.run("document.querySelector('pre.brief').innerText.split('\\n').length") == 4
        link = page.run("(({ href, rel, target }) => [href, rel, target])(document.querySelector('.brief a') ?? {})")
        # Opened by a click, and not read before.
        assert link == ["https://shop.example/17", "noopener noreferrer nofollow", "_blank"], link
        page.run(f"location.hash = '#/posters/image/{signs[0]}'")
        page.until("document.querySelector('h1')?.innerText.startsWith('<img')")
        assert page.run("document.querySelectorAll('main script, main h1 img, main .brief img').length") == 0
    delete(world, *signs)


@check
def a_library_of_a_vendor_says_why_it_cannot_be_browsed(world):
    with console(world, "#/cloud/library") as page:
        page.until_text("This library cannot be browsed")
        page.until_text("Adding and searching work as usual")
        page.run("location.hash = '#/cloud/duplicates'")
        page.until_text("cannot be searched for duplicates")


def delete(world, *signs):
    request = pb.DeleteImagesRequest(library="posters", cont_signs=pb.ContSignList(values=signs))
    world.gateway.call("DeleteImages", request)


def tab_to(page, condition):
    for _ in range(40):
        if page.run(condition):
            return
        page.press("Tab")
    raise AssertionError(f"not reached by Tab: {condition}; at {page.run('document.activeElement.outerHTML')[:300]}")
