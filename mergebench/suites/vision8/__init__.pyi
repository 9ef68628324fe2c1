from .fetching import fetch as fetch
from .loading import load_vision8 as load_vision8
from .prompts import prompts_of as prompts_of
from .task_state import space_needed as space_needed
from .task_state import survey as survey
from .tasks import split_sizes as split_sizes
from .tasks import task_rows as task_rows
