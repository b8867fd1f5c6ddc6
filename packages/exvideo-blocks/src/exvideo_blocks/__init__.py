"""Mount ExVideo's extended temporal blocks on a diffusers video model, train them, save them, take them off again.

    from exvideo_blocks import Extension, ExtensionConfig, extend, restore

    extension = extend(unet, ExtensionConfig(num_frames=128))  # in place; everything else is frozen
    ...                                                        # train extension.trainable_parameters()
    extension.save("extension.safetensors")
    restore(unet)                                              # the original model again

Nothing heavy is imported before one of these names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exvideo_blocks.config import ExtensionConfig as ExtensionConfig
    from exvideo_blocks.extension import Extension as Extension
    from exvideo_blocks.header import read_extension_header as read_extension_header
    from exvideo_blocks.lengthening import lengthen as lengthen
    from exvideo_blocks.mount import check_extends as check_extends
    from exvideo_blocks.mount import extend as extend
    from exvideo_blocks.mount import extension_of as extension_of
    from exvideo_blocks.mount import restore as restore
    from exvideo_blocks.published import export_published as export_published
    from exvideo_blocks.published import load_published as load_published

__version__ = "0.1.0"

_EXPORTS = {
    "Extension": "exvideo_blocks.extension",
    "ExtensionConfig": "exvideo_blocks.config",
    "check_extends": "exvideo_blocks.mount",
    "export_published": "exvideo_blocks.published",
    "extend": "exvideo_blocks.mount",
    "extension_of": "exvideo_blocks.mount",
    "lengthen": "exvideo_blocks.lengthening",
    "load_published": "exvideo_blocks.published",
    "read_extension_header": "exvideo_blocks.header",
    "restore": "exvideo_blocks.mount",
}
__all__ = [
    "Extension",
    "ExtensionConfig",
    "check_extends",
    "export_published",
    "extend",
    "extension_of",
    "lengthen",
    "load_published",
    "read_extension_header",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
