from .loading import load_own as load_own
from .rows import OwnRow as OwnRow
from .rows import task_rows as task_rows
from .task_state import check_names as check_names
from .task_state import survey as survey
