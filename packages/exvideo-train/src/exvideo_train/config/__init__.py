"""The YAML that a person writes, checked whole before anything is loaded or written."""

from exvideo_train.config.keys import Mark as Mark
from exvideo_train.config.load import load_config as load_config
from exvideo_train.config.load import parse_changes as parse_changes
from exvideo_train.config.load import schema as schema
from exvideo_train.config.load import written_settings as written_settings
from exvideo_train.config.model import NoiseAugmentationSection as NoiseAugmentationSection
from exvideo_train.config.model import TimeNoiseSection as TimeNoiseSection
from exvideo_train.config.optimizer import OptimizerSection as OptimizerSection
from exvideo_train.config.run import TrainConfig as TrainConfig
from exvideo_train.config.run import marked as marked
from exvideo_train.config.watch import SamplesSection as SamplesSection
from exvideo_train.config.watch import ValidationSection as ValidationSection
