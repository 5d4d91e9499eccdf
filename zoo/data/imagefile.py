"""What an image file means: one image of 8 bits, grey or in colour, or a refusal that names what cannot be kept.

PNG, JPEG, WebP and TIFF are read, known by their content, not by their suffix. A file's pixels count as what every
viewer shows, in 8 bits:

    bit depth       1, 2, 4 and 8 bits as they are; 16 bits of grey where 8 hold the same (multiples of 257)
    palette         its colours
    transparency    none, or a channel that is opaque everywhere: what lies behind a pixel is not in the file
    orientation     turned as EXIF says
    colour space    grey, or RGB; as a grey image RGB whose channels are equal (JPEG and WebP may differ by 1, the
                    rounding of their codec); gamma and profile as of sRGB

Refused: what is left of these, CMYK, LAB and HSV, floats, 32 bits, and files of more than one image. Images to train on
(`read_picture`) are refused for less: transparent pixels lie on black, and colours become grey where that is asked for.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.data.spec import COLOUR, GREY

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
PLAIN = {"1", "L", "P", "RGB", "RGBA", "LA", "PA"}  # modes of Pillow whose channels have 8 bits
CODEC_ROUNDING = {"JPEG": 1, "WEBP": 1}  # by which equal channels may differ
SRGB_GAMMA = (0.44, 0.47)  # gAMA of a PNG that is meant for a screen: 1 / 2.2
TRANSPARENT = "has transparent pixels, whose colour is not in it: paint it on a background first"
PHOTOMETRIC, WHITE_IS_ZERO, SAMPLE_FORMAT, UNSIGNED = 262, 0, 339, 1  # of TIFF


PAINTED, GREYED = "transparent pixels, painted on black", "colours, turned to grey"  # what is done to a picture


def read_image(path: Path, channels: int = GREY) -> np.ndarray:
    """uint8 [H, W], the grey image in a file, or [H, W, 3] for 3 channels; nothing is converted that loses anything.

    Raises ZooError, naming the file, for any other and for a damaged one.
    """
    return _read(path, channels, None)


def read_picture(path: Path, channels: int) -> tuple[np.ndarray, list[str]]:
    """The same, and what was done to it: PAINTED, GREYED. Errors as `read_image`, but for those two."""
    done: list[str] = []
    return _read(path, channels, done), done


def _read(path: Path, channels: int, done: list[str] | None) -> np.ndarray:
    """done: takes what was converted; None: nothing may be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # how Pillow reports a torn file
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
                return _pixels(image, channels, done)
    except UnidentifiedImageError:
        raise ZooError(f"{path} is no PNG, JPEG, WebP or TIFF, or its header is damaged") from None
    except _Unkept as error:
        raise ZooError(f"{path} {error}") from None
    except Exception as error:  # decoders raise some twenty kinds on damaged data
        raise ZooError(f"{path} cannot be read: {_reason(error)}") from None


class _Unkept(Exception):
    """What a file holds that 8 bits of grey cannot keep, and what to do."""


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _pixels(image: Image.Image, channels: int, done: list[str] | None) -> np.ndarray:
    form, mode = image.format, image.mode
    raw = _raw_mode(image)
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise _Unkept(f"holds {counted(frames, 'image')}: write each to a file of its own")
    _check_colours(image)
    image.load()
    image = ImageOps.exif_transpose(image)
    if "12" in raw:
        raise _Unkept("holds 12-bit values: convert it to 8-bit grey")
    if mode in ("I;16", "I;16B", "I;16L", "I;16N") or (mode == "I" and form == "PNG"):
        return _with(channels, _sixteen(np.asarray(image).astype(np.int64), image.info.get("transparency")))
    if mode not in PLAIN:
        raise _Unkept(
            f"holds pixels of mode {mode}, which 8 bits a channel cannot keep: convert it to 8-bit grey or RGB"
        )
    if ";16" in raw:
        raise _Unkept("holds 16 bits in each colour, of which 8 would be dropped: convert it to 8 bits")
    if mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min(initial=255) < 255:
            if done is None:
                raise _Unkept(TRANSPARENT)
            done.append(PAINTED)
            image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    if image.mode in ("1", "L"):
        return _with(channels, np.asarray(image.convert("L")))
    pixels = np.asarray(image.convert("RGB"))
    if channels == COLOUR:
        return pixels
    spread = int(np.ptp(pixels, axis=-1).max(initial=0))
    if spread > CODEC_ROUNDING.get(str(form), 0):
        if done is None:
            raise _Unkept("holds colours, and the data are grey: its red, green and blue should be equal")
        done.append(GREYED)
    return np.asarray(image.convert("RGB").convert("L"))  # of equal channels their value


def _with(channels: int, grey: np.ndarray) -> np.ndarray:
    """A grey image [H, W], or the same thrice, [H, W, 3]."""
    return np.repeat(grey[..., None], COLOUR, axis=2) if channels == COLOUR else grey


def _raw_mode(image: Image.Image) -> str:
    """How the file stores its pixels, in Pillow's words: `L;4`, `RGB;16B`."""
    args = image.tile[0][3] if isinstance(image, ImageFile.ImageFile) and image.tile else ""
    return str(args[0] if isinstance(args, tuple) else args)


def _check_colours(image: Image.Image) -> None:
    """Raise _Unkept for values that mean another brightness than sRGB's."""
    gamma, profile = image.info.get("gamma"), image.info.get("icc_profile")
    if gamma is not None and "srgb" not in image.info and not SRGB_GAMMA[0] <= gamma <= SRGB_GAMMA[1]:
        raise _Unkept(f"holds values of gamma {1 / gamma if gamma else 0:g}, not sRGB's: convert it to sRGB")
    if profile:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
        if not any(word in name.lower() for word in ("srgb", "gamma 2.2", "gray", "grey")) or "linear" in name.lower():
            raise _Unkept(f"has the colour profile {name!r}, not sRGB: convert it to sRGB")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        forms = image.tag_v2.get(SAMPLE_FORMAT, UNSIGNED)
        if any(form != UNSIGNED for form in (forms if isinstance(forms, tuple) else (forms,))):
            raise _Unkept("holds signed or floating numbers: convert it to 8-bit grey")
        if image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO and image.mode not in ("1", "L"):  # Pillow turns those round
            raise _Unkept("holds a negative (TIFF's WhiteIsZero) of more than 8 bits: convert it to 8-bit grey")


def _sixteen(values: np.ndarray, transparent: object) -> np.ndarray:
    """16 bits of grey as 8, where nothing is lost."""
    if transparent is not None and (values == transparent).any():
        raise _Unkept(TRANSPARENT)
    if values.min(initial=0) < 0 or (values % 257).any():
        raise _Unkept("holds 16-bit values between those of 8 bits (multiples of 257): round it to 8-bit grey first")
    return (values // 257).astype(np.uint8)
