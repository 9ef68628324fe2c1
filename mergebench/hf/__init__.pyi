from .deployment import deployed_at as deployed_at
from .full_change import deployed_from as deployed_from
from .full_change import start_of as start_of
from .loss import trap2_loss as trap2_loss
from .trainer import Trap2Trainer as Trap2Trainer
