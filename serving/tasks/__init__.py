"""The tables of tasks and workers: `GET /tasks`, `/tasks/names`, `/tasks/{id}`, `/workers`."""
