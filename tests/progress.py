"""How far something long has come, also for whoever reads it in a log."""

from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID

LINES = 20
"""Of one task, from its beginning to its end."""


class Shown(Progress):
    """A bar where one can be drawn; else a line for each twentieth of a task."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._told: Counter[TaskID] = Counter()

    def update(self, task_id: TaskID, *args: Any, **changes: Any) -> None:
        super().update(task_id, *args, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        task = self._tasks[task_id]
        parts = int(task.percentage * LINES / 100)
        if self.disable and parts > self._told[task_id]:
            self._told[task_id] = parts
            self.console.print(f"{task.description}: {task.completed:,.0f} of {task.total:,.0f}", markup=False)
