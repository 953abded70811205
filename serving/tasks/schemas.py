"""What the routes of tasks and workers answer with. A task's own fields are `sluice.task_runs.TaskRun`'s."""

from pydantic import Field

from serving.schemas import Schema
from sluice.task_runs import TaskRun


class TaskPage(Schema):
    tasks: list[TaskRun] = Field(description="newest first")
    next: str | None = Field(description="the cursor of the page after this one; null when there is none")
