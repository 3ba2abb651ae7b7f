"""The page in a real browser: drop, wait, slide, download, wrong file, quantize; by key, on a narrow screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import CHECKPOINT, MODEL

pytestmark = pytest.mark.browser

SHOWN = "return [...document.querySelectorAll('#ways a')].map(one => one.download)"


def wait(browser: Any, condition: Callable[[Any], Any]) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60, 0.05).until(condition)


def open_at(browser: Any, address: str, width: int) -> None:
    """Open the page in a viewport of exactly `width` CSS pixels, and wait for its models."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(address)
    browser.get_log("browser")
    wait(browser, lambda one: one.find_elements("css selector", "#model option"))
    choose_model(browser, MODEL)


def choose_model(browser: Any, name: str) -> None:
    script = """
        const select = document.getElementById('model');
        select.value = [...select.options].find(one => one.text.startsWith(arguments[0])).value;
        select.dispatchEvent(new Event('change'));
    """
    browser.execute_script(script, name)


def give(browser: Any, *paths: Path) -> None:
    browser.find_element("id", "files").send_keys("\n".join(map(str, paths)))


@pytest.mark.parametrize("width", [360, 1280])
def test_a_picture_is_enlarged_three_ways(browser: Any, address: str, pictures: Path, width: int) -> None:
    open_at(browser, address, width)
    give(browser, pictures / "leaves.png")
    wait(browser, lambda one: one.execute_script(SHOWN) == ["leaves_x2.png"] * 3)
    left, right = (browser.find_element("id", name).get_attribute("value") for name in ("left", "right"))
    assert (left, right) == ("bicubic", "model")
    script = "return [...document.images].filter(one => one.src && !(one.complete && one.naturalWidth)).length"
    wait(browser, lambda one: one.execute_script(script) == 0)
    wide, inner = browser.execute_script("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert (wide, inner) == (width, width)
    assert browser.find_element("id", "count").text == "1 of 1 enlarged"
    assert browser.get_log("browser") == []


def test_it_is_worked_by_key(browser: Any, address: str, pictures: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    open_at(browser, address, 1280)
    give(browser, pictures / "leaves.png", pictures / "other.jpg")
    wait(browser, lambda one: one.find_element("id", "count").text == "2 of 2 enlarged")
    reached = set()
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(browser.switch_to.active_element.get_attribute("id"))
    assert {"model", "add-model", "choose", "choose-folder", "bundle", "left", "right", "frame", "split"} <= reached
    second = browser.find_elements("css selector", "#pictures button")[1]
    second.send_keys(Keys.ENTER)
    assert second.get_attribute("aria-pressed") == "true"
    wait(browser, lambda one: one.execute_script(SHOWN) == ["other_x2.jpg"] * 3)
    split = browser.find_element("id", "split")
    split.send_keys(Keys.ARROW_RIGHT * 3)
    assert split.get_attribute("aria-valuetext") == "bicubic up to 53 percent, then in integers"
    browser.find_element("id", "frame").send_keys(Keys.ARROW_LEFT)
    assert split.get_attribute("value") == "52"
    assert browser.execute_script("return document.getElementById('over').style.clipPath") == "inset(0px 48% 0px 0px)"


def test_the_divider_is_dragged(browser: Any, address: str, pictures: Path) -> None:
    from selenium import webdriver

    open_at(browser, address, 1280)
    give(browser, pictures / "leaves.png")
    wait(browser, lambda one: len(one.execute_script(SHOWN)) == 3)
    stage = browser.find_element("id", "stage")
    actions = webdriver.ActionChains(browser).move_to_element(stage).click_and_hold()
    actions.move_by_offset(stage.size["width"] // 4, 0).release().perform()
    assert int(browser.find_element("id", "split").get_attribute("value")) == pytest.approx(75, abs=1)


def test_files_and_folders_are_dropped(browser: Any, address: str) -> None:
    """A drop as pages see it: one that gives files, since no script can make entries of folders."""
    open_at(browser, address, 1280)
    script = """
        const done = arguments[arguments.length - 1];
        const canvas = new OffscreenCanvas(8, 8);
        canvas.getContext('2d').fillRect(0, 0, 4, 4);
        canvas.convertToBlob().then((blob) => {
            const data = new DataTransfer();
            data.items.add(new File([blob], 'drawn.png'));
            dispatchEvent(new DragEvent('drop', { dataTransfer: data, cancelable: true, bubbles: true }));
            done();
        });
    """
    browser.execute_async_script(script)
    wait(browser, lambda one: one.execute_script(SHOWN) == ["drawn_x2.png"] * 3)


def test_a_wrong_file_is_told_and_the_rest_goes_on(browser: Any, address: str, pictures: Path) -> None:
    open_at(browser, address, 360)
    give(browser, pictures / "cut.png", pictures / "text.png", pictures / "leaves.png")
    wait(browser, lambda one: one.find_element("id", "count").text == "1 of 3 enlarged, 2 failed")
    told = [one.text for one in browser.find_elements("css selector", "#pictures .failed .state")]
    assert len(told) == 2
    assert all(name in text for name, text in zip(("cut.png", "text.png"), told, strict=True))
    wide, inner = browser.execute_script("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= inner


def test_results_are_downloaded(browser: Any, address: str, pictures: Path, tmp_path: Path) -> None:
    open_at(browser, address, 1280)
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    give(browser, pictures / "leaves.png")
    wait(browser, lambda one: len(one.execute_script(SHOWN)) == 3)
    browser.find_element("css selector", "#ways a").click()
    wait(browser, lambda _: (tmp_path / "leaves_x2.png").exists())
    browser.find_element("id", "bundle").click()
    wait(browser, lambda _: list(tmp_path.glob("enlarged-*.zip")))


def test_a_checkpoint_is_quantized_and_then_enlarges(browser: Any, address: str, pictures: Path) -> None:
    open_at(browser, address, 1280)
    choose_model(browser, CHECKPOINT)
    give(browser, pictures / "leaves.png")
    wait(browser, lambda one: "Quantize this network" in one.find_element("id", "sizes").text)
    browser.execute_script("document.getElementById('effort').value = 'quick'")
    browser.find_element("id", "quantize-go").click()
    wait(browser, lambda one: "dobi" in one.find_element("id", "model-told").text)
    wait(browser, lambda one: len(one.execute_script(SHOWN)) == 3)
    assert not browser.find_element("id", "making").is_displayed()
    assert browser.get_log("browser") == []


def test_nothing_is_asked_of_any_other_machine(browser: Any, address: str) -> None:
    open_at(browser, address, 1280)
    names = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    assert names
    assert all(name.startswith(address) for name in names)
