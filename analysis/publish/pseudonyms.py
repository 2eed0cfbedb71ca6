"""Names that stand for the names of nodes, pods and images in one published folder, and mean nothing outside it."""

from collections import Counter


class Pseudonyms:
    """The same pseudonym for the same name, whichever run has it, and another one for another name.

    They are numbered as they are met, so nothing about a name follows from its pseudonym, and nobody keeps a key.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self.counts: Counter[str] = Counter()
        """How many names of each kind have a pseudonym."""

    def of(self, kind: str, name: str, form: str = "{0}-{1}") -> str:
        """The pseudonym of a name of this kind; `form` has places for the kind and for a number from 1 on."""
        if (kind, name) not in self._known:
            self.counts[kind] += 1
            self._known[kind, name] = form.format(kind, self.counts[kind])
        return self._known[kind, name]
