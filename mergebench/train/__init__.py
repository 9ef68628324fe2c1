"""Fine-tuning: one recipe, one loop, and the objective that a protection hands to it."""

from mergebench.progress import Progress
from mergebench.train.classifier import Classifier
from mergebench.train.fine_tuned import FineTuned
from mergebench.train.loop import train
from mergebench.train.lora import LoraTower
from mergebench.train.objective import Losses, Objective, Step
from mergebench.train.recipe import Recipe
from mergebench.train.round_robin import Tuned, train_in_turn

__all__ = [
    "Classifier",
    "FineTuned",
    "LoraTower",
    "Losses",
    "Objective",
    "Progress",
    "Recipe",
    "Step",
    "Tuned",
    "train",
    "train_in_turn",
]
