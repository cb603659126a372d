"""Sigma's view of a record: its logsource, which records a rule's logsource covers, and what they call its fields.

Names follow the Sigma taxonomy appendix 2.1; Windows channels, EventIDs and field names are Microsoft's. Rules of a
Sigma category (`process_creation`) use Sysmon's names. Where another event says the same (Security 4688), the rule's
names are turned into that event's, once, when the rule is loaded: events are never rewritten, and what an analyst
reads as a reason stands in the event.
"""

from soc.taxonomy.channels import windows
from soc.taxonomy.covering import covers
from soc.taxonomy.naming import Native, names, native
from soc.taxonomy.produced import logsources

__all__ = ["Native", "covers", "logsources", "names", "native", "windows"]
