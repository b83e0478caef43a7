"""What a provider of rerank models is: its address, its parameters, its request and its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from elanus.model.registry import Registry

Options = Mapping[str, Any]
"""Parameters of the provider, checked, under the names that its requests have for them."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of service.

    batch      texts in one call, unless the function says otherwise
    address    the URL that is called; a path when the function names the endpoint
    variable   the environment's variable of its key
    keyed      whether it can't be called without a key
    modelled   whether the function has to name a model
    options    other parameters a function may give: how each is checked
    request    (model, query, texts, options) -> body
    answer     (reply) -> (position of the text, score) of each; raises KeyError, TypeError, ValueError
    locate     (address, model) -> URL, where the model is part of it
    """

    name: str
    batch: int
    address: str
    request: Callable[[str, str, Sequence[str], Options], dict[str, Any]]
    answer: Callable[[Any], list[tuple[int, float]]]
    variable: str = ""
    keyed: bool = False
    modelled: bool = True
    options: Mapping[str, Callable[[str, Any], Any]] = field(default_factory=dict)
    locate: Callable[[str, str], str] | None = None

    @property
    def needs_endpoint(self) -> bool:
        """Whether users run it themselves and say where."""
        return self.address.startswith("/")


PROVIDERS: Final[Registry[Provider]] = Registry("rerank provider")
