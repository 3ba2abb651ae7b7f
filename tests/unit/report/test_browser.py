"""The page in a real browser: the slider moves by key and by drag, nothing overflows, the console stays silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intaglio.report import Content, render

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(content: Content, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(content), encoding="utf-8")
    return path.as_uri()


def open_at(browser: Any, address: str, width: int) -> None:
    """Open the page in a viewport of exactly `width` CSS pixels, as a telephone would."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(address)


def shown(browser: Any) -> tuple[float, str]:
    """How far the upper picture is uncovered, in percent of the width, and what the slider tells a screen reader."""
    clip = browser.execute_script("return document.getElementById('over').style.clipPath")
    told = browser.find_element("id", "split").get_attribute("aria-valuetext")
    return 100.0 - float(clip.split()[1].rstrip("%")), told


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_the_console_is_silent(browser: Any, address: str, width: int) -> None:
    open_at(browser, address, width)
    script = "return [document.scrollingElement.scrollWidth, innerWidth, document.images.length]"
    wide, inner, pictures = browser.execute_script(script)
    assert inner == width
    assert wide <= inner
    broken = browser.execute_script("return [...document.images].filter(i => !i.complete || !i.naturalWidth).length")
    assert (pictures, broken) == (12, 0)
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= inner
    assert browser.get_log("browser") == []


def test_the_slider_moves_by_key(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    open_at(browser, address, 390)
    assert shown(browser) == (50.0, "float up to 50 percent, then quantized")
    browser.find_element("id", "split").send_keys(Keys.ARROW_RIGHT * 3)
    assert shown(browser) == (53.0, "float up to 53 percent, then quantized")
    browser.find_element("id", "split").send_keys(Keys.HOME)
    assert shown(browser)[0] == 0.0
    assert browser.get_log("browser") == []


def test_the_slider_moves_by_dragging(browser: Any, address: str) -> None:
    from selenium import webdriver

    open_at(browser, address, 1280)
    stage = browser.find_element("id", "stage")
    quarter = stage.size["width"] // 4
    webdriver.ActionChains(browser).move_to_element(stage).click_and_hold().move_by_offset(
        quarter, 0
    ).release().perform()
    assert shown(browser)[0] == pytest.approx(75.0, abs=1.0)  # the divider stands at whole percents


def test_every_view_can_be_chosen(browser: Any, address: str) -> None:
    open_at(browser, address, 1280)
    for name in ("bicubic", "float", "quantized", "truth", "difference"):
        script = """
            const select = document.getElementById('right');
            select.value = arguments[0];
            select.dispatchEvent(new Event('change'));
            const view = document.querySelector(`[data-view=${arguments[0]}]`);
            const under = document.getElementById('under');
            return under.src === view.src && under.alt === view.alt;
        """
        assert browser.execute_script(script, name)


def test_the_page_is_whole_without_scripts(browser: Any, address: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_at(browser, address, 1280)
        assert not browser.find_element("id", "compare").is_displayed()
        assert all(image.is_displayed() for image in browser.find_elements("css selector", ".gallery img"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
