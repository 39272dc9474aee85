"""The desk for browsers: one module per page or noun, each a router. `zrm.casework` checks the permissions."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from zrm.agent_api.pages import (
    account,
    case,
    case_steps,
    confirm,
    events,
    failed_deliveries,
    files,
    ledger,
    lists,
    new_contact,
    provider_sign_in,
    quarantine,
    search,
    second_step,
    security,
    sign_in,
    template_pages,
)

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(
    module.router
    for module in (
        sign_in,
        second_step,
        provider_sign_in,
        confirm,
        lists,
        search,
        new_contact,
        case,
        template_pages,
        case_steps,
        files,
        quarantine,
        failed_deliveries,
        ledger,
        account,
        security,
        events,
    )
)
"""Every page and step of the desk."""
