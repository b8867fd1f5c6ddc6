"""The one error of loading a base model."""


class BaseModelError(ValueError):
    """A base model that cannot be loaded; the message names it and what is wrong with it."""
