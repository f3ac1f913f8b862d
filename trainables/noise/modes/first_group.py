"""Layer noise as the follow-up's listing has it."""

from collections.abc import Sequence

from typing_extensions import override

from trainables.noise.modes.layer import Layer


class FirstGroup(Layer):
    """Layer noise as printed: sigma * xi on group 0 in every G-th step, no noise in the others.

    The printed loop counts the group only inside the branch that matches it. If t mod G is 0, group 0
    matches; otherwise nothing does. The mode measures what this changed in the published results.

    Source: the listing of the follow-up; see docs/explanation/fidelity.md.
    """

    name = "first_group"
    noise = "sigma * xi on group 0 if t mod G = 0, else none"
    source = "the follow-up's listing, as printed"
    color, symbol, dash = "#7A7A7A", "triangle-down", "longdash"

    @override
    def groups(self, t: int, n_groups: int) -> Sequence[int]:
        return () if t % n_groups else (0,)
