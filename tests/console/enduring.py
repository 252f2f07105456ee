"""What goes wrong: a lost network, a gateway that dies; and what must hold everywhere."""

import json
import os
import subprocess

import drawn
from browsing import delete
from checks import check
from gateway import KEY, OTHER_KEY, ROOT, pb
from pages import console, sign_in, toast, until_closed, until_first, until_tiles

MANY = int(os.environ.get("MANY", "50000"))
# Above this a page feels stuck (RAIL: 100 ms for a response, twice that on a shared machine).
MAX_TASK_MS = 200
AXE = (ROOT / "tests/console/node_modules/axe-core/axe.min.js").read_text()


@check
def a_bulk_change_that_loses_the_network_says_what_was_done_and_goes_on(world):
    signs = [world.gateway.add(drawn.poster(950 + n), f"bulk {n}", [60]) for n in range(30)]
    with console(world) as page:
        until_first(page, "bulk 29")
        page.click_text("#60 30")
        page.until_text("30 images found")
        page.click(".grid .tile .mark")
        page.run("document.querySelector('.grid').focus()")
        page.press("a", ["Control"])
        page.until_text("30 selected", ".selection")
        page.click_text("Set tags")
        page.type("61")
        # The network goes after the tenth image: those that follow find none.
        page.run(
            "(() => { const real = fetch; let n = 0; globalThis.fetch = (url, options) => "
            "String(url).includes('UpdateImage') && ++n > 10 && !globalThis.isBack ? Promise.reject(new TypeError('lost')) : real(url, options); })()"
        )
        page.press("Enter")
        page.until_text("10 done.", "dialog")
        shown = page.text("dialog")
        assert "failed." in shown and "not tried." in shown, shown
        assert len(world.gateway.list(tags=[61])) == 10
        for _ in range(3):
            page.press("Escape")
        assert page.run("document.querySelector('dialog').open")
        page.run("globalThis.isBack = true")
        page.click_text("Try the other 20 again")
        toast(page, "30 images changed.")
    assert len(world.gateway.list(tags=[61])) == 30
    delete(world, *signs)


@check
def a_page_without_a_network_says_so_until_it_is_back(world):
    with console(world) as page:
        until_tiles(page)
        page.offline(True)
        page.fill("input[type=search]", "poster 1")
        page.until("!document.querySelector('.banner').hidden")
        page.offline(False)
        page.until("document.querySelector('.banner').hidden")
        until_tiles(page)


@check
def a_gateway_that_dies_and_comes_back_is_used_again(world):
    with console(world) as page:
        until_tiles(page)
        world.gateway.kill()
        page.run("location.hash = '#/posters/state'")
        page.until("!document.querySelector('.banner').hidden")
        page.until_text("The gateway cannot be reached")
        world.gateway.start()
        page.until("document.querySelector('.banner').hidden")
        page.until_text("Last calls")


@check
def the_state_shows_ones_own_and_nothing_of_others(world):
    request = pb.ListImagesRequest()
    world.gateway.call("ListImages", request, key=OTHER_KEY)
    with console(world, "#/posters/library") as page:
        until_tiles(page)
        page.run("location.hash = '#/posters/image/1,2'")
        page.until_text("not in the library any more")
        page.run("location.hash = '#/posters/state'")
        page.until_text("ListLibraries")
        page.until_text("IMAGE_NOT_FOUND")
        shown = page.text("main")
        for word in ("studio", "posters", "cloud", "the vendor's API", "closed", "1,000,000"):
            assert word in shown, (word, shown)
        for word in ("theirs", "others"):
            assert word not in shown, (word, shown)
        # Read again, it keeps the focus.
        page.click("input[type=checkbox]")
        page.until("document.querySelectorAll('.calls .good').length === 0")
        read = "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/GetState')).length"
        before = page.run(read)
        page.press("r")
        page.until(f"{read} > {before}")
        assert page.run("document.activeElement.type") == "checkbox"


@check
def both_languages_have_the_same_keys_and_can_be_switched(world):
    with console(world, language="zh-CN", key=None) as page:
        page.until_text("登录", "dialog")
        assert page.run("document.documentElement.lang") == "zh"
        sign_in(page, KEY)
        until_tiles(page)
        for word in ("图库", "检索", "入库", "摘要"):
            assert word in page.text() + page.run("document.querySelector('input[type=search]').placeholder"), word
        page.click_text("English")
        page.until_text("newest first")
        keys = page.run(
            "Promise.all(['en', 'zh'].map((l) => import(`/console/strings/${l}.js`))).then((all) => all.map((m) => Object.keys(m.default).sort()))"
        )
        assert keys[0] == keys[1], set(keys[0]) ^ set(keys[1])
        values = page.run(
            "Promise.all(['en', 'zh'].map((l) => import(`/console/strings/${l}.js`))).then(([a, b]) => Object.keys(a.default).filter((k) => "
            "{ const names = (t) => [...new Set(t.default[k].match(/\\{\\w+\\}/g))].sort().join(); return k !== 'delete_n' && names(b).split(',').some((n) => n && !names(a).includes(n)); }))"
        )
        assert values == [], values


@check
def no_screen_violates_wcag_2_2_aa_in_either_theme_or_on_a_phone(world):
    [copy] = world.gateway.list(brief_contains="poster 003")
    sign = copy.cont_sign
    screens = {
        "library": "document.querySelectorAll('.tile img').length > 3",
        f"image/{sign}": "!!document.querySelector('.details')",
        f"search?sign={sign}": "document.querySelector('.results').innerText.length > 10 && !document.querySelector('.busy')",
        f"compare?query={sign}&stored={sign}": "!!document.querySelector('.stage figure')",
        "duplicates": "!!document.querySelector('.groups')",
        "state": "!!document.querySelector('.calls td')",
    }
    for options in ({}, {"dark": True}, {"width": 390, "height": 780, "touch": True}):
        with console(world, **options) as page:
            for screen, is_shown in screens.items():
                page.run(f"location.hash = '#/posters/{screen}'")
                page.until(is_shown)
                assert_accessible(page, (screen, options))
                fits = "[document.documentElement, document.querySelector('main')].every((e) => e.scrollWidth <= e.clientWidth)"
                assert page.run(fits), (screen, options)
            page.run("location.hash = '#/posters/library'")
            page.until(screens["library"])
            page.click(".tile .mark" if options.get("touch") else ".tile")
            page.run("location.hash = '#/posters/library'")
            page.until(screens["library"])
            page.click("[aria-label=Keys]")
            page.until("!!document.querySelector('dialog[open]')")
            assert_accessible(page, ("keys", options))
            page.press("Escape")
            until_closed(page)


def assert_accessible(page, where):
    # Evaluated by the debugger, so that the page's policy stays as it is.
    page.run(f"globalThis.axe ? 1 : (() => {{ {AXE}; return 1; }})()")
    rules = json.dumps(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    found = page.run(
        f"axe.run(document, {{ runOnly: {rules} }}).then((r) => r.violations.map((v) => [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + n.failureSummary)]))"
    )
    assert found == [], (where, found)


@check
def fifty_thousand_images_scroll_without_a_long_task(world):
    world.gateway.add_many(MANY)
    with console(world, "#/many/library") as page:
        until_tiles(page)
        page.until_text(f"{MANY:,} images, newest first")
        # It measures: a task of 300 ms is seen.
        page.run("globalThis.longTasks = []; setTimeout(() => { const end = performance.now() + 300; while (performance.now() < end); })")
        page.until("Math.max(0, ...(globalThis.longTasks ?? [])) >= 300")
        # Chromium measures by the clock, so what else runs on the machine counts too: the best of
        # some passes is what the page itself needs.
        worst = min(longest_task_of_a_pass(page) for _ in range(3))
        print(f"{MANY} images, longest task {worst:.0f} ms")
        assert worst < MAX_TASK_MS, worst
        tiles = page.run("document.querySelectorAll('.tile').length")
        assert tiles < 150, tiles


def longest_task_of_a_pass(page):
    """Scrolls to the end and half the way back, in steps as a hand at the scroll bar; in milliseconds."""
    page.run("globalThis.longTasks = []")
    page.run(
        "(async () => { const grid = document.querySelector('.grid'); const pause = () => new Promise((r) => setTimeout(r, 50));"
        "for (let i = 0; i <= 40; i++) { grid.scrollTop = grid.scrollHeight * i / 40; await pause(); }"
        "for (let i = 39; i >= 20; i--) { grid.scrollTop = grid.scrollHeight * i / 40; await pause(); } return true; })()"
    )
    page.until("document.querySelectorAll('.tile').length > 10 && [...document.querySelectorAll('.tile')].every((t) => t.querySelector('img'))")
    return page.run("Math.max(0, ...(globalThis.longTasks ?? []))")


@check
def the_types_of_the_scripts_are_sound(world):
    command = [ROOT / "tests/console/node_modules/.bin/tsc", "-p", ROOT / "tests/console"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
