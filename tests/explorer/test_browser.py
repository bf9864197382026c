"""The page in a browser: each thing that hands can do, and the pixels and numbers that come of it."""

import base64
import io
import re
import shutil
import threading
import time

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.explorer import server
from vaekit.explorer.looks import levels
from vaekit.explorer.page import page as exported
from vaekit.explorer.session import Session

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

EXPECTED = re.compile("status of 400|willReadFrequently")  # a question refused; these tests look at pixels

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to look at the page with")

LEFT, RIGHT = 60, 8  # of the chart's edges


class Running:
    """A server in a thread."""

    def __init__(self, session):
        self.sock, token = server.listening(0), server.new_token()
        self.address = server.address(self.sock, token)
        self.server = server.server_of(session, self.sock, token)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.sock]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def end(self):
        self.server.should_exit = True
        self.thread.join(10)
        self.sock.close()


@pytest.fixture(scope="module")
def running(sessions):
    both = {name: Running(session) for name, session in sessions.items()}
    yield both
    for one in both.values():
        one.end()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, running):
    """What opens a page of a session; nothing may be said on its console, and no other address asked."""
    heard, contexts = [], []

    def open_page(name="digits", hash="", width=1200, height=900, wait="body[data-ready]", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page, address = context.new_page(), running[name].address
        page.set_default_timeout(10_000)
        page.on("console", lambda message: None if EXPECTED.search(message.text) else heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith((address, "blob:", "data:")) else heard.append(r.url))
        page.goto(address + hash)
        page.wait_for_selector(wait)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


def until(page, expression):
    """Wait until an expression of the page is true; its own way of waiting is eval, which the page forbids."""
    deadline = time.monotonic() + 10
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


def pixels_of(page, selector):
    """Return the grey levels of a canvas."""
    found = page.eval_on_selector(
        selector, "c => [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
    )
    return np.array(found[2]).reshape(found[1], found[0], 4)[..., 0]


def place_of(page, point):
    """Return where on the screen a point of the map is."""
    box, (x0, x1, y0, y1) = page.locator("#chart").bounding_box(), view_of(page)
    width, height = box["width"] - LEFT - RIGHT, box["height"] - 48
    x = box["x"] + LEFT + (point[0] - x0) / (x1 - x0) * width
    return float(x), float(box["y"] + 8 + (y1 - point[1]) / (y1 - y0) * height)


def view_of(page):
    told = re.search(r"view=([^&]+)", page.url)
    if told:
        return [float(v) for v in told[1].replace("%2C", ",").split(",")]
    x0, x1, y0, y1 = page.evaluate("fetch('about').then(a => a.json()).then(a => a.box)")
    dx, dy = 0.05 * (x1 - x0), 0.05 * (y1 - y0)
    return [x0 - dx, x1 + dx, y0 - dy, y1 + dy]


def alone(session):
    """Return the number of the row that is farthest from all others on the map."""
    distance = np.linalg.norm(session.points[:, None] - session.points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return int(distance.min(1).argmax())


def click_row(page, session, row):
    page.mouse.click(*place_of(page, session.points[row]))


def made_of(session, codes):
    """Return the pictures [n, H, W] that the page should show of codes."""
    return levels(session.schema, session.decoded(np.asarray(codes, np.float32)))[..., 0]


# -- the map -----------------------------------------------------------------------------------------------------------


def test_the_map_shows_points_in_the_colours_of_their_labels(opened, sessions):
    page = opened()
    session = sessions["digits"]
    assert page.locator("#legend .key").all_inner_texts() == [str(k) for k in range(10)]
    row = alone(session)
    x, y = place_of(page, session.points[row])
    box = page.locator("#chart").bounding_box()
    colour = page.evaluate(
        "([x, y]) => { const c = document.querySelector('#chart'), d = devicePixelRatio;"
        " return [...c.getContext('2d').getImageData(Math.round(x * d), Math.round(y * d), 1, 1).data].slice(0, 3); }",
        [x - box["x"], y - box["y"]],
    )
    shown = page.eval_on_selector_all("#legend i", "all => all.map(i => getComputedStyle(i).backgroundColor)")
    expected = [int(v) for v in re.findall(r"\d+", shown[session.labels.index[row]])]
    assert np.abs(np.array(colour) - expected).max() < 75  # a point lets a quarter of the page through


def test_under_the_pointer_is_the_decoded_picture(opened, sessions):
    page, session = opened(), sessions["digits"]
    for point in ([0.0, 0.0], [1.0, -1.0]):
        page.mouse.move(*place_of(page, point))
        until(page, "document.querySelector('#pointer-words').textContent.includes(' ms')")
        page.wait_for_timeout(150)
        at = [float(v.replace("−", "-")) for v in page.inner_text("#pointer-words").split(" · ")[0].split(", ")]
        assert at == pytest.approx(point, abs=0.05)
        expected = made_of(session, session.plane.codes(np.array([at])))[0]
        difference = np.abs(pixels_of(page, "#pointer canvas").astype(int) - expected)
        assert difference.max() <= 16  # one level of 17: the words round the place
        assert (difference > 0).mean() < 0.1


def test_frames_come_at_once_and_the_last_place_wins(opened, sessions):
    page = opened()
    asked = []
    page.on("request", lambda r: asked.append(r.url) if r.url.endswith("/decode") else None)
    x, y = place_of(page, [0, 0])
    for k in range(60):
        page.mouse.move(x + k, y + k / 2)
    page.wait_for_timeout(400)
    assert 1 <= len(asked) <= 61
    last = float(page.inner_text("#pointer-words").split(",")[0].replace("−", "-"))
    x0, x1, *_ = view_of(page)
    width = page.locator("#chart").bounding_box()["width"] - LEFT - RIGHT
    assert last == pytest.approx(59 * (x1 - x0) / width, abs=2 * (x1 - x0) / width)


def test_a_click_tells_of_the_row(opened, sessions):
    page, session = opened(), sessions["digits"]
    row = alone(session)
    click_row(page, session, row)
    page.wait_for_selector("#row .odd figure")
    told = session.row(row) | session.odd(row)
    assert page.input_value("#number") == str(row)
    assert f"{told['nats']:.1f}".replace("-", "−") in page.inner_text("#row .odd .facts")
    shown = pixels_of(page, "#row figure:nth-child(1) canvas")
    assert (shown == levels(session.schema, session.rows[row : row + 1])[0, ..., 0]).all()
    kept = np.frombuffer(base64.b64decode(told["kept"]["pixels"]), np.uint8).reshape(8, 8)
    assert (pixels_of(page, "#row figure:nth-child(2) canvas") == kept).all()
    assert [int(t) for t in page.locator(".near button").all_inner_texts()] == told["near"]["rows"]
    page.locator("#row .near button").first.click()
    until(page, f"document.querySelector('#number').value === '{told['near']['rows'][0]}'")


def test_the_cut_can_go_through_the_chosen_row(opened, sessions):
    page, session = opened(hash="#row=5"), sessions["digits"]
    page.check("#through")
    page.mouse.move(*place_of(page, session.points[5]))
    page.wait_for_timeout(300)
    difference = np.abs(pixels_of(page, "#pointer canvas").astype(int) - made_of(session, session.codes[5:6])[0])
    assert difference.max() <= 32
    assert difference.mean() < 4


def test_two_clicks_are_a_path(opened, sessions, digits):
    page, session = opened(), sessions["digits"]
    page.locator("text=Path").first.click()
    a = alone(session)
    far = session.points[a] - session.points.mean(0)
    click_row(page, session, a)
    page.wait_for_selector("text=One end is set")
    b = int(np.argmax(-(session.points @ far)))
    click_row(page, session, b)
    page.wait_for_selector("#path canvas")
    assert page.locator("#path canvas").count() == 12
    rows = [int(r) for r in re.search(r"path=(\d+)%3B(\d+)", page.url).groups()]
    assert rows[0] == a
    expected = levels(session.schema, digits[0].interpolate(digits[1], between=tuple(rows), steps=12))[..., 0]
    shown = np.stack([pixels_of(page, f"#path canvas:nth-child({k + 1})") for k in range(12)])
    assert (np.abs(shown.astype(int) - expected) > 0).mean() < 0.01
    page.click("#play")
    page.wait_for_selector("#path .on")
    assert "of the path" in page.inner_text("#pointer-words")
    page.click("#play")
    assert page.locator("#path .on").count() == 0


def test_a_slider_moves_its_unit(opened, sessions):
    page, session = opened(), sessions["digits"]
    unit = session.about()["units"][0]
    page.wait_for_selector("#made canvas")
    assert f"unit {unit['unit']} {unit['kl_nats']:.2f} nats" in page.inner_text("#units .unit >> nth=0")
    before = pixels_of(page, "#made canvas")
    assert (before == made_of(session, session.codes.mean(0)[None])[0]).all()
    page.locator("#units input").first.fill("2")
    page.wait_for_timeout(300)
    code = session.codes.mean(0)
    code[unit["unit"]] += 2 * unit["std"]
    assert (pixels_of(page, "#made canvas") == made_of(session, code[None])[0]).all()
    assert page.inner_text("#units output >> nth=0") == "2.0"
    page.locator("#units input").first.press("ArrowRight")
    assert page.inner_text("#units output >> nth=0") == "2.0"  # 2.05
    page.click("#mean")
    page.wait_for_timeout(200)
    assert (pixels_of(page, "#made canvas") == before).all()


def test_the_grid_walks_along_units(opened, sessions):
    page, session = opened(hash="#row=3"), sessions["digits"]
    page.click("#from-row")
    page.click("#traverse")
    page.wait_for_selector("#grid canvas")
    units = session.about()["units"][:8]
    assert page.locator("#grid canvas").count() == 9 * len(units)
    middle = pixels_of(page, "#grid tr:nth-child(1) td:nth-of-type(5) canvas")
    assert (np.abs(middle.astype(int) - made_of(session, session.codes[3:4])[0]) > 0).sum() <= 1


def test_a_lasso_is_saved_as_codes_and_rows(opened, sessions, tmp_path):
    page, session = opened(), sessions["digits"]
    page.locator("text=Lasso").first.click()
    box = page.locator("#chart").bounding_box()
    corners = [(60, 20), (box["width"] / 2, 20), (box["width"] / 2, box["height"] - 60), (60, box["height"] - 60)]
    page.mouse.move(box["x"] + corners[0][0], box["y"] + corners[0][1])
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
    page.mouse.up()
    page.wait_for_selector("#export-codes:enabled")
    n = int(re.match(r"\d+", page.inner_text("#set-words"))[0])
    with page.expect_download() as codes:
        page.click("#export-codes")
    with page.expect_download() as rows:
        page.click("#export-rows")
    found = pl.read_csv(codes.value.path())
    assert 0 < len(found) == n < session.n
    np.testing.assert_allclose(
        found.drop("row").to_numpy(), session.codes[found["row"].to_numpy()], rtol=1e-5, atol=1e-6
    )
    rows.value.save_as(tmp_path / "rows.npy")
    assert (np.load(tmp_path / "rows.npy") == session.rows[found["row"].to_numpy()]).all()


def test_what_is_in_view_is_a_set(opened, sessions):
    page = opened()
    page.click("#in-view")
    until(page, f"document.querySelector('#set-words').textContent.startsWith('{sessions['digits'].n}')")
    page.click("#nearer")
    page.click("#nearer")
    page.click("#in-view")
    page.wait_for_timeout(300)
    assert int(page.inner_text("#set-words").split()[0]) < sessions["digits"].n


# -- one's own ---------------------------------------------------------------------------------------------------------


def png_of(picture):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


def test_a_picture_of_one_s_own_lands(opened, sessions):
    page, session = opened(), sessions["digits"]
    picture = levels(session.schema, session.rows[9:10])[0, ..., 0]
    page.set_input_files("#file", {"name": "nine.png", "mimeType": "image/png", "buffer": png_of(picture)})
    page.wait_for_selector("#own-answer .odd .facts")
    assert (pixels_of(page, "#own-answer figure:nth-child(1) canvas") == picture).all()
    assert f"{session.odd(9)['nats']:.1f}".replace("-", "−") in page.inner_text("#own-answer .odd")
    assert page.locator("#own-answer .near button").first.inner_text() == "9"


def test_a_dropped_picture_lands_and_what_is_none_is_said(opened, sessions):
    page, session = opened(), sessions["digits"]
    picture = levels(session.schema, session.rows[4:5])[0, ..., 0]
    drop = """([card, content, name]) => {
        const files = new DataTransfer();
        files.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name, { type: "image/png" }));
        const dropped = { dataTransfer: files, bubbles: true, cancelable: true };
        document.querySelector(card).dispatchEvent(new DragEvent("drop", dropped));
    }"""
    page.evaluate(drop, ["#own-card", base64.b64encode(png_of(picture)).decode(), "four.png"])
    page.wait_for_selector("#own-answer .near")
    assert page.locator("#own-answer .near button").first.inner_text() == "4"
    page.evaluate(drop, ["#own-card", base64.b64encode(b"no picture").decode(), "x.png"])
    page.wait_for_selector("text=x.png is no picture")


def test_a_drawing_lands_and_is_cleared(opened):
    page = opened()
    box = page.locator("#pad").bounding_box()
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 10, steps=6)
    page.mouse.up()
    page.wait_for_selector("#own-answer .facts")
    drawn = pixels_of(page, "#own-answer figure:nth-child(1) canvas")
    assert drawn[:, 3:5].max(1).min() > 100
    assert drawn[:, :2].max() == 0
    page.click("#clear")
    page.wait_for_selector("#own-answer .empty")
    assert pixels_of(page, "#pad").max() == 0


def test_an_edited_cell_shows_which_others_would_follow(opened, sessions):
    page, session = opened("table", "#row=0"), sessions["table"]
    cells = session.row(0)["given"]["cells"][0]
    other = "north" if cells[0] == "south" else "south"
    page.select_option("#cell-0", other)
    page.wait_for_selector("#cells-answer .odd .facts")
    told = session.fill(cells, [other, *cells[1:]])
    for j in range(5):
        assert page.inner_text(f"#before-{j}") == told["before"][j]
        assert page.inner_text(f"#after-{j}") == told["after"][j]
        assert ("changed" in (page.get_attribute(f"#after-{j}", "class") or "")) == (
            told["before"][j] != told["after"][j]
        )
    nats = session.odd(cells=[other, *cells[1:]])["nats"]
    assert f"{nats:.1f}".replace("-", "−") in page.inner_text("#cells-answer .odd")
    page.fill("#cell-1", "warm")
    page.locator("#cell-1").blur()
    page.wait_for_selector("#cells-words .fault")
    assert "warm" in page.inner_text("#cells-words")


def test_a_dropped_row_is_taken_by_its_names(opened, sessions):
    page = opened("table")
    page.evaluate("""() => {
        const files = new DataTransfer();
        files.items.add(new File(["visits,site,warmth,smokes,height\\n5,south,22.5,true,96\\n"], "row.csv"));
        const dropped = { dataTransfer: files, cancelable: true };
        document.querySelector("#own-card").dispatchEvent(new DragEvent("drop", dropped));
    }""")
    page.wait_for_selector("#cells-answer .facts")
    assert [page.input_value(f"#cell-{j}") for j in range(5)] == ["south", "22.5", "5", "true", "96"]


def test_why_a_row_is_odd_is_told_by_column(opened, sessions):
    page, session = opened("table", "#row=2"), sessions["table"]
    why = session.odd(2)["why"]
    page.wait_for_selector("#row .bars")
    shown = page.locator("#row .bars span").all_inner_texts()
    found = {shown[k]: float(shown[k + 2].replace("−", "-")) for k in range(0, len(shown), 3)}
    expected = dict(zip([*session.schema.names, "the code"], [*why["values"], why["latent"]], strict=True))
    assert found == pytest.approx({k: round(v, 1) for k, v in expected.items()}, abs=0.051)


def test_rows_are_drawn_given_a_value(opened, sessions):
    page, session = opened("table"), sessions["table"]
    page.select_option("#given-0", "north")
    page.click("#draw")
    page.wait_for_selector("#new tbody tr")
    lines = [row.split("\t") for row in page.locator("#new tbody tr").all_inner_texts()]
    assert [[c if c != "–" else "" for c in line] for line in lines] == session.sample(12, {"site": "north"}, 0)[
        "cells"
    ]
    page.fill("#given-1", "1e9")
    page.click("#draw")
    page.wait_for_selector("#new .fault")
    assert "no such row" in page.inner_text("#new")


def test_a_path_of_a_table_is_a_table(opened, sessions):
    page = opened("table", "#path=3;8")
    page.wait_for_selector("#path tbody tr")
    assert page.locator("#path tbody tr").count() == 12


# -- colours, keys, state ----------------------------------------------------------------------------------------------


def test_points_are_coloured_by_what_is_chosen(opened, sessions):
    page = opened("table")
    picture = page.locator("#chart").screenshot()
    assert page.locator("#legend .key").all_inner_texts() == ["east", "north", "south"]
    for by in ("warmth", "anomaly, nats of surprise"):
        page.select_option("#colour", by)
        page.wait_for_selector("#legend .scale")
        page.wait_for_selector("#chart-wait", state="hidden")
        assert by in page.inner_text("#legend")
        assert page.locator("#chart").screenshot() != picture
        picture = page.locator("#chart").screenshot()


def test_the_wheel_zooms_and_dragging_moves(opened):
    page = opened()
    x, y = place_of(page, [0, 0])
    before = view_of(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(100)
    nearer = view_of(page)
    assert nearer[1] - nearer[0] < before[1] - before[0]
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=3)
    page.mouse.up()
    moved = view_of(page)
    assert moved[0] < nearer[0]
    assert moved[1] - moved[0] == pytest.approx(nearer[1] - nearer[0], rel=1e-3)
    page.click("#whole")
    assert "view" not in page.url


def test_all_can_be_done_by_keys(opened, sessions):
    page = opened()
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.value || document.activeElement.className"
            )
        )
    above = {"skip", "colour", "look", "nearer", "farther", "whole", "chart", "number"}
    below = {"mean", "traverse", "clear", "file", "draw", "in-view"}
    assert above | below <= reached
    page.focus("#chart")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector("#pointer canvas")
    x0, x1, *_ = view_of(page)
    page.wait_for_timeout(200)
    at = float(page.inner_text("#pointer-words").split(",")[0].replace("−", "-"))
    assert at == pytest.approx((x0 + x1) / 2 + 0.2 * (x1 - x0), abs=0.02 * (x1 - x0))
    page.keyboard.press("Enter")
    page.wait_for_selector("#row .facts")
    page.keyboard.press("+")
    assert "view" in page.url
    page.keyboard.press("0")
    assert "view" not in page.url
    page.check("input[value=lasso]", force=True)
    page.focus("#chart")
    for key in ("Enter", "ArrowUp", "Enter", "ArrowLeft", "Enter"):
        page.keyboard.press(f"Shift+{key}" if key.startswith("Arrow") else key)
    until(page, "/row/.test(document.querySelector('#set-words').textContent)")
    page.keyboard.press("Escape")
    assert page.inner_text("#set-words") == "No rows are chosen."


def test_every_control_has_a_name(opened):
    for name in ("digits", "table"):
        page = opened(name, "#row=1")
        nameless = page.evaluate("""() => [...document.querySelectorAll("button, input, select, canvas")].filter(e =>
            e.offsetParent && !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim())
            ).map(e => e.outerHTML)""")
        assert nameless == []


def test_a_link_leads_back(opened, sessions):
    page, session = opened(), sessions["digits"]
    unit = session.about()["units"][1]["unit"]
    page.select_option("#colour", "log-likelihood, nats")
    page.fill("#number", "11")
    page.click("#go button")
    page.wait_for_selector("#row .facts")
    page.click("#from-row")
    page.locator(f"#unit-{unit}").fill("-1.5")
    page.click("#nearer")
    page.locator("text=Path").first.click()
    hash = page.url.partition("#")[2]
    again = opened(hash=f"#{hash}&path=3%3B20")
    assert again.input_value("#colour") == "log-likelihood, nats"
    assert again.input_value("#number") == "11"
    assert again.input_value(f"#unit-{unit}") == "-1.5"
    assert again.is_checked("input[value=path]")
    assert again.locator("#path canvas").count() == 12
    assert view_of(again) == pytest.approx(view_of(page))
    page.wait_for_timeout(300)
    assert (pixels_of(again, "#made canvas") == pixels_of(page, "#made canvas")).all()


@pytest.mark.parametrize(
    "hash", ["#row=99999", "#view=a,b&path=x;y", "#units=1:x,:&colour=none&mode=fly", "#view=1,1,1,1"]
)
def test_a_broken_link_opens_the_page_all_the_same(opened, hash):
    page = opened(hash=hash)
    assert page.is_hidden("#alarm")
    assert page.input_value("#colour") == "label"


@pytest.mark.parametrize("name", ["digits", "table"])
def test_it_is_read_on_a_telephone(opened, name):
    page = opened(name, "#row=3&path=3;9", width=360, height=740)
    page.click("#traverse")
    page.click("#draw")
    page.wait_for_selector("#new canvas, #new td")
    page.wait_for_selector("#path canvas, #path td")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    wide = page.evaluate("""() => [...document.querySelectorAll("section, button, select, input, canvas")].filter(e =>
        e.offsetParent && !e.closest(".wide, .unseen, fieldset")
            && e.getBoundingClientRect().right > 360.5).map(e => e.id || e.outerHTML)""")
    assert wide == []


def test_a_row_of_many_values_is_a_line(browser):
    data = np.random.default_rng(0).normal(size=(80, 30)).cumsum(1)
    one = Running(Session(vaekit.VAE(2, preset="fast", epochs=1).fit(data).fitted_, data))
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(f"{one.address}#row=3")
    page.wait_for_selector("#row .odd .facts")
    assert page.locator("#row canvas").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()
    one.end()


def test_light_and_dark(opened):
    for scheme, is_dark in (("light", False), ("dark", True)):
        page = opened(color_scheme=scheme)
        styles = page.evaluate("""() => ["body", "#map-card", "h1", "#summary"].map(s => {
            const c = getComputedStyle(document.querySelector(s)); return [c.backgroundColor, c.color]; })""")
        level = [[np.mean([int(v) for v in re.findall(r"\d+", c)[:3]]) for c in pair] for pair in styles]
        (page_level, ink), (card, _), _, (_, faint) = level
        assert (page_level < 100 < ink, card < 100) == ((True, True) if is_dark else (False, False))
        assert abs(faint - card) > 90  # is read on it
        corner = page.evaluate(
            f"[...document.querySelector('#chart').getContext('2d').getImageData({LEFT}, 8, 1, 1).data]"
        )
        assert corner[3] > 0  # the frame is drawn


# -- faults ------------------------------------------------------------------------------------------------------------


def test_it_says_when_the_server_has_ended(browser, sessions):
    one = Running(sessions["table"])
    page = browser.new_page()
    page.goto(one.address)
    page.wait_for_selector("body[data-ready]")
    one.end()
    page.click("#draw")
    page.wait_for_selector("#alarm:not([hidden])", timeout=5000)
    assert "vaekit explore has ended" in page.inner_text("#alarm")
    assert page.is_visible("#again")
    page.close()


def test_it_says_that_it_waits(opened, sessions):
    def late(route):
        time.sleep(0.5)
        route.continue_()

    page = opened()
    page.route("**/colour", late)
    page.select_option("#colour", "log-likelihood, nats")
    assert page.is_visible("#chart-wait")
    assert "log-likelihood" in page.inner_text("#wait-words")
    page.wait_for_selector("#chart-wait", state="hidden")


def test_a_wrong_address_is_explained(browser, running):
    page = browser.new_page()
    answer = page.goto(running["digits"].address[:-5] + "/")
    assert answer.status == 403
    assert "does not open the page" in page.inner_text("h1")
    page.close()


def test_rows_that_are_not_there_are_said(opened):
    page = opened(wait="body[data-ready]")
    page.fill("#number", "4000")
    page.click("#go button")
    page.wait_for_selector("#row .fault")
    assert "rows are numbered from 0 to 399" in page.inner_text("#row")


# -- the page that stands alone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "table"])
def test_the_exported_page_decodes_under_the_pointer(browser, sessions, tmp_path, name):
    session, heard = sessions[name], []
    (tmp_path / "page.html").write_text(exported(session), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.on("console", lambda message: heard.append(message.text))
    page.on("request", lambda r: heard.append(r.url) if r.url.startswith("http") else None)
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(100)
    low, high = session.points.min(0), session.points.max(0)
    at = np.array([float(v.replace("−", "-")) for v in page.inner_text("#pointer-words").split(" · ")[0].split(", ")])
    share = (np.floor((at - low) / (high - low) * 24) + 0.5) / 24
    code = session.plane.codes((low + share * (high - low))[None])
    if name == "digits":
        assert np.abs(pixels_of(page, "#pointer canvas") - made_of(session, code)[0].astype(int)).max() <= 16
        assert page.evaluate("document.querySelector('#whole-grid').naturalWidth") == 24 * 10 - 2
    else:
        assert page.locator("#pointer dd").first.inner_text() == session.decode(code.tolist())["cells"][0][0]
    page.set_viewport_size({"width": 360, "height": 700})
    until(page, "document.documentElement.scrollWidth <= 360")
    page.close()
    assert heard == []
