from .options import COMMITTED_OPTIONS as COMMITTED_OPTIONS
from .options import PretrainOptions as PretrainOptions
from .run import pretrain as pretrain
