import torch
import torch.nn.functional as F

from zipseg.modeling.networks.clip_crops import ClipCrops
from zipseg.modeling.networks.preprocess import CLIP_MEAN


def test_each_mask_is_embedded_alone_on_a_plain_ground(resnet_clip):
    crops = ClipCrops(resnet_clip.visual)
    image = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    mask = torch.zeros(40, 40, 60, dtype=torch.bool)
    for index, each in enumerate(mask):
        each[4 : 12 + 10 * (index % 3), 10 : 17 + index % 39] = True  # two are alike
    found = crops(image, mask)
    assert torch.equal(found[0], found[39])
    for index in (0, 1, 2, 20, 38):
        torch.testing.assert_close(found[index], crops(image, mask[index : index + 1])[0])
    other = image.clone()
    other[:, 32:] = 0  # outside of all masks
    torch.testing.assert_close(crops(other, mask), found)
    assert not torch.allclose(found[0], found[1], atol=1e-5)


def test_masks_of_another_size_and_empty_ones(resnet_clip):
    crops = ClipCrops(resnet_clip.visual)
    image = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    mask = torch.zeros(2, 80, 120, dtype=torch.bool)
    mask[0, 8:40, 20:60] = True
    small = F.interpolate(mask[None].float(), (40, 60), mode="nearest")[0] > 0
    torch.testing.assert_close(crops(image, mask)[0], crops(image, small)[0])
    flat = torch.tensor([255 * mean for mean in CLIP_MEAN]).round().to(torch.uint8)
    ground = crops(flat[:, None, None].expand(3, 40, 60), ~small[1:])
    torch.testing.assert_close(crops(image, mask)[1:], ground, atol=0.05, rtol=0.05)
