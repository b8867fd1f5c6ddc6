"""YAML whose every key stands once: of two, PyYAML takes the last and says nothing."""

from typing import Any

import yaml


class DuplicateKeyError(yaml.YAMLError):
    """A key that stands twice in one mapping; the message names it and both lines."""


def load_yaml(text: str) -> Any:
    """The value that a YAML document holds, as `yaml.safe_load` gives it.

    Raises:
        DuplicateKeyError: a key stands twice in one mapping, at any depth. A key that `<<` brings may be overridden.
        yaml.YAMLError: the text is not YAML.
    """
    return yaml.load(text, Loader=_KeysOnce)


class _KeysOnce(yaml.SafeLoader):
    # Looked at as written: later on, what `<<` brings stands beside what overrides it.
    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line, name = key.start_mark.line + 1, (key.tag, key.value)
            if name in lines:
                raise DuplicateKeyError(
                    f"the key {key.value} stands on line {lines[name]} and again on line {line}, and one value "
                    "alone can hold: remove one of the two"
                )
            lines[name] = line
        return node
