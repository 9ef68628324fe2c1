from .finding import weights_file as weights_file
from .fitting import check_layout as check_layout
from .fitting import fill as fill
from .hub import HubFile as HubFile
from .identity import state_sha256 as state_sha256
from .reading import read_tensors as read_tensors
from .reading import readable as readable
