"""Where in a YAML file a value stands, so that a fault of a flow or a tool contract is told with its line."""

from collections.abc import Sequence

import yaml


def line_of(node: yaml.Node, place: Sequence[int | str]) -> int:
    """Returns the line (from 1) of what a path leads to, or of the last step of it that exists.

    Args:
        node: A file's root, as `yaml.compose` returns it.
        place: Keys and indices; keys that are not there are passed over.
    """
    line = node.start_mark.line + 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            entry = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if entry is None:
                continue
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def repeated_keys(node: yaml.Node) -> list[tuple[str, int]]:
    """Returns every key that stands twice in one mapping, with the line (from 1) of its second place."""
    found: list[tuple[str, int]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                found.append((key.value, key.start_mark.line + 1))
            seen.add(key.value)
            found += repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            found += repeated_keys(item)
    return found
