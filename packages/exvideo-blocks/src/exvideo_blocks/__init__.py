"""Mount ExVideo's extended temporal blocks on a diffusers video model, train them, save them, take them off again.

    from exvideo_blocks import ExtensionConfig, extend, restore, save_extension

    extension = extend(unet, ExtensionConfig(num_frames=128))  # in place; everything else is frozen
    ...                                                        # train extension.trainable_parameters()
    save_extension(extension, "extension.safetensors")
    restore(unet)                                              # the original model again

Nothing heavy is imported before one of these names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exvideo_blocks.compiling import CompiledBlocks as CompiledBlocks
    from exvideo_blocks.compiling import compile_blocks as compile_blocks
    from exvideo_blocks.config import FRAME_RATES as FRAME_RATES
    from exvideo_blocks.config import ExtensionConfig as ExtensionConfig
    from exvideo_blocks.extension import Extension as Extension
    from exvideo_blocks.extension import extension_of as extension_of
    from exvideo_blocks.families import family_of as family_of
    from exvideo_blocks.families import networks_of as networks_of
    from exvideo_blocks.families import register_family as register_family
    from exvideo_blocks.families.family import Family as Family
    from exvideo_blocks.families.objective import Objective as Objective
    from exvideo_blocks.files.card import model_card as model_card
    from exvideo_blocks.files.diffusers_lora import export_lora as export_lora
    from exvideo_blocks.files.diffusers_lora import import_lora as import_lora
    from exvideo_blocks.files.header import ExtensionHeader as ExtensionHeader
    from exvideo_blocks.files.header import header_of as header_of
    from exvideo_blocks.files.header import read_extension_header as read_extension_header
    from exvideo_blocks.files.load import load_extension as load_extension
    from exvideo_blocks.files.published import export_published as export_published
    from exvideo_blocks.files.published import load_published as load_published
    from exvideo_blocks.files.save import push_to_hub as push_to_hub
    from exvideo_blocks.files.save import save_extension as save_extension
    from exvideo_blocks.files.save import save_pretrained as save_pretrained
    from exvideo_blocks.files.weights import read_safetensors as read_safetensors
    from exvideo_blocks.files.weights import write_safetensors as write_safetensors
    from exvideo_blocks.kernels.choose import BackendError as BackendError
    from exvideo_blocks.lengthening import lengthen as lengthen
    from exvideo_blocks.levels import LEVELS as LEVELS
    from exvideo_blocks.mount import check_extends as check_extends
    from exvideo_blocks.mount import extend as extend
    from exvideo_blocks.mount import restore as restore
    from exvideo_blocks.positions import POSITIONS as POSITIONS
    from exvideo_blocks.positions import STARTS as STARTS
    from exvideo_blocks.summary import summarize as summarize

__version__ = "0.1.0"

_HOMES = {
    "BackendError": "kernels.choose",
    "CompiledBlocks": "compiling",
    "Extension": "extension",
    "ExtensionConfig": "config",
    "ExtensionHeader": "files.header",
    "FRAME_RATES": "config",
    "Family": "families.family",
    "LEVELS": "levels",
    "Objective": "families.objective",
    "POSITIONS": "positions",
    "STARTS": "positions",
    "check_extends": "mount",
    "compile_blocks": "compiling",
    "export_lora": "files.diffusers_lora",
    "export_published": "files.published",
    "extend": "mount",
    "extension_of": "extension",
    "family_of": "families",
    "header_of": "files.header",
    "import_lora": "files.diffusers_lora",
    "lengthen": "lengthening",
    "load_extension": "files.load",
    "load_published": "files.published",
    "model_card": "files.card",
    "networks_of": "families",
    "push_to_hub": "files.save",
    "read_extension_header": "files.header",
    "read_safetensors": "files.weights",
    "register_family": "families",
    "restore": "mount",
    "save_extension": "files.save",
    "save_pretrained": "files.save",
    "summarize": "summary",
    "write_safetensors": "files.weights",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
