"""The entity service's application."""

from fastapi import FastAPI

from dataquality.core.app import create_app
from dataquality.core.context import make_context
from dataquality.core.settings import Settings
from dataquality.entity.collaboration.endpoints import router as collaborations
from dataquality.entity.described import OPERATIONS
from dataquality.entity.node.endpoints import recovery
from dataquality.entity.node.endpoints import router as nodes
from dataquality.entity.node.keys import ApiKeys
from dataquality.entity.organization.endpoints import router as organizations


def make_app(settings: Settings) -> FastAPI:
    """The application with all routes of organizations, collaborations and nodes."""
    context = make_context(settings)
    context.parts[ApiKeys] = ApiKeys(settings.secret("api_key_pepper"))
    return create_app(context, organizations, collaborations, nodes, recovery, described=OPERATIONS)
