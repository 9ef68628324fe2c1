from .options import COMMITTED as COMMITTED
from .options import PretrainOptions as PretrainOptions
from .run import pretrain as pretrain
