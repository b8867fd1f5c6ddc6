import pytest
import torch
from exvideo_infer.encoders import for_image_encoder, for_vae
from exvideo_infer.request import check_image
from PIL import Image


def test_pictures_of_different_sizes_are_embedded_one_by_one() -> None:
    pictures = check_image([Image.new("RGB", (8, 8), "white"), Image.new("RGB", (4, 6))])
    pixels = for_image_encoder(pictures)
    assert [tuple(batch.shape) for batch in pixels] == [(1, 3, 8, 8), (1, 3, 6, 4)]
    assert (pixels[0] == 1).all()
    assert (pixels[1] == -1).all()
    assert for_vae(pictures, 16, 8).shape == (2, 3, 16, 8)


def test_pictures_of_other_modes_are_shown_as_files_of_them() -> None:
    red, grey = Image.new("RGBA", (8, 8), (255, 0, 0, 0)), Image.new("L", (8, 8), 100)
    pictures = check_image([red, grey])
    assert [picture.getpixel((3, 3)) for picture in pictures] == [(255, 255, 255), (100, 100, 100)]  # type: ignore[union-attr]
    opaque = Image.new("RGB", (8, 8))
    assert check_image(opaque)[0] is opaque


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        ([], "empty"),
        (["first.png"], "is a str"),
        (Image.new("F", (8, 8)), "image 0 has floating numbers"),
        (Image.new("I", (8, 8)), "image 0 has whole numbers of 32 bits"),
        ([Image.new("RGB", (8, 8)), Image.new("RGB", (1, 8))], "image 1 is 1x8"),
        (torch.zeros(3, 1, 1), "image is 1x1: give at least 2x2 pixels"),
        (torch.zeros(1, 4, 8, 8), "shape"),
        (torch.zeros(8, 8), "shape"),
        (torch.full((3, 8, 8), -0.5), "in \\[0, 1\\]"),
        (torch.full((3, 8, 8), float("nan")), "in \\[0, 1\\]"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "uint8"),
    ],
)
def test_what_is_no_image_is_refused(image: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_image(image)  # type: ignore[arg-type]
