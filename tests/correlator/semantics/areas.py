"""Every area, in the page's order."""

from typing import Final

from tests.correlator.semantics import (
    comparisons,
    conditions,
    correlation_types,
    correlations,
    encodings,
    expressions,
    filters,
    generic,
    keywords,
    presence,
    references,
    strings,
    structure,
    values,
    windows,
)
from tests.correlator.semantics.clause import Area

AREAS: Final[tuple[Area, ...]] = tuple(
    module.AREA
    for module in (
        values,
        strings,
        presence,
        structure,
        keywords,
        generic,
        expressions,
        encodings,
        comparisons,
        references,
        conditions,
        filters,
        correlations,
        correlation_types,
        windows,
    )
)
