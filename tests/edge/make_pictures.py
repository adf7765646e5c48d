"""Makes the pictures that the edge code is tried on: make_pictures.py FOLDER.

`good_*.jpg` must give the same bytes as Pillow. `bad_*.jpg` must be refused
where Pillow refuses, and otherwise give the same bytes, too. All are made from
one seed, so every run tries the same ones.
"""

import random
import struct
import sys
from pathlib import Path

from PIL import Image, ImageFilter

ADOBE = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\0"  # ends in the transform


def noise(mode, size, blur=0):
    """Random pixels, softened so that both sides of the threshold occur."""
    count = size[0] * size[1] * len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, size, random.Random(7).randbytes(count))
    return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image


def gradient(size):
    ramps = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (ramps, ramps.rotate(90).resize(size),
                               ramps.rotate(180)))


def photograph(size):
    """Smooth areas, hard borders and grain, as in a photograph."""
    image = Image.blend(gradient(size), noise("RGB", size, blur=3), 0.4)
    image.paste((20, 40, 200), (size[0] // 5, size[1] // 4, size[0] // 2,
                                size[1] // 2))
    return Image.blend(image, noise("RGB", size), 0.1)


def make_good(folder):
    def save(name, image, **options):
        image.save(folder / f"good_{name}.jpg", **options)

    save("photograph", photograph((1920, 1080)), quality=90)
    save("gradient", gradient((800, 600)))
    save("noise", noise("RGB", (640, 480), blur=1))
    for width, height in ((1, 1), (2, 1), (1, 2), (1, 57), (57, 1), (16, 16),
                          (17, 33), (511, 5), (512, 5), (513, 5), (1025, 31)):
        save(f"{width}x{height}", noise("RGB", (width, height), blur=1))
    save("grey", noise("L", (301, 203), blur=1))
    save("grey_1x1", noise("L", (1, 1)))
    save("cmyk", noise("CMYK", (301, 203)), quality=95)
    save("cmyk_1x9", noise("CMYK", (1, 9)))
    save("progressive", photograph((515, 389)), progressive=True)
    save("progressive_grey", noise("L", (77, 99)), progressive=True)
    save("progressive_cmyk", noise("CMYK", (77, 99)), progressive=True)
    save("444", photograph((333, 222)), subsampling=0)
    save("422", photograph((333, 222)), subsampling=1)
    save("comment_exif", photograph((99, 66)), comment=b"hello",
         exif=b"Exif\0\0junk", dpi=(300, 300))

    # Pillow writes CMYK as it is. Said to be transformed, the same data is
    # YCCK; and YCbCr without subsampling, said not to be, holds RGB.
    cmyk = (folder / "good_cmyk.jpg").read_bytes()
    at = cmyk.index(b"Adobe") + 11
    (folder / "good_ycck.jpg").write_bytes(cmyk[:at] + b"\x02" + cmyk[at + 1:])
    ycc = (folder / "good_444.jpg").read_bytes()
    jfif_end = 4 + struct.unpack(">H", ycc[4:6])[0]
    (folder / "good_rgb_inside.jpg").write_bytes(
        ycc[:2] + ADOBE + ycc[jfif_end:])


def with_size(data, width, height):
    """The same file, claiming another size."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return (data[:at + 5] + struct.pack(">HH", height, width) + data[at + 9:])


def make_bad(folder):
    def save(name, data):
        (folder / f"bad_{name}.jpg").write_bytes(data)

    whole = (folder / "good_gradient.jpg").read_bytes()
    progressive = (folder / "good_progressive.jpg").read_bytes()
    save("html", b"<!DOCTYPE html><html><body>not here</body></html>\n")
    save("empty", b"")
    save("two_bytes", b"\xff\xd8")
    save("only_start", b"\xff\xd8\xff\xe0")
    save("cut_in_header", whole[:200])
    save("cut_in_half", whole[:len(whole) // 2])
    save("cut_near_end", whole[:-40])
    save("no_end_marker", whole[:-2])
    save("cut_progressive", progressive[:len(progressive) // 2])
    save("no_end_marker_progressive", progressive[:-2])
    save("ended_early", whole[:len(whole) // 2] + b"\xff\xd9")
    save("ended_early_progressive",
         progressive[:len(progressive) // 2] + b"\xff\xd9")
    save("trailing_junk", whole + b"junk" * 1000)
    save("claims_64250x64250", with_size(whole, 64250, 64250))
    save("claims_13380x13380", with_size(whole, 13380, 13380))
    save("claims_no_height", with_size(whole, 800, 0))
    save("claims_more_rows", with_size(whole, 800, 700))
    save("claims_fewer_rows", with_size(whole, 800, 500))
    save("too_wide", with_size(whole, 65535, 10))
    save("no_tables", whole[:2] + whole[whole.index(b"\xff\xc0"):])
    for seed in range(60):
        chance = random.Random(seed)
        damaged = bytearray(whole if seed % 2 else progressive)
        start = 0 if seed % 3 == 0 else len(damaged) // 10
        for _ in range(1 + seed % 7):
            at = chance.randrange(start, len(damaged))
            damaged[at] = chance.randrange(256)
        save(f"damaged_{seed}", bytes(damaged))


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    make_good(folder)
    make_bad(folder)


if __name__ == "__main__":
    main()
