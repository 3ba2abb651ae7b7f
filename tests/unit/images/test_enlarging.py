"""Gray, alpha, depth and size through networks that are known by heart."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.errors import ImageError
from intaglio.images import resize_to
from intaglio.images.enlarging import AlphaWay, EightBit, enlarge, enlarge_array, network_of
from intaglio.images.picture import Picture, from_unit, to_unit, with_bits
from intaglio.images.sizing import Size, parse_box, passes

from .networks import Identity, Nearest, Smooth


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    channels, bits = draw(st.sampled_from([1, 2, 3, 4])), draw(st.sampled_from([8, 16]))
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 5)), channels)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    samples = rng.integers(0, 1 << bits, shape).astype(np.uint16 if bits == 16 else np.uint8)
    if channels in (2, 4):
        samples[..., -1] = rng.choice([0, 1, (1 << bits) - 1, samples[0, 0, -1]], shape[:2])
    return Picture(samples, bits)


@given(pictures())
@settings(max_examples=60)
def test_a_network_that_changes_nothing_changes_no_sample(picture: Picture) -> None:
    """Also under an alpha of 1 of 65535, and where alpha is 0."""
    assert np.array_equal(enlarge(picture, Identity()).samples, picture.samples)


@given(pictures(), st.sampled_from([2, 3]))
@settings(max_examples=60)
def test_repeating_pixels_repeats_them_in_every_mode(picture: Picture, scale: int) -> None:
    expected = picture.samples.repeat(scale, axis=0).repeat(scale, axis=1)
    large = enlarge(picture, Nearest(scale))
    assert (large.mode, large.bits) == (picture.mode, picture.bits)
    assert np.array_equal(large.samples, expected)


@given(st.integers(1, 16), st.integers(0, 65535))
def test_units_and_samples_are_inverse(seed: int, value: int) -> None:
    samples = np.random.default_rng(seed).integers(0, 65536, 50).astype(np.uint16)
    samples[0] = value
    assert np.array_equal(from_unit(to_unit(samples), 16), samples)
    eight = (samples >> 8).astype(np.uint8)
    assert np.array_equal(from_unit(to_unit(eight), 8), eight)


@pytest.mark.parametrize("bits", [10, 12])
def test_more_bits_keep_fewer(bits: int) -> None:
    levels = (1 << bits) - 1
    codes = np.rint(np.arange(levels + 1) * (65535 / levels)).astype(np.uint16).reshape(1, -1, 1)
    picture = Picture(codes, bits)
    assert np.array_equal(with_bits(with_bits(picture, 16), bits).samples, codes)


def test_8_bit_rgb_and_opaque_alpha_take_the_fast_way() -> None:
    network = Nearest()
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    enlarge(Picture(rgb), network)
    opaque = enlarge(Picture(np.dstack([rgb, np.full((4, 5), 255, np.uint8)])), network)
    assert (network.fast, network.slow) == (2, 0)
    assert opaque.opaque
    assert opaque.samples.shape == (8, 10, 4)


def disc(side: int) -> np.ndarray:
    """An icon: a coloured disc with a soft edge, magenta hidden under what is clear."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    cover = np.clip((side * 0.35 - np.hypot(rows, columns)) / 1.5 + 0.5, 0, 1)
    rgb = np.where(cover[..., None] > 0, (30, 160, 60), (255, 0, 255))
    return np.dstack([rgb, np.rint(cover * 255)]).astype(np.uint8)


def over(samples: np.ndarray, ground: float) -> np.ndarray:
    """What is seen of RGBA samples over a gray ground, in the unit range."""
    unit = samples.astype(np.float64) / np.iinfo(samples.dtype).max
    return unit[..., :3] * unit[..., 3:] + ground * (1 - unit[..., 3:])


@pytest.mark.parametrize("way", [AlphaWay.NETWORK, AlphaWay.BICUBIC])
@pytest.mark.parametrize("ground", [0.0, 1.0])
@pytest.mark.parametrize("bits", [8, 16])
def test_soft_edges_have_no_fringe(way: AlphaWay, ground: float, bits: int) -> None:
    """What is seen over a ground is what enlarging the premultiplied planes gives over it.

    Rounding colour and alpha moves each by half a step, and the ground lies within one of the colour: one step in all
    for alpha (half a step times a difference of at most 1), half for the colour. Clipping the colour to what alpha
    covers takes away overshoot only, which the oracle clips as well.
    """
    icon = with_bits(Picture(disc(24)), bits)
    network = Smooth(3)
    large = enlarge(icon, network, alpha=way)
    unit = to_unit(icon.samples)
    planes = np.ascontiguousarray((unit[..., :3] * unit[..., 3:]).transpose(2, 0, 1))
    alpha = network.planes(np.repeat(unit[..., 3][None], 3, axis=0))[0]
    cover = np.clip(alpha, 0, 1)[..., None]
    expected = np.clip(network.planes(planes).transpose(1, 2, 0), 0, cover) + ground * (1 - cover)
    step = 1 / ((1 << bits) - 1)
    assert np.abs(over(large.samples, ground) - expected).max() <= 1.01 * step + 1e-6
    assert over(large.samples, ground)[..., 0].max() <= max(ground, 30 / 255) + 0.02  # no magenta anywhere


def test_enlarging_colours_without_alpha_would_have_one() -> None:
    """The test above can fail: magenta bleeds where colours are enlarged as they are stored."""
    icon = Picture(disc(24))
    colour = enlarge(Picture(np.ascontiguousarray(icon.colour)), Smooth(3)).samples
    alpha = enlarge(Picture(icon.samples[..., 3:]), Smooth(3)).samples
    assert over(np.dstack([colour, alpha]), 0.0)[..., 0].max() > 30 / 255 + 0.02


def test_discarding_alpha_shows_what_it_hid() -> None:
    large = enlarge(Picture(disc(8)), Nearest(), alpha=AlphaWay.DISCARD)
    assert large.samples.shape == (16, 16, 3)
    assert large.samples[0, 0].tolist() == [255, 0, 255]


@pytest.mark.parametrize(
    ("size", "shape", "calls"),
    [
        (Size(), (10, 14), 1),
        (Size(factor=Fraction(3)), (15, 21), 2),
        (Size(factor=Fraction(4)), (20, 28), 2),
        (Size(factor=Fraction(1, 2)), (3, 4), 0),
        (Size(box=(21, None)), (15, 21), 2),
        (Size(box=(None, 8)), (8, 11), 1),
        (Size(box=(100, 10)), (10, 14), 1),
        (Size(max_side=9), (6, 9), 1),
        (Size(max_side=7), (5, 7), 0),
        (Size(factor=Fraction(8), max_side=20), (14, 20), 2),
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sizes_and_passes(size: Size, shape: tuple[int, int], calls: int, channels: int) -> None:
    network = Nearest()
    picture = Picture(np.random.default_rng(0).integers(0, 255, (5, 7, channels), dtype=np.uint8))
    large = enlarge(picture, network, size=size)
    assert large.samples.shape == (*shape, channels)
    assert network.fast + network.slow == calls * (2 if channels == 4 else 1)


def test_what_the_network_gives_is_resampled_exactly() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (6, 8, 1), dtype=np.uint8)
    twice = Nearest().planes(np.repeat(gray[None, ..., 0] / np.float32(255), 3, axis=0))[0]
    expected = from_unit(resize_to(twice, 9, 12).astype(np.float32), 8)
    assert np.array_equal(enlarge(Picture(gray), Nearest(), size=Size(factor=Fraction(3, 2))).samples[..., 0], expected)


def test_a_hundred_passes_are_refused() -> None:
    with pytest.raises(ImageError, match="ask for less"):
        passes((1, 1), (10**6, 10**6), 2)


@pytest.mark.parametrize("text", ["", "x", "12", "-3x", "axb"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ImageError, match="1920x"):
        parse_box(text)


def test_two_sizes_are_refused() -> None:
    with pytest.raises(ImageError, match="give one"):
        Size(factor=Fraction(2), box=(3, None))


def test_an_8_bit_upscaler_enlarges_8_bits_only() -> None:
    def upscaler(image: np.ndarray) -> np.ndarray:
        return image

    upscaler.scale = 1  # type: ignore[attr-defined]
    gray = Picture(np.random.default_rng(0).integers(0, 256, (3, 4, 1), dtype=np.uint8))
    network = network_of(upscaler, 8)  # type: ignore[arg-type]
    assert isinstance(network, EightBit)
    assert np.array_equal(enlarge(gray, network).samples, gray.samples)
    with pytest.raises(ImageError, match="16 bits"):
        network_of(upscaler, 16)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 3)])
def test_arrays_of_other_programs(kind: type, shape: tuple[int, ...]) -> None:
    array = (np.random.default_rng(0).random(shape) * (1 if kind is np.float32 else 255)).astype(kind)
    large = enlarge_array(array, Nearest())
    assert large.dtype == kind
    assert np.array_equal(large, array.repeat(2, axis=0).repeat(2, axis=1))
    assert enlarge_array(array, Nearest(), size=Size(max_side=6)).shape[:2] == (5, 6)


@pytest.mark.parametrize("array", [np.zeros((3, 4)), np.zeros((3, 4, 4), np.float32), np.zeros((3,), np.uint8)])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises((ImageError, TypeError), match=r"pass|Type-check"):
        enlarge_array(array, Nearest())


class Gray(Nearest):
    """A network of one channel."""

    channels = 1

    def __call__(self, image: np.ndarray, /) -> np.ndarray:
        assert image.shape[2] == 1
        return super().__call__(image)

    def planes(self, x: np.ndarray, /) -> np.ndarray:
        assert len(x) == 1
        return super().planes(x)


@given(pictures())
@settings(max_examples=40)
def test_a_gray_network_enlarges_each_channel_by_itself(picture: Picture) -> None:
    large = enlarge(picture, Gray(2))
    assert np.array_equal(large.samples, picture.samples.repeat(2, axis=0).repeat(2, axis=1))
