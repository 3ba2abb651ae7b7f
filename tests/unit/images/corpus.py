"""Files as people have them: every mode, format, depth, orientation and profile, odd sizes, damaged and mislabelled.

`make` writes them below a folder and tells what each must become. Samples are written by hand or by libraries that the
package does not read them with, where there is one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_jxl  # noqa: F401  registers itself
import pyvips
import tifffile
from PIL import Image, ImageCms

from .png_by_hand import GRAY, GRAY_ALPHA, PALETTE, RGB, RGBA, bomb, png

SIZES = ((7, 9), (1, 1), (1, 9), (9, 1), (33, 50))
LOSSLESS, LOSSY = 0, 12
DATE, MAKER = "2020:01:02 03:04:05", "Maker"


@dataclass(frozen=True)
class Case:
    """A file and what reading it must give: the mode, the depth, the samples within `off` grey levels of 255.

    `error` is a part of the message where it must be refused; `kept` names the metadata that must come through.
    """

    name: str
    data: bytes
    mode: str = "RGB"
    bits: int = 8
    samples: np.ndarray | None = None
    off: int = LOSSLESS
    error: str = ""
    kept: tuple[str, ...] = ()
    frames: int = 1


ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="1"/></x:xmpmeta>'


def picture(size: tuple[int, int], channels: int, bits: int, seed: int = 0) -> np.ndarray:
    """Noise on a ramp, so that neither a shift nor a turn nor a lost bit goes unseen; alpha partly 0 and full."""
    rng = np.random.default_rng(seed)
    top = (1 << bits) - 1
    samples = rng.integers(0, top + 1, (*size, channels)).astype(np.uint16)
    if channels in (2, 4):
        samples[..., -1] = np.where(rng.random(size) < 0.3, rng.choice([0, top], size), samples[..., -1])
    return samples if bits > 8 else samples.astype(np.uint8)


def smooth(size: tuple[int, int], channels: int) -> np.ndarray:
    """A ramp that lossy formats keep."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    planes = [50 + 3 * rows + columns, 180 - rows - 2 * columns, 90 + rows + columns, 255 - 0 * rows]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


def exif(orientation: int = 1) -> bytes:
    """EXIF with a date, a maker and an orientation."""
    found = Image.Exif()
    found[0x0112], found[0x0132], found[0x010F] = orientation, DATE, MAKER
    return bytes(found.tobytes())


def pillow(samples: np.ndarray, form: str, **options: object) -> bytes:
    """A file by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples).save(buffer, form, **options)
    return buffer.getvalue()


def tiff(samples: np.ndarray, **options: object) -> bytes:
    """A file by tifffile."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples[..., 0] if samples.shape[-1] == 1 else samples, metadata=None, **options)
    return buffer.getvalue()


def pngs() -> Iterator[Case]:
    types = {1: (GRAY, "gray"), 2: (GRAY_ALPHA, "gray+alpha"), 3: (RGB, "RGB"), 4: (RGBA, "RGBA")}
    for channels, (kind, mode) in types.items():
        for bits in (8, 16):
            for interlaced in (False, True):
                a = picture((7, 9), channels, bits)
                name = f"png-{mode.replace('+', '-')}-{bits}{'-interlaced' if interlaced else ''}.png"
                yield Case(name, png(a, bits, kind, interlaced=interlaced), mode, bits, a)
    for bits in (1, 2, 4):
        codes = picture((7, 9), 1, bits)
        yield Case(f"png-gray-{bits}.png", png(codes, bits, GRAY), "gray", 8, codes * (255 // ((1 << bits) - 1)))
    colours = picture((1, 256), 3, 8, seed=1)[0]
    for bits in (1, 4, 8):
        codes = picture((7, 9), 1, bits)
        table = colours[: 1 << bits]
        yield Case(
            f"png-palette-{bits}.png", png(codes, bits, PALETTE, PLTE=table.tobytes()), samples=table[codes[..., 0]]
        )
        alpha = picture((1, 1 << bits), 1, 8, seed=2)[0]
        data = png(codes, bits, PALETTE, PLTE=table.tobytes(), tRNS=alpha.tobytes())
        yield Case(f"png-palette-{bits}-alpha.png", data, "RGBA", 8, np.concatenate([table, alpha], 1)[codes[..., 0]])
    gray, rgb = picture((7, 9), 1, 8), picture((7, 9), 3, 8)
    clear = np.where(gray == gray[0, 0], 0, 255).astype(np.uint8)
    mark = b"\0" + gray[0, 0].tobytes()
    yield Case("png-gray-8-key.png", png(gray, 8, GRAY, tRNS=mark), "gray+alpha", 8, np.dstack([gray, clear]))
    clear = np.where((rgb == rgb[0, 0]).all(-1), 0, 255).astype(np.uint8)
    mark = rgb[0, 0].astype(">u2").tobytes()
    yield Case("png-rgb-8-key.png", png(rgb, 8, RGB, tRNS=mark), "RGBA", 8, np.dstack([rgb, clear]))
    for size in SIZES:
        a = picture(size, 3, 8)
        yield Case(f"png-size-{size[0]}x{size[1]}.png", png(a, 8, RGB), samples=a)
        b = picture(size, 4, 16)
        yield Case(f"png-size-{size[0]}x{size[1]}-16.png", png(b, 16, RGBA), "RGBA", 16, b)


def tiffs() -> Iterator[Case]:
    kinds = {1: ("minisblack", "gray"), 2: ("minisblack", "gray+alpha"), 3: ("rgb", "RGB"), 4: ("rgb", "RGBA")}
    for channels, (photometric, mode) in kinds.items():
        for bits in (8, 16):
            a = picture((7, 9), channels, bits)
            extra = {"extrasamples": ["UNASSALPHA"]} if channels in (2, 4) else {}
            layout = {"planarconfig": "contig"} if channels > 1 else {}
            data = tiff(a, photometric=photometric, **extra, **layout)
            yield Case(f"tiff-{mode.replace('+', '-')}-{bits}.tif", data, mode, bits, a)
    a = picture((7, 9), 3, 16)
    yield Case("tiff-big-endian.tif", tiff(a, photometric="rgb", byteorder=">"), bits=16, samples=a)
    yield Case("tiff-deflate.tif", tiff(a, photometric="rgb", compression="zlib", rowsperstrip=2), bits=16, samples=a)
    b = picture((33, 50), 3, 8)
    yield Case("tiff-lzw.tiff", pillow(b, "TIFF", compression="tiff_lzw"), samples=b)
    bilevel = picture((7, 9), 1, 1)
    fax = io.BytesIO()
    Image.fromarray(bilevel[..., 0] * np.uint8(255)).convert("1").save(fax, "TIFF", compression="group4")
    yield Case("tiff-1-fax.tif", fax.getvalue(), "gray", 8, bilevel * np.uint8(255))


def lossy() -> Iterator[Case]:
    gray, rgb = smooth((33, 50), 1), smooth((33, 50), 3)
    yield Case("jpeg-gray.jpg", pillow(gray, "JPEG", quality=95), "gray", 8, gray, LOSSY)
    yield Case("jpeg-rgb.jpeg", pillow(rgb, "JPEG", quality=95), samples=rgb, off=LOSSY)
    yield Case("jpeg-rgb.jfif", pillow(rgb, "JPEG", quality=95, progressive=True), samples=rgb, off=LOSSY)
    yield Case("avif-rgb.avif", pillow(rgb, "AVIF", quality=95), samples=rgb, off=LOSSY)
    rgba = smooth((33, 50), 4)
    rgba[:16, :, 3] = 90
    yield Case("avif-rgba.avif", pillow(rgba, "AVIF", quality=95), "RGBA", 8, rgba, LOSSY)
    inks = Image.fromarray(rgb).convert("CMYK")
    buffer = io.BytesIO()
    inks.save(buffer, "JPEG", quality=95)
    yield Case("jpeg-cmyk-plain.jpg", buffer.getvalue(), samples=rgb, off=LOSSY)
    profile = pyvips.Image.profile_load("cmyk")
    shown = ImageCms.profileToProfile(
        inks, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    buffer = io.BytesIO()
    inks.save(buffer, "TIFF", icc_profile=profile)
    yield Case("tiff-cmyk-profile.tif", buffer.getvalue(), samples=np.array(shown))
    buffer = io.BytesIO()
    inks.save(buffer, "TIFF")
    yield Case("tiff-cmyk-plain.tif", buffer.getvalue(), samples=rgb, off=1)


def extras() -> Iterator[Case]:
    """What needs libvips or the JPEG XL plug-in."""
    ten = (smooth((33, 50), 3).astype(np.float64) * (1023 / 255)).round().astype(np.uint16)
    image = pyvips.Image.new_from_array(ten << 6).copy(interpretation="rgb16")
    data = image.heifsave_buffer(compression="av1", bitdepth=10, Q=95, subsample_mode="off", keep="none")
    yield Case("avif-10.avif", data, bits=10, samples=np.rint(ten * (65535 / 1023)).astype(np.uint16), off=LOSSY)
    for channels, mode in ((1, "gray"), (3, "RGB"), (4, "RGBA")):
        a = picture((7, 9), channels, 8)
        yield Case(f"jxl-{mode}.jxl", pillow(a, "JXL", lossless=True), mode, 8, a)


def others() -> Iterator[Case]:
    gray, rgb, rgba = (picture((7, 9), channels, 8) for channels in (1, 3, 4))
    for suffix, form in ((".bmp", "BMP"), (".webp", "WEBP")):
        options = {"lossless": True, "exact": True} if form == "WEBP" else {}
        yield Case(f"rgb{suffix}", pillow(rgb, form, **options), samples=rgb)
    yield Case("rgba.webp", pillow(rgba, "WEBP", lossless=True, exact=True), "RGBA", 8, rgba)
    yield Case("gray.bmp", pillow(gray, "BMP"), "gray", 8, gray)
    few = picture((7, 9), 3, 1) * np.uint8(255)
    yield Case("still.gif", pillow(few, "GIF"), samples=few)
    yield Case("mislabelled.jpg", pillow(rgb, "PNG"), samples=rgb)
    yield Case("mislabelled.png", pillow(smooth((7, 9), 3), "JPEG", quality=95), samples=smooth((7, 9), 3), off=LOSSY)


def moving() -> Iterator[Case]:
    frames = [Image.fromarray(picture((7, 9), 3, 1, seed=seed) * np.uint8(255)) for seed in range(3)]
    for suffix, form in ((".gif", "GIF"), (".png", "PNG"), (".webp", "WEBP")):
        buffer = io.BytesIO()
        options = {"lossless": True} if form == "WEBP" else {}
        frames[0].save(
            buffer, form, save_all=True, append_images=frames[1:], duration=[100, 40, 250], loop=0, **options
        )
        yield Case(f"moving{suffix}", buffer.getvalue(), frames=3, samples=np.array(frames[2]))


def told() -> Iterator[Case]:
    """What comes along: profile, EXIF, XMP, dpi, and each orientation."""
    rgb = picture((7, 9), 3, 8)
    everything = {"icc_profile": ICC, "exif": exif()}
    yield Case("told.png", pillow(rgb, "PNG", dpi=(300, 300), **everything), samples=rgb, kept=("icc", "exif", "dpi"))
    yield Case(
        "told.webp", pillow(rgb, "WEBP", lossless=True, xmp=XMP, **everything), samples=rgb, kept=("icc", "exif", "xmp")
    )
    jpeg = pillow(smooth((33, 50), 3), "JPEG", dpi=(300, 300), quality=95, xmp=XMP, **everything)
    yield Case("told.jpg", jpeg, samples=smooth((33, 50), 3), off=LOSSY, kept=("icc", "exif", "xmp", "dpi"))
    data = pillow(rgb, "TIFF", dpi=(300, 300), icc_profile=ICC, tiffinfo={700: XMP, 0x0132: DATE, 0x010F: MAKER})
    yield Case("told.tif", data, samples=rgb, kept=("icc", "exif", "xmp", "dpi"))
    deep = picture((7, 9), 3, 16)
    tags = {
        "iccprofile": ICC,
        "resolution": (300, 300),
        "resolutionunit": "INCH",
        "extratags": [(700, 1, len(XMP), XMP, True)],
    }
    data = tiff(deep, photometric="rgb", datetime=DATE, **tags)
    yield Case("told-16.tif", data, bits=16, samples=deep, kept=("icc", "xmp", "dpi", "date"))
    for orientation in range(2, 9):
        b = pillow(rgb, "PNG", exif=exif(orientation))
        yield Case(f"turned-{orientation}.png", b, samples=turned(rgb, orientation), kept=("exif",))
    stored = picture((7, 9), 3, 16)
    data = tiff(stored, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    yield Case("turned-6-16.tif", data, bits=16, samples=turned(stored, 6))


def turned(a: np.ndarray, orientation: int) -> np.ndarray:
    """Upright, by numpy's words for it."""
    ways = {
        1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud,
        5: lambda x: np.swapaxes(x, 0, 1), 6: lambda x: np.rot90(x, -1),
        7: lambda x: np.rot90(np.swapaxes(x, 0, 1), 2), 8: lambda x: np.rot90(x, 1),
    }  # fmt: skip
    return np.ascontiguousarray(ways[orientation](a))


def damaged() -> Iterator[Case]:
    rgb, deep = picture((33, 50), 3, 8), picture((33, 50), 3, 16)
    wholes = {
        "png": pillow(rgb, "PNG"), "jpg": pillow(rgb, "JPEG"), "webp": pillow(rgb, "WEBP", lossless=True),
        "tif": pillow(rgb, "TIFF", compression="tiff_adobe_deflate"), "bmp": pillow(rgb, "BMP"),
        "avif": pillow(rgb, "AVIF"),
    }  # fmt: skip
    for suffix, whole in wholes.items():
        yield Case(f"truncated.{suffix}", whole[: len(whole) * 2 // 3], error="damaged")
    whole = png(deep, 16, RGB)
    yield Case("truncated-16.png", whole[: len(whole) // 2], error="damaged")
    whole = tiff(deep, photometric="rgb")
    yield Case("truncated-16.tif", whole[: len(whole) // 2], error="damaged")
    yield Case("text.png", b"hello, I am no picture", error="no PNG")
    yield Case("empty.jpg", b"", error="no PNG")
    yield Case("bomb.png", bomb(1 << 16), error="exceeds the limit")
    yield Case(
        "floats.tif", tiff(np.zeros((4, 4, 3), np.float32), photometric="rgb"), error="convert it to gray or RGB"
    )
    pages = tiff(np.zeros((2, 4, 4, 3), np.uint8), photometric="rgb")
    yield Case("pages.tif", pages, error="pages")


def cases() -> list[Case]:
    """All of them."""
    return [*pngs(), *tiffs(), *lossy(), *extras(), *others(), *moving(), *told(), *damaged()]


def make(folder: Path) -> list[Case]:
    """Write them all. At least 60 files."""
    found = cases()
    for case in found:
        (folder / case.name).write_bytes(case.data)
    return found
