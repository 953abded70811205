"""Runs whose process is gone but that Prefect still shows as Running: the automation that ends them."""

from datetime import timedelta
from typing import TYPE_CHECKING

from deployments.local.environment import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

NAME = "sluice: crash runs without a heartbeat"
MISSED_HEARTBEATS = 3


async def ensure_automation(client: "PrefectClient", heartbeat_seconds: int = HEARTBEAT_SECONDS) -> None:
    """Have the server crash every run that was silent for three heartbeats.

    When a flow's process and its worker are both killed, nobody is left to report it, and the run would stay Running.
    """
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    within = timedelta(seconds=MISSED_HEARTBEATS * heartbeat_seconds)
    wanted = AutomationCore(
        name=NAME,
        description="A run that sends no heartbeat has lost its process. Made by Sluice; made anew if changed.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            # Any event of the run counts as life: names of states can be chosen, so they cannot be listed.
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No heartbeat for {within.seconds} s: the run's process is gone. Run it again; finished "
                "stages are skipped.",
            )
        ],
    )
    existing = await client.read_automations_by_name(NAME)
    for automation in existing[1:]:
        await client.delete_automation(automation.id)
    if existing:
        await client.update_automation(existing[0].id, wanted)
    else:
        await client.create_automation(wanted)
