"""The published networks: what they are, where they can be had, how their files are recognised.

None is shipped and none is fetched unasked. A file is loaded only if its SHA-256 is the one that was given with it:
most are TorchScript, which can run any code.
"""

from dataclasses import dataclass

I3D, I3D_400, VIDEOMAE_G = "i3d", "i3d-400", "videomae-g"
VJEPA_H, VJEPA_H_PROBE = "vjepa-h", "vjepa-h-probe"
INCEPTION_V3, C3D, CLIP_MODEL = "inception-v3", "c3d", "clip"

TORCHSCRIPT, STATE_DICT, TRANSFORMERS = "TorchScript", "state dict", "transformers"


@dataclass(frozen=True)
class PublishedNetwork:
    """A network that protocols are defined on.

    Args:
        name: as it stands in a result.
        kind: TorchScript, state dict (read with weights_only, into an architecture of this package), or transformers.
        files: by their key for `--network`, the names that the authors' files have.
        source: where they can be had.
        outputs: numbers a sample that it may answer by, depending on the call; none where that is the model's own.
        known_distance: squared distance of its answers to 30 frames of 64x64, all black and all white, after
            common-metrics' preprocessing, where it has been published; it varies by about 1 with the version of torch.
    """

    name: str
    kind: str
    files: tuple[tuple[str, str], ...]
    source: str
    outputs: tuple[int, ...]
    known_distance: float | None = None


NETWORKS = {
    I3D: PublishedNetwork(
        "I3D (Kinetics-400, TorchScript)",
        TORCHSCRIPT,
        ((I3D, "i3d_torchscript.pt"),),
        "hf://flateon/FVD-I3D-torchscript/i3d_torchscript.pt, or www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt",
        (400,),
        known_distance=151.26,
    ),
    I3D_400: PublishedNetwork(
        "I3D (Kinetics-400, i3d_pretrained_400)",
        STATE_DICT,
        ((I3D_400, "i3d_pretrained_400.pt"),),
        "github.com/songweige/TATS, tats/fvd/i3d_pretrained_400.pt",
        (400,),
    ),
    VIDEOMAE_G: PublishedNetwork(
        "VideoMAE-v2 g (SSv2)",
        STATE_DICT,
        ((VIDEOMAE_G, "vit_g_hybrid_pt_1200e_ssv2_ft.pth"),),
        "github.com/OpenGVLab/VideoMAEv2, docs/MODEL_ZOO.md",
        (1408,),
    ),
    VJEPA_H: PublishedNetwork(
        "V-JEPA ViT-H (SSv2 probe)",
        STATE_DICT,
        ((VJEPA_H, "vith16.pth.tar"), (VJEPA_H_PROBE, "ssv2-probe.pth.tar")),
        "dl.fbaipublicfiles.com/jepa/vith16/vith16.pth.tar and ssv2-probe.pth.tar",
        (1280,),
    ),
    INCEPTION_V3: PublishedNetwork(
        "Inception-v3 (2015-12-05)",
        TORCHSCRIPT,
        ((INCEPTION_V3, "inception-2015-12-05.pt"),),
        "nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
        (2048, 1008),  # features, or probabilities
    ),
    C3D: PublishedNetwork(
        "C3D (UCF-101)",
        TORCHSCRIPT,
        ((C3D, "c3d_ucf101.pt"),),
        "www.dropbox.com/s/jxpu7avzdc9n97q/c3d_ucf101.pt",
        (101,),
    ),
    CLIP_MODEL: PublishedNetwork(
        "CLIP",
        TRANSFORMERS,
        ((CLIP_MODEL, "model.safetensors"),),
        "a folder or hub id that transformers loads, such as openai/clip-vit-large-patch14",
        (),
    ),
}
FILE_KEYS = tuple(key for network in NETWORKS.values() for key, _ in network.files)
