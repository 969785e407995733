"""A tree of lines of text, as explanations are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Branch"]


@define
class Branch:
    r"""One line of the tree, and what hangs below it.

    >>> root = Branch("a")
    >>> _ = root.hang("b").hang("c"), root.hang("d")
    >>> print("\n".join(root.lines()))
    a
    ├─ b
    │  └─ c
    └─ d
    """

    text: str
    below: list[Branch] = field(factory=list)

    def hang(self, text: str) -> Self:
        """Add a line below this one; return it."""
        branch = type(self)(text)
        self.below.append(branch)
        return branch

    def lines(self) -> Iterator[str]:
        """Yield the lines, depth first; a stack, since chains of exchanges may be long."""
        yield self.text
        # (branch, what stands before it, whether it is the last of its siblings)
        stack = [(branch, "", branch is self.below[-1]) for branch in reversed(self.below)]
        while stack:
            branch, lead, last = stack.pop()
            yield f"{lead}{'└─' if last else '├─'} {branch.text}"
            lead += "   " if last else "│  "
            stack.extend((b, lead, b is branch.below[-1]) for b in reversed(branch.below))
