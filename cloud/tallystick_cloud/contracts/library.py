"""Contract files to begin with: one per kind of shared thing, each a whole contract that fits together.

It never knows a community: names of parties and assets are examples, to be replaced by the person who uses one.
"""

from importlib.resources import files

from tallystick_cloud.errors import BadInput

_FOLDER = "library"


def names() -> tuple[str, ...]:
    """Every template by name, in alphabetical order."""
    folder = files("tallystick_cloud.contracts") / _FOLDER
    return tuple(sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml")))


def template(name: str) -> str:
    """The text of a template. Raises BadInput naming those that there are."""
    if name not in names():
        raise BadInput("template", f"{name!r} is not one of {', '.join(names())}")
    return (files("tallystick_cloud.contracts") / _FOLDER / f"{name}.toml").read_text()


def about(name: str) -> str:
    """What it is for: the comment on its first line."""
    return template(name).partition("\n")[0].removeprefix("#").strip()
