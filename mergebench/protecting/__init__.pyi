from .request import MARGIN as MARGIN
from .result import Protected as Protected
from .result import Written as Written
from .running import protect as protect
