from .backbone import BertBackbone as BertBackbone
from .files import missing_bert as missing_bert
from .loading import load_bert as load_bert
from .tower import create_tower as create_tower
