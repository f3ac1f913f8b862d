"""Classes that installed packages add through entry points."""

from collections.abc import Container
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from trainables.errors import reason_of


class PluginError(Exception):
    """An installed package that provides a class which cannot be used; the text names the package."""


class Plugins:
    """The classes of one group of entry points, by name."""

    def __init__(self, group: str, kind: str, built_in: Container[str]) -> None:
        """Use a group of entry points.

        Args:
            group: Name of the group.
            kind: What a class is, for messages, such as ``trainable``.
            built_in: The names that installed packages cannot use.
        """
        self._group, self._kind, self._built_in = group, kind, built_in

    def names(self) -> list[str]:
        """Return the names that installed packages define, sorted."""
        return sorted(entry_points(group=self._group).names)

    def get(self, name: str, base: type) -> Any:
        """Import the class that an installed package defines.

        Args:
            name: Name of the entry point.
            base: The class that it must inherit from.

        Returns:
            The class; None if no installed package defines the name.

        Raises:
            PluginError: If the package cannot be imported, its class does not fit, or the name has several
                owners.
        """
        installed = entry_points(group=self._group, name=name)
        packages = sorted(_package(point) for point in installed)
        if name in self._built_in:
            packages.append("noisesweep")
        if installed and len(packages) > 1:
            raise PluginError(
                f"{self._kind} {name!r} is defined by several packages ({', '.join(packages)}); "
                f"rename it in {packages[0]}, or uninstall that package"
            )
        return self._load(next(iter(installed)), base) if installed else None

    def _load(self, point: EntryPoint, base: type) -> Any:
        place = f"package {_package(point)}: {self._kind} {point.name!r} ({point.value})"
        try:
            loaded = point.load()
        except (Exception, SystemExit) as error:
            # Importing a package can raise anything.
            raise PluginError(
                f"{place} cannot be imported ({reason_of(error)}); fix or uninstall the package"
            ) from error
        fits = isinstance(loaded, type) and issubclass(loaded, base)
        if not fits or getattr(loaded, "name", None) != point.name:
            raise PluginError(f"{place} must be a subclass of {base.__name__} with name = {point.name!r}")
        return loaded


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module
