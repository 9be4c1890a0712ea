"""Who may see results, and who may answer."""

from typing import Annotated

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller, UserCaller, caller_of, permitted
from dataquality.model import Operation

ResultLister = Annotated[Caller, permitted("result", Operation.VIEW, UserCaller, NodeCaller, ContainerCaller)]
ResultViewer = Annotated[Caller, caller_of(UserCaller, NodeCaller, ContainerCaller)]
"""Of one result: an unknown id comes before the rules."""
TaskResultViewer = Annotated[Caller, caller_of(UserCaller, ContainerCaller)]
Answerer = Annotated[NodeCaller, caller_of(NodeCaller)]
