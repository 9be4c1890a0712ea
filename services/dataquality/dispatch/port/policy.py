"""Who may see ports, and who may say which are open."""

from typing import Annotated

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller, UserCaller, caller_of, permitted
from dataquality.model import Operation

PortLister = Annotated[Caller, permitted("port", Operation.VIEW, UserCaller, NodeCaller, ContainerCaller)]
PortViewer = Annotated[Caller, caller_of(UserCaller, NodeCaller, ContainerCaller)]
PortKeeper = Annotated[NodeCaller, caller_of(NodeCaller)]
